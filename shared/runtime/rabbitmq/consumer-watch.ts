// Notices a consumer that gets nothing: the broker has lost it without a word, or knows it and delivers nothing although
// messages wait. Both look like a healthy connection.

/** What the broker says of the queue. */
export interface QueueState {
  readonly consumers: number;
  /** Ready to be delivered. */
  readonly messages: number;
}

/** So long messages may wait while none is delivered: the broker is asked every few seconds. */
export const silentMsMax = 20_000;

export class ConsumerWatch {
  readonly #queue: string;
  #missing = false;
  /** When messages were first seen to wait in vain. */
  #silentSinceMs: number | undefined;
  #delivered = false;

  constructor(queue: string) {
    this.#queue = queue;
  }

  /** A new consumer: nothing is held against it. */
  begin(): void {
    this.#missing = false;
    this.#silentSinceMs = undefined;
    this.#delivered = false;
  }

  delivered(): void {
    this.#delivered = true;
  }

  /** The broker has listed no consumer when it was last asked: it should be asked again soon. */
  get suspects(): boolean {
    return this.#missing;
  }

  /**
   * To be called whenever the broker was asked.
   * @param inHand messages that were delivered and are not acked: with a full prefetch, none can be delivered
   * @returns what is wrong, once that is certain
   */
  look({ consumers, messages }: QueueState, inHand: number, nowMs: number): string | undefined {
    const missing = consumers === 0;
    if (missing && this.#missing) return `the broker has lost the consumer of '${this.#queue}'`;
    this.#missing = missing;
    const silent = messages > 0 && inHand === 0 && !this.#delivered;
    this.#delivered = false;
    this.#silentSinceMs = silent ? (this.#silentSinceMs ?? nowMs) : undefined;
    if (this.#silentSinceMs === undefined || nowMs - this.#silentSinceMs < silentMsMax) return undefined;
    return `the broker delivers nothing from '${this.#queue}', where ${messages} messages wait`;
  }
}
