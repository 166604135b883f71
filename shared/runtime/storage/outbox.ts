// The outbox: the part of the journal that the broker has not confirmed yet. Nothing is deleted when it has; a mark moves
// on, lazily, since publishing twice is harmless. A process that dies between a confirm and the mark publishes again.
import type { Database } from './database.ts';
import type { Journal, JournalEntry } from './journal.ts';

/** How the outbox was kept before there was a journal. */
export const outboxTableSchema = `
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    mandatory INTEGER NOT NULL CHECK (mandatory IN (0, 1)),
    correlation_id TEXT,
    headers TEXT,
    body BLOB NOT NULL,
    written_at_ms INTEGER NOT NULL
  ) STRICT;
`;

/** What was unsent then is unsent now. An event's position is its place in the journal; its bytes stay as they were. */
export const outboxSchema = `
  CREATE TABLE outbox_marks (
    process_id TEXT PRIMARY KEY,
    -- Everything up to here that this process has taken on is confirmed, except what is in outbox_exceptions.
    confirmed_until INTEGER NOT NULL,
    written_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE outbox_exceptions (
    position INTEGER PRIMARY KEY
  ) STRICT;
  INSERT INTO journal (position, event_id, checksum, type, subject, dead_letter, written_at_ms, body)
    SELECT row_number() OVER (ORDER BY seq), unhex(replace(message_id, '-', '')), 0, routing_key, coalesce(correlation_id, ''),
           CASE WHEN exchange = '' THEN json_object('contentType', content_type, 'headers', json(coalesce(headers, '{}'))) END,
           written_at_ms, body
    FROM outbox;
  DROP TABLE outbox;
`;

/** Marks of processes that have written none for so long are deleted. */
const markKeptMs = 24 * 60 * 60 * 1000;

export class Outbox {
  readonly #journal: Journal;
  readonly #processId: string;
  readonly #lowestMark;
  readonly #mark;
  readonly #isRegistered;
  readonly #deleteOthers;
  readonly #deleteOldMarks;
  readonly #except;
  readonly #unexcept;
  readonly #exceptions;
  readonly #others;

  /** @param processId told apart from that of any other process, also of an earlier run */
  constructor(db: Database, journal: Journal, processId: string) {
    this.#journal = journal;
    this.#processId = processId;
    this.#lowestMark = db.prepare<[], number | null>('SELECT min(confirmed_until) FROM outbox_marks').pluck();
    this.#mark = db.prepare(
      `INSERT INTO outbox_marks (process_id, confirmed_until, written_at_ms) VALUES (?, ?, ?)
       ON CONFLICT (process_id) DO UPDATE SET confirmed_until = excluded.confirmed_until, written_at_ms = excluded.written_at_ms`,
    );
    this.#isRegistered = db.prepare<[string], number>('SELECT 1 FROM outbox_marks WHERE process_id = ?').pluck();
    this.#deleteOthers = db.prepare('DELETE FROM outbox_marks WHERE process_id <> ? AND confirmed_until <= ?');
    this.#deleteOldMarks = db.prepare('DELETE FROM outbox_marks WHERE process_id <> ? AND written_at_ms < ?');
    this.#except = db.prepare('INSERT OR IGNORE INTO outbox_exceptions (position) VALUES (?)');
    this.#unexcept = db.prepare('DELETE FROM outbox_exceptions WHERE position = ?');
    this.#exceptions = db
      .prepare<[number, number], number>(
        'SELECT position FROM outbox_exceptions WHERE position > ? ORDER BY position LIMIT ?',
      )
      .pluck();
    this.#others = db
      .prepare<[string], number | null>('SELECT min(confirmed_until) FROM outbox_marks WHERE process_id <> ?')
      .pluck();
  }

  /** Up to here everything is confirmed, whoever published it, except the exceptions. */
  confirmedUntil(): number {
    return this.#lowestMark.get() ?? 0;
  }

  /** The same as the marks of other processes have it; undefined: there are none. */
  othersConfirmedUntil(): number | undefined {
    return this.#others.get(this.#processId) ?? undefined;
  }

  /** Inside a transaction only. */
  mark(confirmedUntil: number, nowMs: number): void {
    this.#mark.run(this.#processId, confirmedUntil, nowMs);
    this.#deleteOldMarks.run(this.#processId, nowMs - markKeptMs);
  }

  /** Whether the mark of this process is there. One that has begun since may have taken on what it stood for. */
  isRegistered(): boolean {
    return this.#isRegistered.get(this.#processId) !== undefined;
  }

  /**
   * Deletes the marks of other processes that are not above `confirmedUntil`: this one has taken on what they had left.
   * One of them that is alive marks again. Inside a transaction only.
   */
  deleteOthers(confirmedUntil: number): void {
    this.#deleteOthers.run(this.#processId, confirmedUntil);
  }

  /** The mark goes past this entry, which is not confirmed. Inside a transaction only. */
  except(position: number): void {
    this.#except.run(position);
  }

  /** An exception was confirmed after all. Inside a transaction only. */
  unexcept(position: number): void {
    this.#unexcept.run(position);
  }

  /** Entries that earlier runs have left below the mark: positions above `position`, in their order. */
  exceptionsAfter(position: number, limit: number): JournalEntry[] {
    return this.#exceptions.all(position, limit).flatMap((at) => this.#journal.get(at) ?? []);
  }
}
