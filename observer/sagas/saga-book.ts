// The sagas that the observer remembers: the last so many, whatever passes through.
import type { ContractMap } from '../model/contract-map.ts';
import { Saga } from './saga.ts';
import type { SeenEvent } from './seen-event.ts';

/** How far it looks for one that has ended before it lets go of one that has not. */
const endedSearchMax = 100;

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

  #evict(keep: string): void {
    let looked = 0;
    let oldest: string | undefined;
    for (const [orderId, saga] of this.#sagas) {
      if (orderId === keep) continue;
      oldest ??= orderId;
      if (saga.final || !saga.complete) return void this.#sagas.delete(orderId);
      looked += 1;
      if (looked === endedSearchMax) break;
    }
    if (oldest !== undefined) this.#sagas.delete(oldest);
  }
}
