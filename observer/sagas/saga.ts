// One saga, folded from its events in whatever order and however often they arrive.
import type { ContractMap } from '../model/contract-map.ts';
import type { SagaRow, SagaState } from '../model/messages.ts';
import { disagreementOf } from './disagreement.ts';
import { nextSteps } from './next-steps.ts';
import { type PlacedData, placedDataOf, type SeenEvent } from './seen-event.ts';

/** A saga has a handful; withdrawals that are asked again may add some. */
const eventsMax = 200;
/** Journals are read independently of each other: so long after its end, all events of a saga should be here. */
const settledAfterMs = 10_000;

export class Saga {
  readonly orderId: string;
  readonly #map: ContractMap;
  readonly #events: SeenEvent[] = [];
  #start: SeenEvent | undefined;
  #placed: PlacedData | undefined;
  #final: SeenEvent | undefined;
  #failing = false;
  /** Of the last change, in the numbering of the book. */
  changed = 0;

  constructor(orderId: string, map: ContractMap) {
    this.orderId = orderId;
    this.#map = map;
  }

  /** @returns whether it is new here */
  add(event: SeenEvent): boolean {
    if (this.#events.length >= eventsMax || this.#events.some(({ eventId }) => eventId === event.eventId)) return false;
    this.#events.push(event);
    const info = this.#map.events.get(event.type);
    if (event.type === this.#map.starts) this.#start ??= event;
    if (info?.final) this.#final ??= event;
    if (info?.failure) this.#failing = true;
    return true;
  }

  get events(): readonly SeenEvent[] {
    return this.#events;
  }

  /** Whether the event that starts it is known. */
  get complete(): boolean {
    return this.#start !== undefined;
  }

  /** Read only of sagas that somebody looks at: under load, most are never shown. */
  get placed(): PlacedData | undefined {
    this.#placed ??= this.#start && placedDataOf(this.#start);
    return this.#placed;
  }

  get final(): SeenEvent | undefined {
    return this.#final;
  }

  get state(): SagaState {
    const final = this.#final && this.#map.events.get(this.#final.type)?.final;
    return final ?? (this.#failing ? 'undoing' : 'running');
  }

  /** Why it is cancelled, or being cancelled: in the words of its end, else of what failed. */
  get reason(): string | undefined {
    if (!this.#failing) return undefined;
    const failures = this.#events.filter(({ type }) => this.#map.events.get(type)?.failure);
    return this.#final?.reason ?? failures.find(({ reason }) => reason)?.reason ?? failures[0]?.type;
  }

  disagreement(nowMs: number): string | undefined {
    // The usual case: nothing has failed, so nothing is to be undone.
    if (!this.#failing || !this.#final || !this.complete || nowMs - this.#final.atMs < settledAfterMs) return undefined;
    return disagreementOf(this.#map, new Set(this.#events.map(({ type }) => type)));
  }

  row(nowMs: number): SagaRow {
    const last = this.#events.reduce((a, b) => (b.atMs >= a.atMs ? b : a), this.#events[0] as SeenEvent);
    const reason = this.reason;
    const disagreement = this.disagreement(nowMs);
    const { userId = '', items = [], total, deadlineAt } = this.placed ?? {};
    const compensations = this.#events.filter(({ type }) => this.#map.events.get(type)?.compensates).length;
    return {
      orderId: this.orderId,
      userId,
      products: items.map(({ productId }) => productId),
      ...(total === undefined ? {} : { total }),
      state: this.state,
      ...(reason === undefined ? {} : { reason }),
      startedAt: this.#start?.atMs ?? Math.min(...this.#events.map(({ atMs }) => atMs)),
      ...(this.#final ? { endedAt: this.#final.atMs } : {}),
      ...(deadlineAt === undefined || this.#final ? {} : { deadlineAt: Date.parse(deadlineAt) }),
      lastEvent: (this.#final ?? last).type,
      steps: this.#events.length,
      compensations,
      waitsFor: this.#final ? [] : this.#waitsFor(),
      ...(disagreement === undefined ? {} : { disagreement }),
    };
  }

  #waitsFor(): string[] {
    const must = nextSteps(this.#map, this.#events).filter(({ kind }) => kind === 'must');
    return [...new Set(must.map(({ service }) => service))];
  }
}
