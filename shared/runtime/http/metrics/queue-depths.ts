// How many messages wait in a service's queue and in its dead-letter queue. The broker is asked over the connection that
// the service has, at most every few seconds, and nobody waits for its answer: what is known is what it said last.
import type { Clock } from '../../environment/clock.ts';
import type { MeasuredBus } from '../../messaging/bus.ts';

/** Time between two questions, however often the metrics are read. */
export const askAgainMs = 5_000;

export interface QueueDepth {
  readonly queue: number | undefined;
  readonly deadLetters: number | undefined;
}

export class QueueDepths {
  readonly #bus: MeasuredBus;
  readonly #clock: Clock;
  #queue: number | undefined;
  #deadLetters: number | undefined;
  #askedLately = false;

  constructor(bus: MeasuredBus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** What the broker said last; undefined where it could not be asked. Asks it again if that was a while ago. */
  read(): QueueDepth {
    this.#ask();
    return { queue: this.#queue, deadLetters: this.#deadLetters };
  }

  #ask(): void {
    if (this.#askedLately) return;
    this.#askedLately = true;
    this.#clock.after(askAgainMs, () => {
      this.#askedLately = false;
    });
    this.#bus.backlog((messages) => {
      this.#queue = messages;
    });
    this.#bus.deadLetters((messages) => {
      this.#deadLetters = messages;
    });
  }
}
