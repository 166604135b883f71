// Opens a service's SQLite database so that what is committed stays committed: WAL, synchronous=FULL, STRICT tables.
import Sqlite, { type Database } from 'better-sqlite3';
import { bytesOf, checkedAtOpenBytesMax, findDamage } from './integrity.ts';

export type { Database, Statement } from 'better-sqlite3';

/** The file cannot be used now, or at all. The service must not start; the message says what a person can do. */
export class UnusableDatabaseError extends Error {
  override readonly name = 'UnusableDatabaseError';
  /** True when trying again later may be enough: it is locked, or the disk is full. */
  readonly isTransient: boolean;

  constructor(path: string, cause: unknown) {
    const { advice, isTransient } = adviceOn(cause);
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`cannot use the database ${path}: ${why}. ${advice}`, { cause });
    this.isTransient = isTransient;
  }
}

/** The file is not one that this service has written. */
class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError';
}

/** A newer program has migrated it. */
class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError';
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

const databaseCodes = /^SQLITE_(FULL|BUSY|LOCKED|READONLY|NOMEM|CANTOPEN|IOERR_SHMSIZE)/;

/**
 * A transient error that has nothing to do with what was being written: no space, no permission, the lock of another. Smaller
 * writes may still fit into what is left of a full disk.
 */
export function isOfWholeDatabase(error: unknown): boolean {
  const cause = error instanceof TransientError ? error.cause : error;
  return cause instanceof Sqlite.SqliteError && databaseCodes.test(cause.code);
}

/** Another process holds the write lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** How long opening waits for another process's lock. Later, GroupCommit waits without blocking the event loop. */
const openTimeoutMs = 1_500;
/** In the header of each file: the letters "Saga". */
const applicationId = 0x53616761;
/**
 * Pages in the write-ahead log that make a commit copy them to the database file: 16 MiB. Four times SQLite's default: a
 * page that many groups change is copied once, and fewer commits wait for it.
 */
const walPagesMax = 4_000;
/** The write-ahead log is cut back to this size when it has been emptied. */
const walBytesMax = 64 * 1024 * 1024;

export interface OpenOptions {
  /** Whose database it is; another service's is refused. Left out: that is not checked. */
  readonly service?: string;
  /** A larger one is not read whole before it is used. Default: what takes about half a second. */
  readonly checkedBytesMax?: number;
}

/**
 * Opens or creates a database and brings it up to date.
 * @param path a file, or `:memory:`
 * @param migrations SQL scripts; number n is run once, in a transaction, when `user_version` is below n + 1. Append only.
 * @throws UnusableDatabaseError when the file is damaged, newer than this program, of another one, or locked against opening
 */
export function openDatabase(
  path: string,
  migrations: readonly string[],
  { service, checkedBytesMax = checkedAtOpenBytesMax }: OpenOptions = {},
): Database {
  let db: Database | undefined;
  try {
    db = new Sqlite(path, { timeout: openTimeoutMs });
    refuseForeign(db);
    db.pragma('journal_mode = WAL');
    // better-sqlite3 builds SQLite with NORMAL for WAL: a power cut could then undo an answered request.
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    // Savepoints keep the pages they may have to bring back; beyond 64 KiB of them SQLite would do so in a temporary file.
    db.pragma('temp_store = MEMORY');
    db.pragma(`wal_autocheckpoint = ${walPagesMax}`);
    db.pragma(`journal_size_limit = ${walBytesMax}`);
    const damage = bytesOf(db) <= checkedBytesMax ? findDamage(db) : undefined;
    if (damage !== undefined) throw new Error(`it is damaged (${damage})`);
    migrate(db, migrations, service);
    const synchronous = db.pragma('synchronous', { simple: true });
    if (synchronous !== 2) throw new Error(`synchronous is ${String(synchronous)}, not 2 (FULL)`);
    db.pragma('busy_timeout = 0');
    return db;
  } catch (error) {
    db?.close();
    throw new UnusableDatabaseError(path, error);
  }
}

/** Before anything is written into it. Files of earlier versions have no application id. */
function refuseForeign(db: Database): void {
  const id = Number(db.pragma('application_id', { simple: true }));
  if (id === applicationId) return;
  const isOurs = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'inbox'").get() !== undefined;
  const isNew = db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (id !== 0 || !(isOurs || isNew)) throw new ForeignDatabaseError('it was written by another program');
}

function migrate(db: Database, migrations: readonly string[], service: string | undefined): void {
  db.transaction(() => {
    if (service !== undefined) claim(db, service);
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version > migrations.length) {
      throw new NewerSchemaError(
        `it was written by a newer program (schema ${version}; this one knows ${migrations.length})`,
      );
    }
    for (const script of migrations.slice(version)) db.exec(script);
    db.pragma(`user_version = ${migrations.length}`);
    db.pragma(`application_id = ${applicationId}`);
  }).immediate();
}

function claim(db: Database, service: string): void {
  db.exec('CREATE TABLE IF NOT EXISTS owner (service TEXT NOT NULL) STRICT');
  const owner = db.prepare<[], string>('SELECT service FROM owner').pluck().get();
  if (owner === undefined) db.prepare('INSERT INTO owner VALUES (?)').run(service);
  else if (owner !== service) throw new ForeignDatabaseError(`it is the database of ${owner}, not of ${service}`);
}

function adviceOn(cause: unknown): { readonly advice: string; readonly isTransient: boolean } {
  const code = cause instanceof Sqlite.SqliteError ? cause.code : '';
  const [, advice, isTransient] = adviceByCode.find(([pattern]) => pattern.test(code)) ?? [];
  if (advice !== undefined) return { advice, isTransient: isTransient === true };
  if (cause instanceof ForeignDatabaseError) {
    return {
      advice: 'Set DATABASE_PATH to the file of this service, or to one that does not exist yet.',
      isTransient: false,
    };
  }
  if (cause instanceof NewerSchemaError) {
    return {
      advice: 'Start the newer version, or put back a backup from before the upgrade: npm run restore.',
      isTransient: false,
    };
  }
  return {
    advice:
      'If it is damaged: stop the service, move the file and its -wal and -shm aside, put a backup in its place, and start again.',
    isTransient: false,
  };
}

const adviceByCode: readonly (readonly [RegExp, string, boolean])[] = [
  [/^SQLITE_(BUSY|LOCKED)/, 'Another process has locked it: end that one, or wait until it is done.', true],
  // The -shm file, which every opening needs, has no room: SQLite calls that an I/O error.
  [/^SQLITE_(FULL|IOERR_SHMSIZE)/, 'The disk is full: free some space on it.', true],
  [/^SQLITE_READONLY/, 'The file or its folder may not be written by this user: correct their permissions.', false],
  [/^SQLITE_CANTOPEN/, 'Is it a file, and may this user write in its folder?', false],
];
