// The inbox table: which events have taken effect here. Written in the transaction of the effect itself, so an event is
// either both remembered and effective, or neither.
import type { Database } from './database.ts';

export const inboxSchema = `
  CREATE TABLE inbox (
    event_id BLOB PRIMARY KEY,
    handled_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

export class Inbox {
  readonly #insert;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT OR IGNORE INTO inbox (event_id, handled_at_ms) VALUES (?, ?)');
  }

  /** Remembers the event. False: it is a duplicate and must have no effect. */
  accept(eventId: string, nowMs: number): boolean {
    return this.#insert.run(uuidBytes(eventId), nowMs).changes === 1;
  }
}

/** 16 bytes instead of 36 characters: this table has a row for every message ever handled. */
function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}
