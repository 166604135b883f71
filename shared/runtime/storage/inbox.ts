// The inbox table: which events have taken effect here, and where each stands in its publisher's journal. It is written
// in the transaction of the effect itself, so an event is either both recorded and effective, or neither.
import { uuidBytes, uuidText } from '../../contract/event-id.ts';
import { instanceOf } from '../../contract/members.ts';
import type { Database } from './database.ts';
import { checksumOf, type Digest, digestModulus } from './journal.ts';

export const inboxSchema = `
  CREATE TABLE inbox (
    event_id BLOB PRIMARY KEY,
    handled_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/**
 * Positions let an inbox be compared with a journal range by range. They are not what makes an event unique: a publisher
 * whose database was put back gives the same position to another event.
 */
export const inboxPositionsSchema = `
  ALTER TABLE inbox ADD COLUMN publisher INTEGER;
  ALTER TABLE inbox ADD COLUMN position INTEGER;
  ALTER TABLE inbox ADD COLUMN checksum INTEGER;
  ALTER TABLE inbox ADD COLUMN dead_letter INTEGER NOT NULL DEFAULT 0 CHECK (dead_letter IN (0, 1));
  CREATE INDEX inbox_positions ON inbox (publisher, position, checksum) WHERE position IS NOT NULL;
  CREATE TABLE publishers (
    publisher INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    -- How far its journal has been compared with the inbox, and what stood there.
    journal_id TEXT,
    reconciled_until INTEGER NOT NULL DEFAULT 0,
    reconciled_event_id TEXT
  ) STRICT;
`;

/** An event that follows from a cause keeps its id when it is published again, so the id alone proves nothing. */
export const reconciledTimeSchema = `
  ALTER TABLE publishers ADD COLUMN reconciled_event_at_ms INTEGER;
