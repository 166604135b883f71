// Decides which requests are let in. A burst is; but when more requests keep coming than can be worked on, few are worked on at
// once and the others are refused at hardly any cost, so that the event loop stays free for probes and events.
import type { Clock } from '../environment/clock.ts';

/** Most requests in work, and most that begin in one turn of the event loop: in a burst, and under overload. */
export const burstMax = 1_000;
export const overloadMax = 96;
/** So many in work, or begun in one turn, are a crowd. */
export const crowdMin = 256;
/** A crowd that lasts longer than this is no burst; the overload is over when nobody was refused for so long. */
export const burstMs = 500;

export class Admission {
  readonly #clock: Clock;
  /** Changes that are not on disk yet. */
  #inWork = 0;
  /** Requests that were let in during this turn of the event loop. */
  #begun = 0;
  #turnEnds = false;
  #crowdedSinceMs: number | undefined;
  #overloaded = false;
  #refusedAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get overloaded(): boolean {
    return this.#overloaded;
  }

  /** Whether a request is to be refused now. @param changes whether it changes something */
  refuses(changes: boolean): boolean {
    const max = this.#overloaded ? overloadMax : burstMax;
    const refused = this.#begun >= max || (changes && this.#inWork >= max);
    if (refused) this.#refusedAtMs = this.#clock.steadyMs();
    else this.#begin();
    return refused;
  }

  /** Counts a change until it is on disk or has failed. */
  during<T>(change: Promise<T>): Promise<T> {
    this.#inWork += 1;
    return change.finally(() => {
      this.#inWork -= 1;
    });
  }

  #begin(): void {
    this.#begun += 1;
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#clock.soon(() => {
      this.#turnEnds = false;
      this.#look();
      this.#begun = 0;
    });
  }

  /** At the end of a turn in which something began. */
  #look(): void {
    const nowMs = this.#clock.steadyMs();
    const crowded = Math.max(this.#begun, this.#inWork) >= crowdMin;
    this.#crowdedSinceMs = crowded ? (this.#crowdedSinceMs ?? nowMs) : undefined;
    if (this.#crowdedSinceMs !== undefined && nowMs - this.#crowdedSinceMs >= burstMs) this.#overloaded = true;
    else if (nowMs - this.#refusedAtMs >= burstMs) this.#overloaded = false;
  }
}
