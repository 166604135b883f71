// Backup and restore on files: consistent under writes, nothing changed at the source, all or nothing on the way back.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { BackupError } from '../../local/backup/backup-error.ts';
import { readManifest } from '../../local/backup/manifest.ts';
import { DatabaseInUseError, lockDatabase, swapIn } from '../../local/backup/replace-database.ts';
import { localTarget, PartlyRestoredError, type Restored, restoreBackup } from '../../local/backup/restore-backup.ts';
import { selectionFrom, UsageError } from '../../local/backup/selection.ts';
import { localSources, takeBackup } from '../../local/backup/take-backup.ts';
import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { openDatabase, UnusableDatabaseError } from '../../shared/runtime/storage/database.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const schema = [
  'CREATE TABLE debits (n INTEGER PRIMARY KEY, filling TEXT) STRICT; CREATE TABLE credits (n INTEGER PRIMARY KEY, filling TEXT) STRICT;',
];
const silent = (): void => {};
const nobodyAnswers = async (): Promise<boolean> => false;

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

class Writer {
  readonly #child: ChildProcess;
  commits = 0;

  constructor(path: string) {
    const args = ['--input-type=module', '-e', writerScript, path];
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.commits = Number(text.trim().split('\n').at(-1));
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

let root: string;
let dataDir: string;
let folder: string;
let writer: Writer | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'saga-backup-'));
  dataDir = join(root, 'data');
  folder = join(root, 'backup');
  mkdirSync(dataDir);
});
afterEach(async () => {
  await writer?.kill();
  writer = undefined;
  rmSync(root, { recursive: true, force: true });
});

const pathOf = (service: ServiceName): string => join(dataDir, `${service}.db`);

function createDatabase(service: ServiceName, rows = 3, filling = 'filling'): void {
  const db = openDatabase(pathOf(service), schema);
  addRows(db, rows, filling);
  db.close();
}

function addRows(db: Sqlite.Database, rows: number, filling = 'x'): void {
  const add = ['debits', 'credits'].map((table) => db.prepare(`INSERT INTO ${table} (filling) VALUES (?)`));
  db.transaction(() => {
    for (let n = 0; n < rows; n++) for (const statement of add) statement.run(filling);
  }).immediate();
}

function createAll(): void {
  for (const service of serviceNames) createDatabase(service);
}

const backup = (only: readonly ServiceName[] = []) =>
  takeBackup(localSources(selectionFrom(only, [], dataDir)), folder, silent);

const restore = (services: readonly ServiceName[] = serviceNames, answers = nobodyAnswers): Promise<Restored[]> =>
  restoreBackup(
    folder,
    readManifest(folder),
    services.map((service) => localTarget(service, pathOf(service), answers)),
    silent,
  );

/** Rows in the two tables, which must be equal. */
function countsIn(path: string): { debits: number; credits: number } {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true });
  const count = (table: string): number => Number(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
  const counts = { debits: count('debits'), credits: count('credits') };
  db.close();
  return counts;
}

/** What every file of the data folder holds, to compare before with after. */
function contentOfDataDir(): Record<string, string> {
  const files = readdirSync(dataDir).filter((name) => !name.endsWith('-shm'));
  return Object.fromEntries(files.map((name) => [name, sha256Of(join(dataDir, name))]));
}

function sha256Of(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );
}

