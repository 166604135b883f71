// Notices a broker that keeps the connection and does not confirm: anything, as one does after its disk was full, or a single
// message, as one may whose queue had no leader when the message came.

/** Without a single confirm for so long, or without that of a message that others have overtaken, the connection is given up. */
export const confirmTimeoutMs = 30_000;

export class ConfirmWatch {
  /** When a message began to wait, or the last confirm came. */
  #waitsSinceMs = 0;
  #silent = false;
  /** Of the messages that were confirmed, the one published last. */
  #highest = 0;
  /** The oldest message that waits, and since when it is known that later ones were confirmed before it. */
  #overtaken: { readonly number: number; readonly sinceMs: number } | undefined;

  /** True from the moment at which the connection was given up until the next confirm. */
  get silent(): boolean {
    return this.#silent;
  }

  published(unconfirmedBefore: number, nowMs: number): void {
    if (unconfirmedBefore === 0) this.#waitsSinceMs = nowMs;
  }

  /** It could not confirm anything until now, and has said so. */
  beginAgain(nowMs: number): void {
    this.#waitsSinceMs = nowMs;
    this.#overtaken = undefined;
  }

  /** @param number messages count up in the order of their publishing */
  answered(number: number, nowMs: number): void {
    this.#waitsSinceMs = nowMs;
    this.#silent = false;
    this.#highest = Math.max(this.#highest, number);
  }

  /**
   * True when the connection is to be given up.
   * @param oldest number of the oldest message that waits for its confirm; undefined: none does
   */
  look(oldest: number | undefined, nowMs: number): boolean {
    // Confirms come in order, more or less.
    if (oldest === undefined || oldest > this.#highest) this.#overtaken = undefined;
    else if (this.#overtaken?.number !== oldest) this.#overtaken = { number: oldest, sinceMs: nowMs };
    if (oldest === undefined) return false;
    const sinceMs = Math.min(this.#waitsSinceMs, this.#overtaken?.sinceMs ?? nowMs);
    if (nowMs - sinceMs < confirmTimeoutMs) return false;
    this.#silent = true;
    return true;
  }
}
