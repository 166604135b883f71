// What a loop, open or closed, calls: it decides when sagas start, and its target starts and counts them.

export interface LoopTarget {
  /** Starts a saga that was due at `dueMs`. @param measured whether its latency counts */
  launch(dueMs: number, measured: boolean): void;
  endedSoFar(): number;
  beginCounting(): void;
  endCounting(): void;
  /** The last saga was launched. */
  allLaunched(): void;
}
