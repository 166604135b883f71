// Puts a copy in the place of a database, so that a crash in between leaves either of them or a file that no service
// starts with, never a mixture. Stands alone, on Node and better-sqlite3 only: compose.ts also runs the compiled file
// inside a service's container.
import { createHash } from 'node:crypto';
import {
  chownSync,
  closeSync,
  createWriteStream,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import Sqlite from 'better-sqlite3';

/** Some process has the database open: a service, or a person with a shell. */
export class DatabaseInUseError extends Error {
  override readonly name = 'DatabaseInUseError';
}

export interface DatabaseLock {
  /** False: there is no database, or it is too damaged to be locked. Only then can a process have it open unnoticed. */
  readonly certain: boolean;
  release(): void;
}

/** What SQLite keeps beside a database. */
const sideFileSuffixes = ['-wal', '-shm', '-journal'] as const;

/**
 * Makes sure that no process has the database open, and that none can open it until release(). Changes nothing in it.
 * @throws DatabaseInUseError
 */
export function lockDatabase(path: string): DatabaseLock {
  if (!existsSync(path)) return { certain: false, release: () => {} };
  // Locks belong to the file, not to its name. Under a second name SQLite finds no -wal, so that closing the database
  // neither writes to it nor deletes the -wal of the real name, which by then may be that of the restored database.
  const name = `${path}.restore-lock`;
  rmSync(name, { force: true });
  linkSync(path, name);
  const db = new Sqlite(name, { timeout: 0 });
  const release = (): void => {
    db.close();
    for (const suffix of ['', ...sideFileSuffixes]) rmSync(`${name}${suffix}`, { force: true });
  };
  try {
    // In WAL mode a connection holds a shared lock for as long as it is open; this demands an exclusive one.
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    return { certain: true, release };
  } catch (error) {
    release();
    const code = error instanceof Sqlite.SqliteError ? error.code : '';
    if (/^SQLITE_(BUSY|LOCKED)/.test(code)) throw new DatabaseInUseError(`${path} is in use`);
    if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) return { certain: false, release: () => {} };
    throw error;
  }
}

/**
 * Writes the content beside the database, flushed to disk and owned by the owner of what it will replace.
 * @throws Error when the content is not what the checksum says; nothing is left then
 */
export async function stageCopy(content: Readable, path: string, sha256: string): Promise<void> {
  const staged = stagedName(path);
  rmSync(staged, { force: true });
  const hash = createHash('sha256');
  content.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(content, createWriteStream(staged, { flags: 'wx', mode: 0o600, flush: true }));
  if (hash.digest('hex') !== sha256) {
    rmSync(staged);
    throw new Error('what arrived is not what the manifest describes');
  }
  if (process.getuid?.() === 0) {
    // Root restores for the user whom the service runs as.
    const { uid, gid } = statSync(existsSync(path) ? path : dirname(path));
    chownSync(staged, uid, gid);
  }
}

export function dropStagedCopy(path: string): void {
  rmSync(stagedName(path), { force: true });
}

/**
 * Puts the staged copy in place. The present database and what belongs to it get the name `aside`.
 * @returns the files that were set aside
 */
export function swapIn(path: string, aside: string): string[] {
  const present = ['', ...sideFileSuffixes].filter((suffix) => existsSync(`${path}${suffix}`));
  for (const suffix of present) linkSync(`${path}${suffix}`, `${aside}${suffix}`);
  if (present.length > 0) {
    // A crash must leave neither the copy beside a foreign -wal, nor the old database without its own, nor no database
    // at all, which a service would start with nothing in it. With this text in its place a service does not start.
    const block = `${path}.restore-block`;
    writeFileSync(block, `This database is being restored. If nothing does that any more: npm run restore again.\n`);
    flushPath(block);
    flushPath(dirname(path));
    renameSync(block, path);
    flushPath(dirname(path));
    for (const suffix of sideFileSuffixes) rmSync(`${path}${suffix}`, { force: true });
    flushPath(dirname(path));
  }
  renameSync(stagedName(path), path);
  flushPath(dirname(path));
  return present.map((suffix) => `${aside}${suffix}`);
}

function stagedName(path: string): string {
  return `${path}.restore-part`;
}

function flushPath(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}
