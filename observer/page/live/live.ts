// What the page knows, kept up to date by one stream. When the connection is lost, it is opened again and resumes where it was.
import type { MapRates, Overview, SagaDetail, SagaRows } from '../../model/messages.ts';
import { RowStore } from './row-store.ts';

export interface Interests {
  readonly sagas?: 'all' | 'recent';
  readonly map?: boolean;
  readonly orderId?: string;
}

export type Connection = 'connecting' | 'open' | 'lost';

const reopenMs = 1_000;
/** The overview comes twice a second: so long without one, the connection is dead although it looks open. */
const silentMsMax = 6_000;

export class Live {
  connection: Connection = 'connecting';
  overview: Overview | undefined;
  map: MapRates | undefined;
  detail: SagaDetail | undefined;
  readonly rows = new RowStore();
  /** New sagas that the last message left out, per second. */
  skippedPerS = 0;
  loading = false;
  #source: EventSource | undefined;
  #interests: Interests = {};
  #lastEventId = '';
  #lastMessageAt = performance.now();
  #skipped: { at: number; count: number }[] = [];
  readonly #listeners = new Set<() => void>();
  #notifying = false;

  constructor() {
    setInterval(() => {
      if (performance.now() - this.#lastMessageAt > silentMsMax) this.#reopen();
    }, 1_000);
  }

  /** Changes what is sent; the rows that are there stay. */
  watch(interests: Interests): void {
    if (this.#source && JSON.stringify(interests) === JSON.stringify(this.#interests)) return;
    if (interests.sagas !== this.#interests.sagas) this.#lastEventId = '';
    if (interests.orderId !== this.#interests.orderId) this.detail = undefined;
    this.#interests = interests;
    this.#open();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #open(): void {
    this.#source?.close();
    const query = new URLSearchParams();
    const { sagas, map, orderId } = this.#interests;
    if (sagas) query.set('sagas', sagas);
    if (map) query.set('map', '1');
    if (orderId) query.set('orderId', orderId);
    if (this.#lastEventId) query.set('lastEventId', this.#lastEventId);
    const source = new EventSource(`/api/stream?${query}`);
    this.#source = source;
    this.#lastMessageAt = performance.now();
    source.onopen = () => this.#connected();
    source.onerror = () => {
      this.#lost();
      // The browser tries again by itself, except after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => source === this.#source && this.#open(), reopenMs);
    };
    this.#on<Overview>(source, 'overview', (overview) => {
      this.overview = overview;
    });
    this.#on<MapRates>(source, 'map', (map) => {
      this.map = map;
    });
    this.#on<SagaDetail>(source, 'saga', (detail) => {
      if (detail.row.orderId === this.#interests.orderId) this.detail = detail;
    });
    this.#on<SagaRows>(source, 'sagas', (message) => this.#take(message));
  }

  #on<T>(source: EventSource, name: string, take: (message: T) => void): void {
    source.addEventListener(name, (event: MessageEvent<string>) => {
      if (source !== this.#source) return;
      this.#lastMessageAt = performance.now();
      if (event.lastEventId) this.#lastEventId = event.lastEventId;
      take(JSON.parse(event.data) as T);
      this.#connected();
      this.#notify();
    });
  }

  #take({ rows, skipped, more, reset }: SagaRows): void {
    if (reset) this.rows.clear();
    this.rows.put(rows);
    this.loading = more;
    const at = performance.now();
    this.#skipped.push({ at, count: skipped });
    while ((this.#skipped[0]?.at ?? at) < at - 2_000) this.#skipped.shift();
    this.skippedPerS = this.#skipped.reduce((sum, one) => sum + one.count, 0) / 2;
  }

  #reopen(): void {
    this.#lost();
    this.#open();
  }

  #connected(): void {
    if (this.connection === 'open') return;
    this.connection = 'open';
    this.#notify();
  }

  #lost(): void {
    this.connection = 'lost';
    this.#notify();
  }

  /** At most once a frame; in a hidden tab there are no frames, and nothing to draw. */
  #notify(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    requestAnimationFrame(() => {
      this.#notifying = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

export const live = new Live();
