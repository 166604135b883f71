// Shares the event loop among reads. Each takes milliseconds at most, but hundreds that arrive together would keep probes,
// events and changes waiting for all of them: so in one turn of the loop reads get a few milliseconds, and the others wait for
// the next turns. While connections arrive, reads rest between their turns, since the loop takes in one connection per turn,
// and a probe is often the first request of its connection. Where the loop has time, a read runs at once.
import type { Clock } from '../environment/clock.ts';
import { unavailable } from './problem.ts';

/** Reads begin until so much of a turn of the event loop is spent. */
export const turnMs = 10;
/** While something arrives in every turn, reads rest so many times as long as they took. */
export const restFactor = 2;
/** While the first in the queue has waited for so long, no further one is taken in. */
export const waitMsMax = 1_000;

/** Who reads: the services each other, and operators; or customers. Neither keeps the other waiting. */
const readers = ['services', 'customers'] as const;
export type Reader = (typeof readers)[number];

interface Waiting {
  readonly sinceMs: number;
  readonly begin: () => void;
}

export class ReadTurns {
  readonly #clock: Clock;
  readonly #waiting: Readonly<Record<Reader, Waiting[]>> = { services: [], customers: [] };
  /** On reads, in this turn of the event loop. */
  #spentMs = 0;
  #restUntilMs = 0;
  /** Something has arrived in this turn. */
  #arrived = false;
  #turnEnds = false;
  #next: Reader = 'services';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called for each connection and request. */
  arrived(): void {
    this.#arrived = true;
  }

  /**
   * Reads now, or in one of the next turns.
   * @param isGone whether nobody waits for the answer any more: it is not read then
   * @throws ProblemError 503 when too many wait
   */
  run<T>(reader: Reader, isGone: () => boolean, read: () => T | Promise<T>): T | Promise<T> {
    const nowMs = this.#clock.steadyMs();
    if (!this.#waits && this.#spentMs < turnMs && nowMs >= this.#restUntilMs) return this.#timed(read);
    if (this.isFull(reader)) throw tooMany();
    this.#endTurnSoon();
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        try {
          if (isGone()) reject(tooMany());
          else resolve(this.#timed(read));
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting[reader].push({ sinceMs: nowMs, begin });
    });
  }

  /** Whether a further read would be refused. */
  isFull(reader: Reader): boolean {
    const [first] = this.#waiting[reader];
    return first !== undefined && this.#clock.steadyMs() - first.sinceMs >= waitMsMax;
  }

  get #waits(): boolean {
    return readers.some((reader) => this.#waiting[reader].length > 0);
  }

  #timed<T>(read: () => T): T {
    this.#endTurnSoon();
    const beganMs = this.#clock.steadyMs();
    try {
      return read();
    } finally {
      this.#spentMs += this.#clock.steadyMs() - beganMs;
    }
  }

  #endTurnSoon(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#clock.soon(() => this.#endTurn());
  }

  #endTurn(): void {
    const nowMs = this.#clock.steadyMs();
    if (this.#spentMs > 0) this.#restUntilMs = nowMs + restFactor * this.#spentMs;
    const rests = this.#arrived && nowMs < this.#restUntilMs;
    this.#spentMs = 0;
    this.#arrived = false;
    this.#turnEnds = false;
    if (this.#waits) this.#endTurnSoon();
    while (!rests && this.#spentMs < turnMs) {
      const waiting = this.#take();
      if (!waiting) return;
      waiting.begin();
    }
  }

  /** The next one of whoever's turn it is, or of the other. */
  #take(): Waiting | undefined {
    const other = this.#next === 'services' ? 'customers' : 'services';
    const found = this.#waiting[this.#next].shift();
    this.#next = other;
    return found ?? this.#waiting[other].shift();
  }
}

function tooMany() {
  return unavailable('overloaded', 'more requests come than can be worked on; nothing was stored; try again', 1);
}
