// Opens a service's SQLite database so that what is committed stays committed: WAL, synchronous=FULL, STRICT tables.
import Sqlite, { type Database } from 'better-sqlite3';

export type { Database } from 'better-sqlite3';

/** The file is damaged, or is not what this service wrote. The service must not start; a person restores a backup. */
export class UnusableDatabaseError extends Error {
  override readonly name = 'UnusableDatabaseError';
}

/**
 * Something outside has failed for now: disk full, read-only, locked by another process. Nothing was stored, nothing
 * was acked; trying again later is right.
 */
export class TransientError extends Error {
  override readonly name = 'TransientError';
}

const transientCodes = /^SQLITE_(FULL|BUSY|LOCKED|IOERR|READONLY|NOMEM|CANTOPEN|INTERRUPT|PROTOCOL)/;

export function isTransient(error: unknown): boolean {
  if (error instanceof TransientError) return true;
  return error instanceof Sqlite.SqliteError && transientCodes.test(error.code);
}

/** Another process holds the write lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** How long opening waits for another process's lock. Later, GroupCommit waits without blocking the event loop. */
const openTimeoutMs = 1_500;

/**
 * Opens or creates a database and brings it up to date.
 * @param path a file, or `:memory:`
 * @param migrations SQL scripts; number n is run once, in a transaction, when `user_version` is below n + 1. Append only.
 * @throws UnusableDatabaseError when the file is damaged, newer than this program, or locked against opening
 */
export function openDatabase(path: string, migrations: readonly string[]): Database {
  let db: Database | undefined;
  try {
    db = new Sqlite(path, { timeout: openTimeoutMs });
    db.pragma('journal_mode = WAL');
    // better-sqlite3 builds SQLite with NORMAL for WAL: a power cut could then undo an answered request.
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    // Savepoints keep the pages they may have to bring back; beyond 64 KiB of them SQLite would do so in a temporary file.
    db.pragma('temp_store = MEMORY');
    checkIntegrity(db);
    migrate(db, migrations);
    const synchronous = db.pragma('synchronous', { simple: true });
    if (synchronous !== 2) throw new Error(`synchronous is ${String(synchronous)}, not 2 (FULL)`);
    db.pragma('busy_timeout = 0');
    return db;
  } catch (error) {
    db?.close();
    throw new UnusableDatabaseError(
      `cannot use the database ${path}: ${error instanceof Error ? error.message : String(error)}. ` +
        'If it is damaged: stop the service, move the file and its -wal and -shm aside, put a backup in its place, and start again.',
      { cause: error },
    );
  }
}

function checkIntegrity(db: Database): void {
  const verdict = db.pragma('quick_check(1)', { simple: true });
  if (verdict !== 'ok') throw new Error(`quick_check says: ${String(verdict)}`);
}

function migrate(db: Database, migrations: readonly string[]): void {
  db.transaction(() => {
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version > migrations.length) {
      throw new Error(`it was written by a newer program (schema ${version}; this one knows ${migrations.length})`);
    }
    for (const script of migrations.slice(version)) db.exec(script);
    db.pragma(`user_version = ${migrations.length}`);
  }).immediate();
}
