// Bounds what repeated faults write to the log: a few lines of a kind each second, then a count of those left out.
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Lines of one kind that are written in full within a window. */
const linesMax = 10;
const windowMs = 1_000;

export class RateLimitedLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #windows = new Map<string, { written: number; leftOut: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** The message is also the kind: lines that differ only in their fields share the limit. */
  write(level: 'warn' | 'error', fields: object, message: string): void {
    const open = this.#windows.get(message);
    const window = open ?? { written: 0, leftOut: 0 };
    if (!open) {
      this.#windows.set(message, window);
      this.#clock.after(windowMs, () => {
        this.#windows.delete(message);
        if (window.leftOut > 0)
          this.#log[level]({ leftOut: window.leftOut, windowMs }, `${message} (more of the same)`);
      });
    }
    if (window.written === linesMax) {
      window.leftOut += 1;
      return;
    }
    window.written += 1;
    this.#log[level](fields, message);
  }
}
