// The journal: every event that the service has published, append-only, in the order of their commits. It is written in
// the transaction of the state change that an event reports, and kept long after the broker has the event. Dead letters
// pass through it, too, so that they cannot get lost on their way to the broker.
import { uuidBytes, uuidText } from '../../contract/event-id.ts';
import type { Database, Statement } from './database.ts';
import type { GroupParticipant } from './group-commit.ts';

/**
 * Positions count up from 1 without a gap. They are given inside the write transaction, not by AUTOINCREMENT: an event
 * holds its own position, so it must be known before the row is written.
 */
export const journalSchema = `
  CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    dead_letter TEXT,
    written_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  -- Made once per database: another one under the same name is a database that was lost, not put back.
  CREATE TABLE journal_identity (journal_id TEXT NOT NULL) STRICT;
  INSERT INTO journal_identity VALUES (lower(hex(randomblob(16))));
`;

/** What goes with a dead letter beside its bytes. */
export interface DeadLetterMark {
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface NewEntry {
  readonly eventId: string;
  /** The event's type; for a dead letter, the queue it goes to. */
  readonly type: string;
  readonly subject: string;
  readonly body: Buffer;
  /** Present: these bytes are a dead letter, not an event of this service. */
  readonly deadLetter?: DeadLetterMark | undefined;
}

export interface JournalEntry extends NewEntry {
  readonly position: number;
}

/** How many events of a range there are, and the sum of their checksums modulo 2^53. Equal digests: equal events. */
export interface Digest {
  readonly count: number;
  readonly sum: number;
}

interface StoredEntry {
  position: number;
  event_id: Buffer;
  type: string;
  subject: string;
  dead_letter: string | null;
  body: Buffer;
}

const columns = 'position, event_id, type, subject, dead_letter, body';

export class Journal implements GroupParticipant {
  readonly #db: Database;
  readonly #append;
  readonly #head;
  readonly #oldest;
  readonly #after;
  readonly #get;
  readonly #idAt;
  readonly #writtenAt;
  readonly #prune;
  /** By the shape of the filter. */
  readonly #filtered = new Map<string, Statement<unknown[], JournalEvent>>();
  readonly #listeners = new Set<(entries: readonly JournalEntry[]) => void>();
  readonly journalId: string;
  #next = 1;
  /** The next position before the work in progress, which may be undone. */
  #nextBefore = 1;
  /** By the work in progress, and by the group so far. */
  #appending: JournalEntry[] = [];
  #appended: JournalEntry[] = [];