describe('a backup', function () {
  this.timeout(60_000);

  it('is consistent, five times in a row, while another process commits without a pause', async () => {
    // Larger than one step of the copy, so that commits come in between.
    createDatabase('order-service', 5_000, 'x'.repeat(1_000));
    writer = new Writer(pathOf('order-service'));
    let before = 0;
    for (let n = 1; n <= 5; n++) {
      await writer.commitsMore(20);
      folder = join(root, `backup-${n}`);
      const steps: number[] = [];
      const [source] = localSources(selectionFrom(['order-service'], [], dataDir));
      if (!source) throw new Error('no source');
      const counted = {
        ...source,
        copyTo: (path: string, progress: (part: number) => void) =>
          source.copyTo(path, (part) => {
            steps.push(part);
            progress(part);
          }),
      };
      await takeBackup([counted], folder, silent);
      const { debits, credits } = countsIn(join(folder, 'order-service.db'));
      expect(credits, `backup ${n}`).to.equal(debits);
      expect(debits, `backup ${n} has what came since the one before`).to.be.at.least(before + 20);
      // A copy that starts over with a commit would go back.
      expect(steps, `backup ${n}`).to.have.length.above(1);
      expect([...steps].sort((a, b) => a - b)).to.deep.equal(steps);
      before = debits;
    }
  });

  it('changes nothing in the database of a running process', async () => {
    createAll();
    const open = openDatabase(pathOf('payment-service'), schema);
    addRows(open, 1);
    const before = contentOfDataDir();
    expect(before).to.have.property('payment-service.db-wal');
    await backup(['payment-service']);
    expect(contentOfDataDir()).to.deep.equal(before);
    // And does not get in its way.
    addRows(open, 1);
    open.close();
  });

  it('copies the database of a stopped service, and changes nothing in it', async () => {
    createAll();
    const before = contentOfDataDir();
    await backup();
    expect(contentOfDataDir()).to.include(before);
    expect(countsIn(join(folder, 'inventory-service.db'))).to.deep.equal({ debits: 3, credits: 3 });
  });

  it('contains what a killed process had committed and not moved from the -wal yet', async () => {
    createDatabase('order-service', 0);
    writer = new Writer(pathOf('order-service'));
    await writer.commitsMore(5);
    await writer.kill();
    const before = contentOfDataDir();
    expect(before).to.have.property('order-service.db-wal');
    await backup(['order-service']);
    expect(contentOfDataDir()).to.deep.equal(before);
    expect(countsIn(join(folder, 'order-service.db')).debits).to.be.at.least(writer.commits);
  });

  it('is single files that only their owner may read, and a manifest that describes them', async () => {
    createAll();
    await backup();
    const manifest = readManifest(folder);
    const names = [...serviceNames.map((service) => `${service}.db`), 'manifest.json'];
    expect(readdirSync(folder)).to.have.members(names);
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777, name).to.equal(0o600);
    for (const service of serviceNames) {
      const file = join(folder, `${service}.db`);
      expect(manifest.services[service]).to.deep.equal({
        file: `${service}.db`,
        bytes: statSync(file).size,
        sha256: sha256Of(file),
        schemaVersion: 1,
      });
    }
  });

  it('refuses a folder that is not empty, and leaves it alone', async () => {
    createAll();
    mkdirSync(folder);
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    expect(await errorOf(backup()))
      .to.be.instanceOf(BackupError)
      .with.property('message')
      .that.includes('not empty');
    expect(readdirSync(folder)).to.deep.equal(['notes.txt']);
  });

  it('names every database that is missing, and creates nothing', () => {
    createDatabase('order-service');
    expect(() => localSources(selectionFrom([], [], dataDir)))
      .to.throw(BackupError)
      .with.property('message')
      .that.includes(pathOf('payment-service'))
      .and.includes(pathOf('inventory-service'))
      .and.includes('--database')
      .and.does.not.include(pathOf('order-service'));
    expect(existsSync(folder)).to.equal(false);
  });

  for (const [what, damage, words] of [
    ['cut short', (path: string) => truncateSync(path, 4_096), 'malformed'],
    ['damaged', (path: string) => flipByte(path, 4_096), 'the database is damaged'],
    ['not a database', (path: string) => writeFileSync(path, 'x'.repeat(8_192)), 'not a database'],
    ['empty', (path: string) => truncateSync(path, 0), 'not a database of a service'],
  ] as const) {
    it(`leaves nothing when one of the databases is ${what}, and names it`, async () => {
      createAll();
      damage(pathOf('inventory-service'));
      expect(await errorOf(backup()))
        .to.be.instanceOf(BackupError)
        .with.property('message')
        .that.includes('inventory-service could not be backed up')
        .and.includes(words);
      expect(existsSync(folder)).to.equal(false);
    });
  }
});

