// A consistent copy of one SQLite database while its service writes to it. Stands alone, on Node and better-sqlite3
// only: compose.ts also runs the compiled file inside a service's container.
import { closeSync, fsyncSync, openSync } from 'node:fs';
import Sqlite from 'better-sqlite3';

/** Pages copied before the event loop runs again. */
const pagesPerStep = 1_000;

/**
 * Copies what is committed now to a new file that only its owner may read, as a single file without -wal, and flushes
 * it to disk. The source is opened read-only. Its service goes on writing, and its -wal grows until the copy is done.
 * @param progress gets the part that is copied, from 0 to 1
 */
export async function copyDatabase(
  source: string,
  copy: string,
  progress: (part: number) => void = () => {},
): Promise<void> {
  closeSync(openSync(copy, 'wx', 0o600));
  const db = new Sqlite(source, { readonly: true, fileMustExist: true });
  try {
    // SQLite starts a backup over whenever another connection has committed, and so never finishes under load. An open
    // read transaction pins one snapshot: commits go on, the backup does not see them.
    db.exec('BEGIN');
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    await db.backup(copy, {
      progress: ({ totalPages, remainingPages }) => {
        progress(totalPages === 0 ? 0 : 1 - remainingPages / totalPages);
        return pagesPerStep;
      },
    });
    db.exec('COMMIT');
  } finally {
    db.close();
  }
  makeSingleFile(copy);
}

/** In WAL mode even a reader would create files beside it. The service turns WAL on again when it opens the file. */
function makeSingleFile(path: string): void {
  const db = new Sqlite(path, { fileMustExist: true });
  try {
    db.pragma('journal_mode = DELETE');
  } finally {
    db.close();
  }
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
}
