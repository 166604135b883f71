// The stream of one open page: what has changed since its last message, at most a few times a second. Under load it leaves
// out new sagas, and says how many; what it has shown once stays true.
import type { ServerResponse } from 'node:http';
import type { SagaRow } from '../model/messages.ts';

/** New sagas in one message. At ten messages a second, that is more than anybody can read. */
const newRowsMax = 12;
/** Lines in one message, changes of known ones included. */
const rowsMax = 500;
const pastRowsMax = 1_000;
const knownMax = 20_000;
/** A page that does not read gets nothing more until it does. */
const unreadBytesMax = 512 * 1024;

export interface PageInterests {
  /** `recent`: only a few of those that are there already. */
  readonly sagas: 'all' | 'recent' | undefined;
  readonly map: boolean;
  readonly orderId: string | undefined;
}

export class PageStream {
  readonly interests: PageInterests;
  readonly #response: ServerResponse;
  /** Ids of sagas that have changed since they were sent. */
  readonly #dirty = new Set<string>();
  readonly #known = new Set<string>();
  #past: Iterator<string> | undefined;
  #reset = false;
  #skipped = 0;

  constructor(response: ServerResponse, interests: PageInterests) {
    this.#response = response;
    this.interests = interests;
  }

  get blocked(): boolean {
    return this.#response.writableLength > unreadBytesMax;
  }

  /** @param past what the page is to hold first, the newest first */
  showPast(past: Iterable<string>, reset: boolean): void {
    this.#past = past[Symbol.iterator]();
    this.#reset ||= reset;
  }

  /** What the page knew before its connection was lost. */
  assumeKnown(orderIds: Iterable<string>): void {
    for (const orderId of orderIds) this.#know(orderId);
  }

  /** Whether its row has been sent. */
  knows(orderId: string): boolean {
    return this.#known.has(orderId);
  }

  leaveOut(): void {
    if (this.interests.sagas !== undefined) this.#skipped += 1;
  }

  changed(orderId: string): void {
    this.#dirty.add(orderId);
  }

  get hasChanges(): boolean {
    return this.#dirty.size > 0 || this.#past !== undefined || this.#reset;
  }

  takeChange(orderId: string): boolean {
    return this.#dirty.delete(orderId);
  }

  /**
   * @param rowOf undefined for one that has been let go of, or has no beginning yet
   * @param id of the last change: where a page that is now up to date resumes
   */
  sendRows(rowOf: (orderId: string) => SagaRow | undefined, id: string): void {
    const rows: SagaRow[] = [];
    let added = 0;
    for (const orderId of this.#dirty) {
      if (rows.length >= rowsMax) break;
      this.#dirty.delete(orderId);
      const known = this.#known.has(orderId);
      if (!known && added >= newRowsMax) {
        this.#skipped += 1;
        continue;
      }
      const row = rowOf(orderId);
      if (!row) continue;
      if (!known) added += 1;
      this.#know(orderId);
      rows.push(row);
    }
    for (let left = pastRowsMax; this.#past && left > 0; left -= 1) {
      const next = this.#past.next();
      if (next.done) this.#past = undefined;
      else {
        const row = rowOf(next.value);
        if (!row) continue;
        this.#know(next.value);
        rows.push(row);
      }
    }
    if (rows.length === 0 && this.#skipped === 0 && !this.#reset) return;
    const more = this.#past !== undefined;
    // A page that resumes from this id must not miss what is still to be sent.
    const upToDate = !more && this.#dirty.size === 0;
    this.send('sagas', { rows, skipped: this.#skipped, more, reset: this.#reset }, upToDate ? id : undefined);
    this.#skipped = 0;
    this.#reset = false;
  }

  send(name: string, value: unknown, id?: string): void {
    this.#response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
  }

  end(): void {
    this.#response.end();
  }

  #know(orderId: string): void {
    this.#known.add(orderId);
    if (this.#known.size <= knownMax) return;
    for (const oldest of this.#known) return void this.#known.delete(oldest);
  }
}
