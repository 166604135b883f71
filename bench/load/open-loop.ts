// Launches sagas at the fixed moments of a schedule, whether or not the earlier ones are over.
import type { OpenLoad } from './load.ts';
import type { LoopTarget } from './loop-target.ts';
import { monotonicMs, startMetronome } from './metronome.ts';
import { arrivalMs, arrivalsOf, dueAfter, isMeasured, tickMs } from './schedule.ts';

/** Soon, but not before the metronome's thread runs. */
const startDelayMs = 100;

export function openLoop(load: OpenLoad, target: LoopTarget): void {
  const arrivals = arrivalsOf(load);
  const startMs = monotonicMs() + startDelayMs;
  const everyMs = tickMs(load);
  const ticks = Math.ceil(arrivalMs(load, arrivals) / everyMs) + 1;
  let next = 0;
  let counting = false;
  const stop = startMetronome({ startMs, everyMs, ticks }, (tick) => {
    const due = dueAfter(load, tick * everyMs);
    for (; next < due; next += 1) {
      const measured = isMeasured(load, next);
      if (measured && !counting) {
        counting = true;
        target.beginCounting();
      }
      target.launch(startMs + arrivalMs(load, next), measured);
    }
    if (next < arrivals || tick < ticks - 1) return;
    stop();
    target.endCounting();
    target.allLaunched();
  });
}
