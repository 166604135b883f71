// Lets only so many requests be on their way at once. Without it, the slower a service answers, the more is asked of it.

export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param most requests on their way at once */
  constructor(most: number) {
    this.#free = most;
  }

  /** Runs it as soon as there is a slot, in the order in which it was asked for. */
  async use<T>(run: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
