// Databases in files, each in a folder of its own that is gone after the test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../shared/runtime/storage/database.ts';

const folders: string[] = [];

/** Path of a database that does not exist yet. */
export function newDatabasePath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'saga-storage-'));
  folders.push(folder);
  return join(folder, 'service.db');
}

export function removeDatabases(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** The tables that people wrote, by name. */
export function tablesOf(db: Database): string[] {
  return db
    .prepare<[], string>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .pluck()
    .all();
}

/** Everything that is stored, to compare before with after. */
export function contentOf(db: Database): Record<string, unknown[]> {
  return Object.fromEntries(tablesOf(db).map((table) => [table, db.prepare(`SELECT * FROM "${table}"`).all()]));
}
