// The timers of the process, for code that takes no clock: they go by a clock that a test turns.
import type { Timer } from '../../shared/runtime/environment/clock.ts';
import type { HandClock } from './hand-clock.ts';

/** From now on. Returns what gives the process its own timers back. */
export function timersGoBy(clock: HandClock): () => void {
  const { setTimeout: own, clearTimeout: ownClear } = globalThis;
  const timers = new Map<number, Timer>();
  globalThis.setTimeout = ((run: () => void, delayMs: number): number => {
    timers.set(timers.size, clock.after(delayMs, run));
    return timers.size - 1;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((id: number): void => void timers.get(id)?.cancel()) as typeof clearTimeout;
  return () => {
    globalThis.setTimeout = own;
    globalThis.clearTimeout = ownClear;
  };
}
