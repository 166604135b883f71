// Databases to back up and to restore, in a folder of their own, and a process that writes to one of them.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { selectionFrom } from '../../local/backup/selection.ts';
import { localSources, takeBackup } from '../../local/backup/take-backup.ts';
import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventually } from './wait.ts';

/** Two tables that every transaction adds a row to. */
const schema = ['debits', 'credits'].map(
  (table) => `CREATE TABLE ${table} (n INTEGER PRIMARY KEY, filling TEXT) STRICT;`,
);

export function openSample(path: string): Database {
  return openDatabase(path, schema);
}

/** Adds a row to both tables in each transaction, without a pause, and prints how many it has committed. */
const writerScript = `
  import Sqlite from 'better-sqlite3';
  const db = new Sqlite(process.argv[1], { timeout: 5_000 });
  db.pragma('synchronous = FULL');
  const filling = 'x'.repeat(100);
  const add = ['debits', 'credits'].map((table) => db.prepare('INSERT INTO ' + table + ' (filling) VALUES (?)'));
  const commit = db.transaction(() => { for (const statement of add) statement.run(filling); });
  let commits = 0;
  const loop = () => { commit.immediate(); console.log(++commits); setImmediate(loop); };
  loop();`;

export class Writer {
  readonly #child: ChildProcess;
  commits = 0;

  constructor(path: string) {
    const args = ['--input-type=module', '-e', writerScript, path];
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (!this.#child.stdout) throw new Error('unreachable: it is a pipe');
    createInterface(this.#child.stdout).on('line', (line) => {
      this.commits = Number(line);
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }

  /** Resolves after that many commits from now. */
  commitsMore(more: number): Promise<unknown> {
    const wanted = this.commits + more;
    return eventually(`${wanted} commits of the writer`, () => this.commits >= wanted);
  }
}

/** A data folder with a database for each service, and a folder beside it for the backup. */
export class BackupPlace {
  readonly #root = mkdtempSync(join(tmpdir(), 'saga-backup-'));
  readonly dataDir = join(this.#root, 'data');
  folder = join(this.#root, 'backup');
  #writer: Writer | undefined;

  constructor() {
    mkdirSync(this.dataDir);
  }

  pathOf(service: ServiceName): string {
    return join(this.dataDir, `${service}.db`);
  }

  createDatabase(service: ServiceName, rows = 3, filling = 'filling'): void {
    const db = openSample(this.pathOf(service));
    addRows(db, rows, filling);
    db.close();
  }

  createAll(): void {
    for (const service of serviceNames) this.createDatabase(service);
  }

  startWriter(service: ServiceName): Writer {
    this.#writer = new Writer(this.pathOf(service));
    return this.#writer;
  }

  backup(only: readonly ServiceName[] = []): Promise<unknown> {
    return takeBackup(localSources(selectionFrom(only, [], this.dataDir)), this.folder, () => {});
  }

  /** Checksums of all that the data folder holds, to compare before with after. */
  content(): Record<string, string> {
    const files = readdirSync(this.dataDir).filter((name) => !name.endsWith('-shm'));
    return Object.fromEntries(files.map((name) => [name, sha256Of(join(this.dataDir, name))]));
  }

  /** The next backup goes to a folder of its own. */
  nextFolder(n: number): void {
    this.folder = join(this.#root, `backup-${n}`);
  }

  async remove(): Promise<void> {
    await this.#writer?.kill();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

export function addRows(db: Database, rows: number, filling = 'filling'): void {
  const add = ['debits', 'credits'].map((table) => db.prepare(`INSERT INTO ${table} (filling) VALUES (?)`));
  db.transaction(() => {
    for (let n = 0; n < rows; n++) for (const statement of add) statement.run(filling);
  }).immediate();
}

/** Rows in the two tables. */
export function countsIn(path: string): { debits: number; credits: number } {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true });
  const count = (table: string): number => Number(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
  const counts = { debits: count('debits'), credits: count('credits') };
  db.close();
  return counts;
}

export function sha256Of(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );
}

export function flipByte(path: string, at: number): void {
  const content = readFileSync(path);
  content.writeUInt8(content.readUInt8(at) ^ 1, at);
  writeFileSync(path, content);
}