describe('a restore', () => {
  it('brings back what was there at the backup, and keeps what came after beside it, -wal included', async () => {
    createAll();
    await backup();
    writer = new Writer(pathOf('order-service'));
    await writer.commitsMore(5);
    await writer.kill();
    expect(existsSync(`${pathOf('order-service')}-wal`)).to.equal(true);
    const restored = await restore();
    for (const service of serviceNames) {
      const db = openDatabase(pathOf(service), schema);
      db.close();
      expect(countsIn(pathOf(service)), service).to.deep.equal({ debits: 3, credits: 3 });
    }
    const [former, ...beside] = restored.find(({ service }) => service === 'order-service')?.setAside ?? [];
    expect(beside).to.include(`${former}-wal`);
    expect(countsIn(former ?? '').debits).to.be.at.least(3 + writer.commits);
    expect(readdirSync(dataDir).filter((name) => /restore-(part|lock|block)/.test(name))).to.deep.equal([]);
  });

  it('is refused while a process has one of the databases open, and changes none', async () => {
    createAll();
    await backup();
    const open = openDatabase(pathOf('inventory-service'), schema);
    const before = contentOfDataDir();
    expect(await errorOf(restore()))
      .to.be.instanceOf(BackupError)
      .with.property('message')
      .that.includes('inventory-service is running');
    expect(contentOfDataDir()).to.deep.equal(before);
    open.close();
    await restore();
  });

  it('puts back only the service that was asked for', async () => {
    createAll();
    await backup();
    for (const service of serviceNames) {
      const db = openDatabase(pathOf(service), schema);
      addRows(db, 1);
      db.close();
    }
    await restore(['payment-service']);
    expect(serviceNames.map((service) => countsIn(pathOf(service)).debits)).to.deep.equal([4, 3, 4]);
  });

  for (const [what, damage, words] of [
    ['a byte was changed', (path: string) => flipByte(path, readFileSync(path).lastIndexOf('filling')), 'checksum'],
    ['a page was destroyed', (path: string) => flipByte(path, 4_096), 'damaged'],
    ['a file was cut short', (path: string) => truncateSync(path, 4_096), 'damaged'],
    ['a file is missing', (path: string) => rmSync(path), 'missing'],
  ] as const) {
    it(`is refused when ${what} in the backup, and changes nothing`, async () => {
      createAll();
      await backup();
      damage(join(folder, 'inventory-service.db'));
      const before = contentOfDataDir();
      expect(await errorOf(restore()))
        .to.be.instanceOf(BackupError)
        .with.property('message')
        .that.includes('inventory-service.db')
        .and.includes(words);
      expect(contentOfDataDir()).to.include(before);
      expect(readdirSync(dataDir).filter((name) => name.includes('restore'))).to.deep.equal([]);
    });
  }

  it('is refused without a manifest, and with one that leads out of the folder', async () => {
    createAll();
    await backup();
    const path = join(folder, 'manifest.json');
    const manifest = readFileSync(path, 'utf8');
    writeFileSync(path, manifest.replace('"order-service.db"', '"../data/order-service.db"'));
    expect(() => readManifest(folder)).to.throw(BackupError, 'plain file name');
    writeFileSync(path, manifest.slice(0, -10));
    expect(() => readManifest(folder)).to.throw(BackupError, 'not JSON');
    rmSync(path);
    expect(() => readManifest(folder)).to.throw(BackupError, 'interrupted');
  });

  it('replaces a damaged database, unless the service answers on its port', async () => {
    createAll();
    await backup();
    writeFileSync(pathOf('order-service'), 'not a database');
    expect(await errorOf(restore(serviceNames, async () => true)))
      .to.be.instanceOf(BackupError)
      .with.property('message')
      .that.includes('order-service answers on its port');
    const restored = await restore();
    const [former] = restored.find(({ service }) => service === 'order-service')?.setAside ?? [];
    expect(readFileSync(former ?? '', 'utf8')).to.equal('not a database');
    expect(countsIn(pathOf('order-service')).debits).to.equal(3);
  });

  it('needs no database to be there', async () => {
    createAll();
    await backup();
    rmSync(dataDir, { recursive: true });
    const restored = await restore();
    expect(restored.map(({ setAside }) => setAside)).to.deep.equal([[], [], []]);
    expect(countsIn(pathOf('payment-service')).debits).to.equal(3);
  });

  it('keeps a service from starting until it is done', () => {
    createAll();
    const lock = lockDatabase(pathOf('order-service'));
    expect(lock.certain).to.equal(true);
    expect(() => openDatabase(pathOf('order-service'), schema)).to.throw(UnusableDatabaseError, 'locked');
    expect(() => lockDatabase(pathOf('order-service'))).to.throw(DatabaseInUseError);
    lock.release();
    openDatabase(pathOf('order-service'), schema).close();
  });

  it('interrupted before its last step leaves a file that no service starts with, and can be run again', async () => {
    createAll();
    await backup();
    const order = pathOf('order-service');
    // The copy that was to be put in place is gone: the last rename fails.
    expect(() => swapIn(order, `${order}.aside`)).to.throw('ENOENT');
    expect(() => openDatabase(order, schema)).to.throw(UnusableDatabaseError, 'not a database');
    expect(countsIn(`${order}.aside`).debits).to.equal(3);
    await restore();
    expect(countsIn(order).debits).to.equal(3);
  });

  it('that fails in the middle says which databases are restored', async () => {
    createAll();
    await backup();
    const [first, second] = serviceNames.map((service) => localTarget(service, pathOf(service), nobodyAnswers));
    if (!first || !second) throw new Error('no targets');
    const failing = { ...second, swapIn: () => Promise.reject(new Error('disk full')) };
    expect(await errorOf(restoreBackup(folder, readManifest(folder), [first, failing], silent)))
      .to.be.instanceOf(PartlyRestoredError)
      .with.property('message')
      .that.includes('payment-service could not be restored: disk full')
      .and.includes('Restored: order-service.');
  });
});

