// The sagas that the observer remembers: the last so many, whatever passes through.
import type { ContractMap } from '../model/contract-map.ts';
import { Saga } from './saga.ts';
import type { SeenEvent } from './seen-event.ts';

/** What is left of the most that it may hold when it lets go of some. */
const keptShare = 0.9;

export class SagaBook {
  readonly #map: ContractMap;
  readonly #sagasMax: number;
  /** The longest known first. */
  readonly #sagas = new Map<string, Saga>();
  #changes = 0;

  constructor(map: ContractMap, sagasMax: number) {
    this.#map = map;
    this.#sagasMax = sagasMax;
  }

  /** Number of the last change. */
  get changes(): number {
    return this.#changes;
  }

  get size(): number {
    return this.#sagas.size;
  }

  get(orderId: string): Saga | undefined {
    return this.#sagas.get(orderId);
  }

  /** @returns the saga if the event was new; undefined for a duplicate, and for events beside sagas */
  add(event: SeenEvent): Saga | undefined {
    const info = this.#map.events.get(event.type);
    if (!info || info.standalone) return undefined;
    let saga = this.#sagas.get(event.subject);
    if (!saga) {
      saga = new Saga(event.subject, this.#map);
      this.#sagas.set(event.subject, saga);
      if (this.#sagas.size > this.#sagasMax) this.#evict(event.subject);
    }
    if (!saga.add(event)) return undefined;
    this.#changes += 1;
    saga.changed = this.#changes;
    return saga;
  }

  /** Those with a beginning, the longest known first. */
  *complete(): Generator<Saga> {
    for (const saga of this.#sagas.values()) if (saga.complete) yield saga;
  }

  /**
   * Many at once: a Map that loses its first entry again and again is slow to walk from its beginning. Those that have
   * ended go first, then the oldest.
   */
  #evict(keep: string): void {
    let surplus = this.#sagas.size - Math.floor(this.#sagasMax * keptShare);
    for (const openToo of [false, true]) {
      for (const [orderId, saga] of this.#sagas) {
        if (surplus <= 0) return;
        if (orderId === keep || (!openToo && !saga.final && saga.complete)) continue;
        this.#sagas.delete(orderId);
        surplus -= 1;
      }
    }
  }
}
