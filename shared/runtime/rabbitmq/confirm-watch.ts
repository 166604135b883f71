// Notices a broker that keeps the connection and confirms nothing, as one does after its disk was full.

/** Without a single confirm for so long, the connection is given up. */
export const confirmTimeoutMs = 60_000;

export class ConfirmWatch {
  /** When a message began to wait, or the last confirm came. */
  #waitsSinceMs = 0;
  #silent = false;

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
  }

  /** Confirms come in order, more or less: one of them shows that the broker is at work. */
  answered(nowMs: number): void {
    this.#waitsSinceMs = nowMs;
    this.#silent = false;
  }

  /** True when the connection is to be given up. */
  look(unconfirmed: number, nowMs: number): boolean {
    if (unconfirmed === 0 || nowMs - this.#waitsSinceMs < confirmTimeoutMs) return false;
    this.#silent = true;
    return true;
  }
}
