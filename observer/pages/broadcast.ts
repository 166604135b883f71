// Sends every open page what it wants to know: changes of sagas at once, but at most ten times a second; the rest at its own pace.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { MapRates, Overview, SagaDetail, SagaRow } from '../model/messages.ts';
import type { Saga } from '../sagas/saga.ts';
import { type PageInterests, PageStream } from './page-stream.ts';

const sagasEveryMs = 100;
/** What arrives within this shares the first message. */
const gatherMs = 5;
const overviewEveryMs = 500;
const pagesMax = 50;
const recentMax = 20;

export interface BroadcastSources {
  /** The newest first. */
  sagas(): readonly Saga[];
  saga(orderId: string): Saga | undefined;
  row(saga: Saga): SagaRow;
  detail(saga: Saga): SagaDetail;
  overview(): Overview;
  mapRates(): MapRates;
  /** Number of the last change. */
  changes(): number;
}

export class Broadcast {
  readonly #sources: BroadcastSources;
  readonly #pages = new Set<PageStream>();
  /** Numbers of changes mean something only within this process. */
  readonly #epoch = randomUUID().slice(0, 8);
  #sagasTimer: NodeJS.Timeout | undefined;
  #sentAtMs = 0;
  #overviewTimer: NodeJS.Timeout | undefined;

  constructor(sources: BroadcastSources) {
    this.#sources = sources;
  }

  get pages(): number {
    return this.#pages.size;
  }

  get full(): boolean {
    return this.#pages.size >= pagesMax;
  }

  /** @param lastId the id of the last message that the page has received, if it was connected before */
  add(response: ServerResponse, interests: PageInterests, lastId: string | undefined): void {
    const page = new PageStream(response, interests);
    this.#pages.add(page);
    response.once('close', () => this.#remove(page));
    page.send('overview', this.#sources.overview());
    if (interests.map) page.send('map', this.#sources.mapRates());
    if (interests.sagas !== undefined) this.#begin(page, lastId);
    if (interests.orderId !== undefined) page.changed(interests.orderId);
    this.#overviewTimer ??= setInterval(() => this.#sendOverview(), overviewEveryMs);
    this.#flushSoon();
  }

  /** @param past it was read from the past: rows that no page has yet are sent when all of it is read, and none is left out */
  changed(saga: Saga, past: boolean): void {
    if (this.#pages.size === 0) return;
    let wanted = false;
    for (const page of this.#pages) {
      const { sagas, orderId } = page.interests;
      if (orderId !== saga.orderId && (sagas === undefined || (past && !page.knows(saga.orderId)))) continue;
      page.changed(saga.orderId);
      wanted = true;
    }
    if (wanted) this.#flushSoon();
  }

  /** A saga has begun that is counted, and not shown. */
  leftOut(): void {
    for (const page of this.#pages) page.leaveOut();
    if (this.#pages.size > 0) this.#flushSoon();
  }

  /** A journal has been read up to its end: every page gets the rows that it does not have. */
  caughtUp(): void {
    if (this.#pages.size === 0) return;
    const ids = this.#sources.sagas().map(({ orderId }) => orderId);
    for (const page of this.#pages) {
      const { sagas } = page.interests;
      if (sagas === undefined) continue;
      const wanted = sagas === 'recent' ? ids.slice(0, recentMax) : ids;
      page.showPast(
        wanted.filter((orderId) => !page.knows(orderId)),
        false,
      );
    }
    this.#flushSoon();
  }

  stop(): void {
    clearTimeout(this.#sagasTimer);
    clearInterval(this.#overviewTimer);
    for (const page of this.#pages) page.end();
  }

  #begin(page: PageStream, lastId: string | undefined): void {
    const [epoch, number] = lastId?.split('.') ?? [];
    const since = epoch === this.#epoch && /^\d+$/.test(number ?? '') ? Number(number) : undefined;
    const sagas = this.#sources.sagas();
    const past = page.interests.sagas === 'recent' ? sagas.slice(0, recentMax) : sagas;
    if (since === undefined)
      return page.showPast(
        past.map(({ orderId }) => orderId),
        true,
      );
    page.assumeKnown(sagas.filter(({ changed }) => changed <= since).map(({ orderId }) => orderId));
    page.showPast(
      sagas.filter(({ changed }) => changed > since).map(({ orderId }) => orderId),
      false,
    );
  }

  #remove(page: PageStream): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0) return;
    clearInterval(this.#overviewTimer);
    this.#overviewTimer = undefined;
  }

  #flushSoon(): void {
    if (this.#sagasTimer) return;
    const waitMs = Math.max(gatherMs, this.#sentAtMs + sagasEveryMs - performance.now());
    this.#sagasTimer = setTimeout(() => this.#flush(), waitMs);
  }

  #flush(): void {
    this.#sagasTimer = undefined;
    this.#sentAtMs = performance.now();
    let left = false;
    for (const page of this.#pages) {
      if (!page.blocked) this.#flushPage(page);
      left ||= page.hasChanges;
    }
    if (left) this.#flushSoon();
  }

  #flushPage(page: PageStream): void {
    const { sagas, orderId } = page.interests;
    const id = `${this.#epoch}.${this.#sources.changes()}`;
    if (orderId !== undefined && page.takeChange(orderId)) {
      const saga = this.#sources.saga(orderId);
      if (saga) page.send('saga', this.#sources.detail(saga), id);
      if (sagas !== undefined) page.changed(orderId);
    }
    if (sagas === undefined) return;
    page.sendRows((id) => {
      const saga = this.#sources.saga(id);
      return saga?.complete ? this.#sources.row(saga) : undefined;
    }, id);
  }

  #sendOverview(): void {
    const overview = this.#sources.overview();
    let rates: MapRates | undefined;
    for (const page of this.#pages) {
      if (page.blocked) continue;
      page.send('overview', overview);
      if (!page.interests.map) continue;
      rates ??= this.#sources.mapRates();
      page.send('map', rates);
    }
  }
}
