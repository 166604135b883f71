// Looks at each saga once more when it has ended and all its events should be here, and remembers those whose journals contradict each other.
import type { Saga } from './saga.ts';

const lookAfterMs = 12_000;
const queueMax = 20_000;
const foundMax = 1_000;

export class Disagreements {
  readonly #ended: { readonly orderId: string; readonly atMs: number }[] = [];
  readonly #found = new Set<string>();

  get count(): number {
    return this.#found.size;
  }

  /** An event of the saga has arrived. */
  changed(saga: Saga, nowMs: number): void {
    if (this.#found.has(saga.orderId) && saga.disagreement(nowMs) === undefined) this.#found.delete(saga.orderId);
    if (!saga.final) return;
    this.#ended.push({ orderId: saga.orderId, atMs: nowMs });
    if (this.#ended.length > queueMax) this.#ended.shift();
  }

  /** @param found called for each saga that is newly found to disagree */
  look(nowMs: number, sagaOf: (orderId: string) => Saga | undefined, found: (saga: Saga) => void): void {
    for (let next = this.#ended[0]; next && nowMs - next.atMs >= lookAfterMs; next = this.#ended[0]) {
      this.#ended.shift();
      const saga = sagaOf(next.orderId);
      if (!saga || this.#found.has(saga.orderId) || this.#found.size >= foundMax) continue;
      if (saga.disagreement(nowMs) === undefined) continue;
      this.#found.add(saga.orderId);
      found(saga);
    }
  }
}
