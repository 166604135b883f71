// Whether a database is damaged. A small one is read whole before it is used; a large one by a thread of its own while it
// is used (integrity-thread.ts), since a start must not take minutes.
import type { Database } from 'better-sqlite3';

/** What can be read in about half a second. */
export const checkedAtOpenBytesMax = 64 * 1024 * 1024;

/** Size of the database without what is only in the write-ahead log. */
export function bytesOf(db: Database): number {
  return Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
}

/**
 * Every page of every table and index, and that both say the same.
 * @returns what is wrong, in SQLite's words; undefined: nothing
 */
export function findDamage(db: Database): string | undefined {
  const tables = db
    .prepare<[], string>(
      `SELECT name FROM sqlite_schema
       WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
    )
    .pluck()
    .all();
  // Table by table: one long read would keep the write-ahead log from being emptied meanwhile.
  for (const table of tables) {
    const verdict = db.pragma(`integrity_check('${table.replaceAll("'", "''")}')`, { simple: true });
    if (verdict !== 'ok') return String(verdict);
  }
  return undefined;
}
