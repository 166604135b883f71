// Measures targets in turns, since the machine is never quite the same from one minute to the next: what is compared was
// measured side by side.
import type { Target } from '../load/load.ts';
import type { Measured } from '../stage/stage.ts';

export type RoundsByTarget = Readonly<Partial<Record<Target, readonly Measured[]>>>;

/** @param measure one measurement; rounds count from 1 */
export async function inTurns(
  targets: readonly Target[],
  rounds: number,
  measure: (target: Target, round: number) => Promise<Measured>,
): Promise<RoundsByTarget> {
  const measured = new Map<Target, Measured[]>(targets.map((target) => [target, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [target, results] of measured) results.push(await measure(target, round));
  }
  return Object.fromEntries(measured);
}

/** Results by target, each made of the target's rounds. */
export function byTarget<T>(
  rounds: RoundsByTarget,
  make: (rounds: readonly Measured[]) => T,
): Readonly<Partial<Record<Target, T>>> {
  return Object.fromEntries(Object.entries(rounds).map(([target, results]) => [target, make(results)]));
}
