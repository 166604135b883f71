// Time, scheduling and identifiers, as things that are handed in: real ones here, seeded ones in the simulator.
// Code that decides anything takes the moment and the ids from here and never from the machine.
import { v7 as uuidv7 } from 'uuid';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall-clock milliseconds since 1970. It may jump, stop or run backwards. */
  nowMs(): number;
  /** Runs once this turn of the event loop has taken in what had arrived. */
  soon(run: () => void): void;
  /** Runs once, at least delayMs from now. A pending timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
  /** A new UUID v7 in its usual text form. */
  newId(): string;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  soon: (run) => void setImmediate(run),
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1)).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  newId: () => uuidv7(),
};

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Waiting time before attempt number `attempt` (from 1): doubles from minMs up to maxMs. */
export function backoffMs(attempt: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 30));
}