`;

const strangersMax = 20;

/** A row is kept at least so long after its event was handled: the least that JOURNAL_RETENTION_MS may be. */
export const inboxKeptMsMin = 2 * 24 * 60 * 60 * 1000;

/** Whether the inbox may have deleted its row of this event. Then only the record of the event's effect can recognise it. */
export function mayHaveLeftInbox({ time }: { readonly time: string }, nowMs: number): boolean {
  return nowMs - Date.parse(time) >= inboxKeptMsMin;
}

/** What the inbox needs to know of an event. */
export interface InboxEvent {
  readonly id: string;
  readonly source: string;
  /** In the publisher's journal; undefined when the event does not say. */
  readonly position: number | undefined;
}

/** How far a publisher's journal has been reconciled. */
export interface ReconcileCursor {
  readonly journalId: string | undefined;
  readonly position: number;
  /** The event at that position; another one there now means that the publisher's database was put back. */
  readonly eventId: string | undefined;
  /** When it was written there; undefined: its publisher is of an earlier version, and did not say. */
  readonly writtenAtMs: number | undefined;
}

/** An event that has taken effect here, and where it stood in its publisher's journal. */
export interface HandledEvent {
  readonly position: number;
  readonly eventId: string;
}

export class Inbox {
  readonly #insert;
  readonly #markDead;
  readonly #has;
  readonly #digest;
  readonly #place;
  readonly #displace;
  readonly #displaceSome;
  readonly #isDead;
  /** Named instances whose events come here, and whose journals are not compared: their addresses are not set. */
  readonly strangers = new Set<string>();
  readonly #newestFirst;
  readonly #rowsIn;
  readonly #cursor;
  readonly #setCursor;
  readonly #prune;
  readonly #publishers = new Map<string, number>();

  /** @param sources names of the services whose events come here */
  constructor(db: Database, sources: readonly string[]) {
    // A dead letter that is redriven takes effect after all: the mark is lifted, and that counts as a change.
    this.#insert = db.prepare(
      `INSERT INTO inbox (event_id, handled_at_ms, publisher, position, checksum) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (event_id) DO UPDATE SET dead_letter = 0, handled_at_ms = excluded.handled_at_ms WHERE dead_letter = 1`,
    );
    this.#markDead = db.prepare(
      `INSERT INTO inbox (event_id, handled_at_ms, publisher, position, checksum, dead_letter) VALUES (?, ?, ?, ?, ?, 1)
       ON CONFLICT (event_id) DO NOTHING`,
    );
    this.#has = db
      .prepare<[Buffer], number | null>('SELECT coalesce(position, 0) FROM inbox WHERE event_id = ?')
      .pluck();
    this.#isDead = db.prepare<[Buffer], number>('SELECT 1 FROM inbox WHERE event_id = ? AND dead_letter = 1').pluck();
    this.#digest = db.prepare<[number, number, number], Digest>(
      `SELECT count(*) AS count, coalesce(sum(checksum), 0) % ${digestModulus} AS sum FROM inbox
       WHERE publisher = ? AND position > ? AND position <= ?`,
    );
    this.#place = db.prepare('UPDATE inbox SET publisher = ?, position = ?, checksum = ? WHERE event_id = ?');
    this.#displace = db.prepare('UPDATE inbox SET position = NULL WHERE event_id = ?');
    this.#displaceSome = db.prepare<[number, number, number]>(
      `UPDATE inbox SET position = NULL WHERE event_id IN
         (SELECT event_id FROM inbox WHERE publisher = ? AND position > ? ORDER BY position LIMIT ?)`,
    );
    // Without what was dead-lettered: it had no effect, and who has made it up is not known.
    this.#newestFirst = db.prepare<[number, number, number], Omit<InboxRow, 'dead_letter'>>(
      `SELECT event_id, position FROM inbox
       WHERE publisher = ? AND position > ? AND position <= ? AND dead_letter = 0 ORDER BY position DESC`,
    );
    this.#rowsIn = db.prepare<[number, number, number], InboxRow>(
      'SELECT event_id, position, dead_letter FROM inbox WHERE publisher = ? AND position > ? AND position <= ?',
    );
    this.#cursor = db.prepare<
      [string],
      {
        journal_id: string | null;
        reconciled_until: number;
        reconciled_event_id: string | null;
        reconciled_event_at_ms: number | null;
      }
    >(
      `SELECT journal_id, reconciled_until, reconciled_event_id, reconciled_event_at_ms FROM publishers
       WHERE source = ?`,
    );
    this.#setCursor = db.prepare(
      `UPDATE publishers SET journal_id = ?, reconciled_until = ?, reconciled_event_id = ?, reconciled_event_at_ms = ?
       WHERE source = ?`,
    );
    this.#prune = db.prepare<[number, number, number, number]>(
      `DELETE FROM inbox WHERE event_id IN
         (SELECT event_id FROM
            (SELECT event_id, handled_at_ms FROM inbox INDEXED BY inbox_positions
             WHERE publisher = ? AND position IS NOT NULL AND position < ? ORDER BY position LIMIT ?)
          WHERE handled_at_ms < ?)`,
    );
    // Not when one is first met: that transaction may be undone, and its number be given to another publisher.
    const add = db.prepare('INSERT OR IGNORE INTO publishers (source) VALUES (?)');
    const numberOf = db.prepare<[string], number>('SELECT publisher FROM publishers WHERE source = ?').pluck();
    for (const source of sources) {
      if (numberOf.get(source) === undefined) add.run(source);
      this.#publishers.set(source, numberOf.get(source) ?? 0);
    }
  }

  /** Records the event as handled. False: it is a duplicate and must have no effect. */
  accept(event: InboxEvent, nowMs: number): boolean {
    return this.#write(this.#insert, event, nowMs);
  }

  /** Records that the event was dead-lettered: reconciliation does not fetch it again, a redrive is still handled. */
  deadLettered(event: InboxEvent, nowMs: number): void {
    this.#write(this.#markDead, event, nowMs);
  }

  #write(statement: { run(...values: unknown[]): { changes: number } }, event: InboxEvent, nowMs: number): boolean {
    const id = uuidBytes(event.id);
    // One that is not known here, such as a new instance: its events have no place until its journal is compared.
    const publisher = this.#publishers.get(event.source) ?? null;
    const position = publisher === null ? null : (event.position ?? null);
    if (publisher === null && event.position !== undefined && instanceOf(event.source) !== undefined)
      this.#noteStranger(event.source);
    // Stryker disable next-line ConditionalExpression: what has no position is in no range, whoever has published it
    return statement.run(id, nowMs, position === null ? null : publisher, position, checksumOf(id)).changes === 1;
  }

  /** Bounded: whoever may publish may make up names. */
  #noteStranger(source: string): void {
    if (this.strangers.size < strangersMax) this.strangers.add(source);
  }

  has(eventId: string): boolean {
    return this.#has.get(uuidBytes(eventId)) !== undefined;
  }

  /** Whether it was dead-lettered here, and not redriven since. */
  isDeadLettered(eventId: string): boolean {
    return this.#isDead.get(uuidBytes(eventId)) !== undefined;
  }

  // ---- for reconciliation

  digest(source: string, after: number, until: number): Digest {
    // Stryker disable next-line ObjectLiteral: an aggregate always has a row; the default is for the type
    return this.#digest.get(this.#publisherOf(source), after, until) ?? { count: 0, sum: 0 };
  }

  /** The handled event that stands last in its publisher's journal, as far as it is known where it stands. */
  newest(source: string): HandledEvent | undefined {
    return this.newestUnknown(source, { after: 0, until: Number.MAX_SAFE_INTEGER }, []);
  }

  /** The last handled event of a range that is not among these. */
  newestUnknown(source: string, { after, until }: Range, entries: readonly HandledEvent[]): HandledEvent | undefined {
    const known = new Set(entries.map(({ eventId }) => eventId));
    for (const { event_id, position } of this.#newestFirst.iterate(this.#publisherOf(source), after, until)) {
      const eventId = uuidText(event_id);
      if (!known.has(eventId)) return { position, eventId };
    }
    return undefined;
  }

  /**
   * Makes the positions of handled events those of the publisher's journal. Inside a transaction only.
   * @param entries all events of the range that this service subscribes to
   * @returns the positions of those that were never handled, and the ids of handled ones that the range does not hold
   */
  align(
    source: string,
    { after, until }: Range,
    entries: readonly HandledEvent[],
  ): { readonly missing: number[]; readonly unknown: string[] } {
    const publisher = this.#publisherOf(source);
    const missing: number[] = [];
    for (const { position, eventId } of entries) {
      const id = uuidBytes(eventId);
      const known = this.#has.get(id);
      if (known === undefined) missing.push(position);
      // Stryker disable next-line ConditionalExpression: to be placed where it is already changes nothing
      else if (known !== position) this.#place.run(publisher, position, checksumOf(id), id);
    }
    const inJournal = new Set(entries.map(({ eventId }) => eventId));
    const unknown: string[] = [];
    for (const { event_id, dead_letter } of this.#rowsIn.all(publisher, after, until)) {
      if (inJournal.has(uuidText(event_id))) continue;
      this.#displace.run(event_id);
      if (dead_letter === 0) unknown.push(event_id.toString('hex'));
    }
    return { missing, unknown };
  }

  /**
   * The journal does not hold what stood above `after` any more: these events stay handled, and have no place. Inside a
   * transaction only.
   * @returns how many it were; `limit` at most
   */
  displace(source: string, after: number, limit: number): number {
    return this.#displaceSome.run(this.#publisherOf(source), after, limit).changes;
  }

  cursor(source: string): ReconcileCursor {
    const row = this.#cursor.get(source);
    return {
      journalId: row?.journal_id ?? undefined,
      position: row?.reconciled_until ?? 0,
      eventId: row?.reconciled_event_id ?? undefined,
      writtenAtMs: row?.reconciled_event_at_ms ?? undefined,
    };
  }

  /** Inside a transaction only. */
  setCursor(source: string, { journalId, position, eventId, writtenAtMs }: ReconcileCursor): void {
    this.#setCursor.run(journalId ?? null, position, eventId ?? null, writtenAtMs ?? null, source);
  }

  /**
   * Looks at the `limit` first rows of events that their publisher's journal does not hold any more (as long as it does, they
   * could be fetched again and must be recognised), and deletes those handled before `beforeMs`. Inside a transaction only.
   * @param oldest position of the oldest entry in the publisher's journal
   * @returns how many were deleted
   */
  prune(source: string, oldest: number, beforeMs: number, limit: number): number {
    return this.#prune.run(this.#publisherOf(source), oldest, limit, beforeMs).changes;
  }

  /** A short number for a publisher's name, the same for as long as the database lives. */
  #publisherOf(source: string): number {
    const publisher = this.#publishers.get(source);
    if (publisher === undefined) throw new Error(`'${source}' is not a publisher of this service`);
    return publisher;
  }
}

interface Range {
  readonly after: number;
  readonly until: number;
}

interface InboxRow {
  event_id: Buffer;
  position: number;
  dead_letter: number;
}
