// Keeps a fixed number of sagas in flight: each that is over makes room for the next.
import type { ClosedLoad } from './load.ts';
import type { LoopTarget } from './loop-target.ts';
import { monotonicMs } from './metronome.ts';

/** A refused saga is not replaced at once: that would only be refused again. */
const refusedDelayMs = 20;
const enoughCheckMs = 50;

/** @returns what to call when a saga is over */
export function closedLoop(load: ClosedLoad, target: LoopTarget): (refused: boolean) => void {
  const { inFlight, warmUpS, seconds, sagas } = load;
  let stopping = false;
  const launchNext = (): void => {
    if (!stopping) target.launch(monotonicMs(), false);
  };
  const stopWhenEnough = (): void => {
    if (target.endedSoFar() < sagas) return void setTimeout(stopWhenEnough, enoughCheckMs);
    stopping = true;
    target.endCounting();
    target.allLaunched();
  };
  setTimeout(() => {
    target.beginCounting();
    setTimeout(stopWhenEnough, seconds * 1000);
  }, warmUpS * 1000);
  for (let index = 0; index < inFlight; index += 1) launchNext();
  return (refused) => {
    if (refused) setTimeout(launchNext, refusedDelayMs);
    else launchNext();
  };
}
