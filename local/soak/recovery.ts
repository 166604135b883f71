// How long a system took to recover from a fault.

import type { Strike } from './result.ts';
import type { Purchase } from './shoppers.ts';

/** Time from the end of a fault until everything that was wanted before it has ended; undefined: it never has. */
export function recoveryMs(strike: Strike, purchases: readonly Purchase[]): number | undefined {
  let lastMs = strike.untilMs;
  for (const { wantedAtMs, endedAtMs } of purchases) {
    if (wantedAtMs > strike.untilMs) continue;
    if (endedAtMs === undefined) return undefined;
    lastMs = Math.max(lastMs, endedAtMs);
  }
  return lastMs - strike.untilMs;
}
