// When something could be done, and when a fault kept it from being done: what must happen within a bound must happen within
// that much time without a fault.

export class Ability {
  /** Changes, oldest first: able from the first moment on, unable from the second, and so on. */
  readonly #changes: number[] = [];
  /** Moments at which an attempt was in vain. */
  readonly #setbacks = new Map<string, number[]>();

  get able(): boolean {
    return this.#changes.length % 2 === 1;
  }

  set(able: boolean, atMs: number): void {
    if (able === this.able) return;
    this.#changes.push(atMs);
  }

  /** An attempt was in vain: whoever made it begins again. */
  setback(kind: string, atMs: number): void {
    const known = this.#setbacks.get(kind);
    if (known) known.push(atMs);
    else this.#setbacks.set(kind, [atMs]);
  }

  /** The longest time without a fault or a setback of this kind, between two moments. */
  longestMs(fromMs: number, untilMs: number, kind = ''): number {
    const setbacks = (this.#setbacks.get(kind) ?? []).filter((atMs) => atMs > fromMs && atMs < untilMs);
    let longest = 0;
    for (let index = this.#indexAt(fromMs); index < this.#changes.length; index += 2) {
      const from = Math.max(fromMs, this.#changes[index] ?? 0);
      const until = Math.min(untilMs, this.#changes[index + 1] ?? Number.POSITIVE_INFINITY);
      if (from >= untilMs) break;
      const cuts = [from, ...setbacks.filter((atMs) => atMs > from && atMs < until), until];
      for (let cut = 1; cut < cuts.length; cut++) longest = Math.max(longest, (cuts[cut] ?? 0) - (cuts[cut - 1] ?? 0));
    }
    return longest;
  }

  /** Nothing has gone wrong between two moments. */
  undisturbed(fromMs: number, untilMs: number): boolean {
    const index = this.#indexAt(fromMs);
    const from = this.#changes[index] ?? Number.POSITIVE_INFINITY;
    return from <= fromMs && (this.#changes[index + 1] ?? Number.POSITIVE_INFINITY) >= untilMs;
  }

  /** An attempt of this kind was in vain between two moments. */
  hadSetbacks(fromMs: number, untilMs: number, kind: string): boolean {
    return (this.#setbacks.get(kind) ?? []).some((atMs) => atMs >= fromMs && atMs <= untilMs);
  }

  /** Index of the last time that it became able, up to this moment; or the first after it. */
  #indexAt(atMs: number): number {
    let low = 0;
    let high = Math.ceil(this.#changes.length / 2) - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#changes[middle * 2] ?? 0) <= atMs) low = middle;
      else high = middle - 1;
    }
    return low * 2;
  }
}
