// What a run is asked for, and what it reports.
import type { Evidence } from './checks/evidence.ts';
import type { FaultKind } from './environment/faults.ts';
import type { Violation } from './environment/violation.ts';
import type { Mutant } from './mutants/mutant.ts';

export interface RunOptions {
  readonly seed: number;
  /** Orders that customers place. */
  readonly orders: number;
  readonly faults: readonly FaultKind[];
  /** Named instances of order-service; 0 or left out: one without a name. */
  readonly instances?: number | undefined;
  /** A planted bug. */
  readonly mutant?: Mutant | undefined;
  /** Keeps the history, for diagrams. It changes nothing about the run. */
  readonly keepHistory?: boolean;
  /** Called at the end with everything that the promises are judged by. */
  readonly inspect?: (evidence: Evidence) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly orders: number;
  readonly instances: number;
  readonly accepted: number;
  readonly events: number;
  readonly steps: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly races: ReadonlyMap<string, number>;
  /** Virtual time from the end of the faults until nothing was left to do. */
  readonly quietAfterMs: number;
  readonly virtualMs: number;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly realMs: number;
  /** With keepHistory: what happened to the order of the first violation. */
  readonly diagram?: string | undefined;
}
