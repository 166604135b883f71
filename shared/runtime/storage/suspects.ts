// Messages that were being handled when the process died. What crashes the process cannot be counted by the process in
// memory, so each attempt is on disk before it begins.
import type { Database } from './database.ts';

export const suspectsSchema = `
  CREATE TABLE suspects (
    message_hash TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

export class Suspects {
  readonly #begin;
  readonly #end;

  constructor(db: Database) {
    this.#begin = db
      .prepare<[string], number>(
        `INSERT INTO suspects (message_hash, attempts) VALUES (?, 1)
         ON CONFLICT (message_hash) DO UPDATE SET attempts = attempts + 1 RETURNING attempts`,
      )
      .pluck();
    this.#end = db.prepare('DELETE FROM suspects WHERE message_hash = ?');
  }

  /** Counts an attempt that is about to begin. Returns how many there have been with this one. Inside a transaction only. */
  begin(messageHash: string): number {
    return this.#begin.get(messageHash) ?? 1;
  }

  /** The attempt ended without a crash. Inside a transaction only. */
  end(messageHash: string): void {
    this.#end.run(messageHash);
  }
}