describe('the command lines of backup and restore', () => {
  it('take the databases from DATA_DIR, or one by one', () => {
    const selection = selectionFrom([], ['order-service=/var/lib/order.db'], '/data');
    expect(selection.services.map(selection.pathOf)).to.deep.equal([
      '/var/lib/order.db',
      '/data/payment-service.db',
      '/data/inventory-service.db',
    ]);
  });

  it('refuse a service that does not exist, and a database of one that is left out', () => {
    expect(() => selectionFrom(['orders'], [], '/data')).to.throw(UsageError, "no service 'orders'");
    expect(() => selectionFrom([], ['order-service'], '/data')).to.throw(UsageError, 'SERVICE=FILE');
    expect(() => selectionFrom(['order-service'], ['payment-service=x.db'], '/data')).to.throw(UsageError, '--only');
  });

  it('exit with 0 after a backup and a restore, 1 after a refusal and 2 when the command is wrong', async () => {
    createAll();
    const tool = async (name: string, ...args: string[]): Promise<[exitCode: number, output: string]> => {
      const file = fileURLToPath(new URL(`../../tools/${name}.js`, import.meta.url));
      return run(process.execPath, [file, ...args], { env: { ...process.env, DATA_DIR: dataDir } }).then(
        ({ stdout }) => [0, stdout],
        (error: { code: number; stdout: string; stderr: string }) => [error.code, error.stdout + error.stderr],
      );
    };
    for (const name of ['backup', 'restore']) {
      const [helped, help] = await tool(name, '--help');
      expect(helped, help).to.equal(0);
      expect(help).to.include(`Usage: npm run ${name}`);
      const [misused, usage] = await tool(name);
      expect(misused, usage).to.equal(2);
      expect(usage).to.include('name the folder').and.to.include(`Usage: npm run ${name}`);
    }
    const [refused, reason] = await tool('restore', folder);
    expect(refused, reason).to.equal(1);
    expect(reason).to.include('manifest.json does not exist').and.to.include('Nothing was changed.');
    const [backedUp, backupOutput] = await tool('backup', folder);
    expect(backedUp, backupOutput).to.equal(0);
    expect(backupOutput).to.include(`The backup is complete: ${folder}`);
    const [again, refusal] = await tool('backup', folder);
    expect(again, refusal).to.equal(1);
    expect(refusal).to.include('not empty').and.to.include('There is no backup.');
    const [restored, restoreOutput] = await tool('restore', folder);
    expect(restored, restoreOutput).to.equal(0);
    expect(restoreOutput).to.include('Now start the services again: npm start');
  });
});

function flipByte(path: string, at: number): void {
  const content = readFileSync(path);
  content.writeUInt8(content.readUInt8(at) ^ 1, at);
  writeFileSync(path, content);
}
