// Orders without pause, and a kill among them.

export interface Burst {
  /** Places one order. */
  readonly place: () => Promise<void>;
  /** Kills; resolves when that has happened. */
  readonly kill: () => Promise<void>;
  /** Orders placed at the same time. */
  readonly width: number;
  /** Orders that have been answered when the kill begins. */
  readonly before: number;
  /** Orders that are still placed after it. */
  readonly after: number;
}

/** Resolves when all is placed and killed. @returns how many orders were placed */
export async function ordersAroundKill({ place, kill, width, before, after }: Burst): Promise<number> {
  let placed = 0;
  let killing: Promise<void> | undefined;
  let goal = Number.POSITIVE_INFINITY;
  const customer = async (): Promise<void> => {
    while (placed < goal) {
      await place();
      placed += 1;
      if (placed < before || killing !== undefined) continue;
      killing = kill().then(() => {
        goal = placed + after;
      });
      // Who awaits it comes later; until then the customers must not go on for ever when it failed.
      killing.catch(() => {
        goal = 0;
      });
    }
  };
  await Promise.all(Array.from({ length: width }, customer));
  await killing;
  return placed;
}