  constructor(db: Database) {
    this.#db = db;
    this.#append = db.prepare(
      `INSERT INTO journal (position, event_id, checksum, type, subject, dead_letter, written_at_ms, body)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#head = db
      .prepare<[], number>('SELECT coalesce((SELECT position FROM journal ORDER BY position DESC LIMIT 1), 0)')
      .pluck();
    this.#oldest = db
      .prepare<[], number>('SELECT coalesce((SELECT position FROM journal ORDER BY position LIMIT 1), 1)')
      .pluck();
    this.#after = db.prepare<[number, number], StoredEntry>(
      `SELECT ${columns} FROM journal WHERE position > ? ORDER BY position LIMIT ?`,
    );
    this.#get = db.prepare<[number], StoredEntry>(`SELECT ${columns} FROM journal WHERE position = ?`);
    this.#idAt = db.prepare<[number], Buffer>('SELECT event_id FROM journal WHERE position = ?').pluck();
    this.#writtenAt = db.prepare<[number], number>('SELECT written_at_ms FROM journal WHERE position = ?').pluck();
    // The limit is inside: where nothing is old enough, the rest of the journal must not be read for it.
    this.#prune = db.prepare<[number, number, number]>(
      `DELETE FROM journal WHERE position IN
         (SELECT position FROM (SELECT position, written_at_ms FROM journal WHERE position <= ? ORDER BY position LIMIT ?)
          WHERE written_at_ms < ?)`,
    );
    this.journalId = journalIdOf(db);
  }

  // ---- writing, inside a group commit

  begin(): void {
    // Another process that shares the file may have written since.
    this.#next = this.head() + 1;
    this.#nextBefore = this.#next;
    this.#appending = [];
    this.#appended = [];
  }

  /** The position that the next appended entry gets. */
  get nextPosition(): number {
    return this.#next;
  }

  /** Only inside the transaction that changes the state which the event reports. */
  append(entry: NewEntry, nowMs: number): void {
    const position = this.#next;
    const id = uuidBytes(entry.eventId);
    this.#append.run(
      position,
      id,
      checksumOf(id),
      entry.type,
      entry.subject,
      entry.deadLetter ? JSON.stringify(entry.deadLetter) : null,
      nowMs,
      entry.body,
    );
    this.#next = position + 1;
    this.#appending.push({ ...entry, position });
  }

  worked(kept: boolean): void {
    if (kept) {
      this.#appended.push(...this.#appending);
      this.#nextBefore = this.#next;
    } else {
      this.#next = this.#nextBefore;
    }
    this.#appending = [];
  }

  committed(): void {
    if (this.#appended.length > 0) for (const listener of this.#listeners) listener(this.#appended);
  }

  /** The next group begins anew. */
  rolledBack(): void {}

  /** Calls back with what each group commit of this process has appended, once it is on disk. */
  onAppended(listener: (entries: readonly JournalEntry[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // ---- reading

  /** Position of the newest entry; 0: there is none. */
  head(): number {
    return this.#head.get() ?? 0;
  }

  /** Position of the oldest entry that retention has left. */
  oldest(): number {
    return this.#oldest.get() ?? 1;
  }

  /** Entries above `position`, oldest first. */
  after(position: number, limit: number): JournalEntry[] {
    return this.#after.all(position, limit).map(toEntry);
  }

  get(position: number): JournalEntry | undefined {
    const row = this.#get.get(position);
    return row && toEntry(row);
  }

  eventIdAt(position: number): string | undefined {
    const id = this.#idAt.get(position);
    return id && uuidText(id);
  }

  /** When an entry was written; undefined: there is none at this position. */
  writtenAtMs(position: number): number | undefined {
    return this.#writtenAt.get(position);
  }

  /**
   * Events above `after` and up to `until`, filtered. Reads at most `scanMax` rows, so a page may hold fewer events than
   * there are, even none, before `next` reaches `until`. It reads no more of a row than its readers send on.
   * @returns the events, and the position to go on from
   */
  events(
    { after, until, types, subject }: EventFilter,
    limit: number,
    scanMax: number,
  ): { readonly events: JournalEvent[]; readonly next: number } {
    const last = Math.min(until, after + scanMax, this.head());
    // Stryker disable next-line EqualityOperator: an empty range gives the same answer, after a query
    if (last <= after) return { events: [], next: after };
    const about = subject === undefined ? [] : [subject];
    const events = this.#select(types?.length, about.length > 0).all(after, last, ...(types ?? []), ...about, limit);
    const full = events.length === limit;
    return { events, next: full ? (events.at(-1)?.position ?? after) : last };
  }

  #select(types: number | undefined, bySubject: boolean): Statement<unknown[], JournalEvent> {
    const key = `${types} ${bySubject}`;
    const known = this.#filtered.get(key);
    // Stryker disable next-line ConditionalExpression: the same statement, prepared once more
    if (known) return known;
    const conditions = [
      'position > ? AND position <= ? AND dead_letter IS NULL',
      ...(types === undefined ? [] : [`type IN (${Array(types).fill('?').join(', ')})`]),
      ...(bySubject ? ['subject = ?'] : []),
    ];
    const statement = this.#db.prepare<unknown[], JournalEvent>(
      `SELECT position, type, body FROM journal WHERE ${conditions.join(' AND ')} ORDER BY position LIMIT ?`,
    );
    this.#filtered.set(key, statement);
    return statement;
  }

  /** The ids of the events of these types above `after` and up to `until`. */
  ids(after: number, until: number, types: readonly string[]): { position: number; eventId: string }[] {
    return this.#db
      .prepare<unknown[], { position: number; event_id: Buffer }>(
        `SELECT position, event_id FROM journal WHERE position > ? AND position <= ? AND type IN (${types.map(() => '?').join(', ')})
         ORDER BY position`,
      )
      .all(after, until, ...types)
      .map(({ position, event_id }) => ({ position, eventId: uuidText(event_id) }));
  }

  /** The digest of the events of these types above `after` and up to `until`. */
  digest(after: number, until: number, types: readonly string[]): Digest {
    const row = this.#db
      .prepare<unknown[], Digest>(
        `SELECT count(*) AS count, coalesce(sum(checksum), 0) % ${digestModulus} AS sum FROM journal
         WHERE position > ? AND position <= ? AND type IN (${types.map(() => '?').join(', ')})`,
      )
      .get(after, until, ...types);
    // Stryker disable next-line ObjectLiteral: an aggregate always has a row; the default is for the type
    return row ?? { count: 0, sum: 0 };
  }

  /**
   * Looks at the `limit` oldest entries, none above `upTo`, and deletes those written before `beforeMs`; never the newest
   * entry: it holds the count. Inside a transaction only.
   * @returns how many were deleted
   */
  prune(upTo: number, beforeMs: number, limit: number): number {
    return this.#prune.run(Math.min(upTo, this.head() - 1), limit, beforeMs).changes;
  }
}

/** What a reader of the journal is sent. */
export type JournalEvent = Pick<JournalEntry, 'position' | 'type' | 'body'>;

export interface EventFilter {
  readonly after: number;
  readonly until: number;
  readonly types?: readonly string[] | undefined;
  readonly subject?: string | undefined;
}

function toEntry(row: StoredEntry): JournalEntry {
  return {
    position: row.position,
    eventId: uuidText(row.event_id),
    type: row.type,
    subject: row.subject,
    body: row.body,
    ...(row.dead_letter === null ? {} : { deadLetter: JSON.parse(row.dead_letter) as DeadLetterMark }),
  };
}

/** Sums of checksums stay exact in a JavaScript number; a range has far fewer than the 2^15 events that overflow SQLite's. */
export const digestModulus = 2 ** 53;

/** The last 48 bits of an id, which are random in a UUID v7 and a hash in a caused id. */
export function checksumOf(id: Buffer): number {
  return id.readUIntBE(10, 6);
}

/** Made with the database, and kept by every copy of it. */
export function journalIdOf(db: Database): string {
  return db.prepare<[], string>('SELECT journal_id FROM journal_identity').pluck().get() ?? '';
}
