// A digest of a database, to see whether something has changed it.
import { createHash } from 'node:crypto';
import type { Database } from '../shared/runtime/storage/database.ts';

/** Of everything a service knows, except for what it keeps about messages: by table. */
export function digestsOf(db: Database): ReadonlyMap<string, string> {
  const tables = db
    .prepare<[], string>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND name NOT IN ('inbox', 'publishers', 'journal', 'journal_identity', 'outbox_marks', 'outbox_exceptions',
                          'suspects', 'idempotency_keys') ORDER BY name`,
    )
    .pluck()
    .all();
  return new Map(tables.map((table) => [table, digestOfTable(db, table)]));
}

/** The same in one. */
export function digestOf(db: Database): string {
  return [...digestsOf(db)].map(([table, digest]) => `${table} ${digest}`).join('\n');
}

function digestOfTable(db: Database, table: string): string {
  const hash = createHash('sha256');
  let text = '';
  for (const row of db.prepare(`SELECT * FROM ${table}`).raw().iterate()) {
    text += (row as unknown[]).join('\x1f');
    text += '\x1e';
    if (text.length < 65_536) continue;
    hash.update(text);
    text = '';
  }
  hash.update(text);
  return hash.digest('hex');
}
