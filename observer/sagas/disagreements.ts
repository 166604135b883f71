// Looks at each saga once more when it has ended and all its events should be here, and remembers those whose journals contradict each other.
import type { Saga } from './saga.ts';

const lookAfterMs = 12_000;
const queueMax = 20_000;
const foundMax = 1_000;

export class Disagreements {
  /** When each is looked at again at the earliest, the first one first. */
  readonly #ended = new Map<string, number>();
  readonly #found = new Set<string>();

  get count(): number {
    return this.#found.size;
  }

  /** An event of the saga has arrived. */
  changed(saga: Saga, nowMs: number): void {
    if (this.#found.has(saga.orderId) && saga.disagreement(nowMs) === undefined) this.#found.delete(saga.orderId);
    if (!saga.final) return;
    this.#ended.delete(saga.orderId);
    this.#ended.set(saga.orderId, nowMs + lookAfterMs);
    if (this.#ended.size > queueMax) this.#leaveOut(queueMax / 10);
  }

  /** The oldest: many at once, since a Map that loses its first entry again and again is slow to walk from its beginning. */
  #leaveOut(count: number): void {
    let left = count;
    for (const orderId of this.#ended.keys()) {
      if (left === 0) return;
      this.#ended.delete(orderId);
      left -= 1;
    }
  }

  /** @param found called for each saga that is newly found to disagree */
  look(nowMs: number, sagaOf: (orderId: string) => Saga | undefined, found: (saga: Saga) => void): void {
    for (const [orderId, dueMs] of this.#ended) {
      if (nowMs < dueMs) return;
      this.#ended.delete(orderId);
      const saga = sagaOf(orderId);
      if (!saga || this.#found.has(saga.orderId) || this.#found.size >= foundMax) continue;
      if (saga.disagreement(nowMs) === undefined) continue;
      this.#found.add(saga.orderId);
      found(saga);
    }
  }
}
