// Opening a database: what is committed stays, and what cannot be used is refused with what to do.
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { inventoryService } from '../../inventory-service/service.ts';
import { orderService } from '../../order-service/service.ts';
import { paymentService } from '../../payment-service/service.ts';
import {
  isOfWholeDatabase,
  isTransient,
  openDatabase,
  TransientError,
  UnusableDatabaseError,
} from '../../shared/runtime/storage/database.ts';
import { findDamageInBackground } from '../../shared/runtime/storage/integrity-thread.ts';
import { newDatabasePath, removeDatabases, tablesOf } from '../support/files.ts';

const numbers = 'CREATE TABLE numbers (n INTEGER NOT NULL) STRICT;';
const services = [orderService, paymentService, inventoryService];

function refusal(path: string, migrations: readonly string[] = [numbers]): string {
  try {
    openDatabase(path, migrations).close();
  } catch (error) {
    expect(error).to.be.instanceOf(UnusableDatabaseError);
    return (error as Error).message;
  }
  return expect.fail('it was opened');
}

/** In the last page: that of an index that was made last. */
function flipLastBit(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** A file of many pages, all of them in use. */
function filled(afterwards = ''): string {
  const path = newDatabasePath();
  const db = openDatabase(path, [numbers]);
  const insert = db.prepare('INSERT INTO numbers VALUES (?)');
  db.transaction(() => {
    for (let n = 0; n < 20_000; n += 1) insert.run(n);
  })();
  db.exec(afterwards);
  db.close();
  return path;
}

describe('opening a database', () => {
  afterEach(removeDatabases);

  it('cuts the write-ahead log back to 64 MiB after a reader that has kept it from being emptied', () => {
    const path = newDatabasePath();
    const db = openDatabase(path, ['CREATE TABLE texts (text TEXT NOT NULL) STRICT']);
    const reader = new Sqlite(path, { readonly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM texts').get();
    const insert = db.prepare('INSERT INTO texts VALUES (?)');
    const mebibyte = 'x'.repeat(1024 * 1024);
    const logMiB = () => statSync(`${path}-wal`).size / 1024 / 1024;
    for (let n = 0; n < 70; n += 1) insert.run(mebibyte);
    expect(logMiB()).to.be.greaterThan(70);
    reader.close();
    // The first commit empties the log, the second one begins it anew.
    for (let n = 0; n < 2; n += 1) insert.run('');
    expect(logMiB()).to.be.at.most(64);
    db.close();
  });

  it('writes every commit through to the disk: WAL with synchronous FULL', () => {
    const db = openDatabase(newDatabasePath(), [numbers]);
    expect(db.pragma('journal_mode', { simple: true })).to.equal('wal');
    expect(db.pragma('synchronous', { simple: true })).to.equal(2);
    expect(db.pragma('foreign_keys', { simple: true })).to.equal(1);
    db.close();
  });

  it('does the same when the file was there before', () => {
    const path = newDatabasePath();
    openDatabase(path, [numbers]).close();
    const db = openDatabase(path, [numbers]);
    expect(db.pragma('synchronous', { simple: true })).to.equal(2);
    db.close();
  });

  it('runs each migration once, over any number of starts', () => {
    const path = newDatabasePath();
    const migrations = [numbers, 'INSERT INTO numbers VALUES (1);'];
    for (let start = 0; start < 3; start += 1) openDatabase(path, migrations).close();
    const db = openDatabase(path, [...migrations, 'INSERT INTO numbers VALUES (2);']);
    expect(db.prepare('SELECT n FROM numbers').pluck().all()).to.deep.equal([1, 2]);
    expect(db.pragma('user_version', { simple: true })).to.equal(3);
    db.close();
  });

  it('undoes all migrations of a start when one of them fails', () => {
    const path = newDatabasePath();
    openDatabase(path, [numbers]).close();
    expect(refusal(path, [numbers, 'INSERT INTO numbers VALUES (1);', 'NONSENSE;'])).to.match(/NONSENSE/);
    const db = openDatabase(path, [numbers]);
    expect(db.prepare('SELECT count(*) FROM numbers').pluck().get()).to.equal(0);
    db.close();
  });

  it('refuses a file that is one schema version newer than this program', () => {
    const path = newDatabasePath();
    openDatabase(path, [numbers, 'INSERT INTO numbers VALUES (1);']).close();
    expect(refusal(path))
      .to.match(/newer program \(schema 2; this one knows 1\)\. Start the newer version, or put back a backup/)
      .and.not.include('damaged');
  });

  it('refuses a file that is no database, names it, and names what to do', () => {
    const path = newDatabasePath();
    writeFileSync(path, 'not a database '.repeat(1_000));
    const message = refusal(path);
    expect(message)
      .to.include(path)
      .and.match(/put a backup in its place/);
    expect(readFileSync(path, 'utf8'), 'the file stays as it is').to.match(/^not a database/);
  });

  it('refuses a file of which a page in the middle is damaged', () => {
    const path = filled();
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, Math.floor(statSync(path).size / 4096 / 2) * 4096);
    closeSync(file);
    expect(refusal(path)).to.match(/backup/);
  });

  it('refuses a file of which the last page is cut off', () => {
    const path = filled();
    truncateSync(path, statSync(path).size - 4096);
    expect(refusal(path)).to.match(/backup/);
  });

  it('refuses a file of which one bit of an index is wrong, with all tables as they were', () => {
    const path = filled('CREATE INDEX by_n ON numbers (n);');
    flipLastBit(path);
    expect(refusal(path)).to.match(/damaged \(.*index by_n.*\).*put a backup in its place/);
  });

  it('reads a large file whole beside its use only: a thread of its own finds the damage', async () => {
    const path = filled('CREATE INDEX by_n ON numbers (n);');
    const open = () => openDatabase(path, [numbers], { checkedBytesMax: 4096 });
    const sound = open();
    expect(await findDamageInBackground(path)).to.equal(undefined);
    sound.close();
    flipLastBit(path);
    const damaged = open();
    expect(await findDamageInBackground(path)).to.match(/index by_n/);
    damaged.close();
  });

  it('refuses a file of another program, and leaves it as it is', () => {
    const path = newDatabasePath();
    const foreign = new Sqlite(path);
    foreign.exec('CREATE TABLE photos (name TEXT)');
    foreign.close();
    const before = readFileSync(path);
    expect(refusal(path)).to.match(/written by another program.*Set DATABASE_PATH/);
    expect(readFileSync(path).equals(before)).to.equal(true);

    const marked = newDatabasePath();
    const other = new Sqlite(marked);
    other.pragma('application_id = 252006675');
    other.close();
    expect(refusal(marked)).to.match(/written by another program/);
  });

  it('refuses the database of another service, and names it', () => {
    const path = newDatabasePath();
    openDatabase(path, orderService.migrations, { service: 'order-service' }).close();
    expect(() => openDatabase(path, paymentService.migrations, { service: 'payment-service' })).to.throw(
      UnusableDatabaseError,
      /it is the database of order-service, not of payment-service\. Set DATABASE_PATH/,
    );
    openDatabase(path, orderService.migrations, { service: 'order-service' }).close();
  });

  it('takes the database of an earlier version, which did not say whose it is', () => {
    const path = newDatabasePath();
    const earlier = openDatabase(path, paymentService.migrations.slice(0, 2));
    earlier.pragma('application_id = 0');
    earlier.close();
    openDatabase(path, paymentService.migrations, { service: 'payment-service' }).close();
  });

  it('says that another process has locked it, not that it is damaged, and that waiting may be enough', () => {
    const path = newDatabasePath();
    openDatabase(path, [numbers]).close();
    const other = new Sqlite(path);
    other.exec('BEGIN EXCLUSIVE; INSERT INTO numbers VALUES (1)');
    try {
      openDatabase(path, [numbers]).close();
      expect.fail('it was opened');
    } catch (error) {
      expect(error).to.be.instanceOf(UnusableDatabaseError).and.have.property('isTransient', true);
      expect((error as Error).message)
        .to.match(/Another process has locked it/)
        .and.not.match(/damaged|backup/);
    } finally {
      other.close();
    }
  });

  it('refuses a path that is a folder', () => {
    expect(refusal(dirname(newDatabasePath()))).to.match(/cannot use the database/);
  });

  for (const service of services)
    it(`gives ${service.name} STRICT tables only: text in a column of numbers is refused`, () => {
      const db = openDatabase(':memory:', service.migrations);
      const lax = db
        .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND strict = 0")
        .pluck()
        .all();
      expect(lax).to.deep.equal([]);
      expect(tablesOf(db)).to.include.members(['inbox', 'journal', 'outbox_marks', 'suspects', 'idempotency_keys']);
      expect(() =>
        db.prepare("INSERT INTO inbox (event_id, handled_at_ms) VALUES (x'00', 'yesterday')").run(),
      ).to.throw(/cannot store TEXT/);
      db.close();
    });
});

describe('a database that an earlier version has written', () => {
  afterEach(removeDatabases);

  /** Opens it with the first migrations only, runs the script, and opens it as it is now. */
  function carriedOver(service: { readonly migrations: readonly string[] }, versions: number, script: string) {
    const path = newDatabasePath();
    const earlier = openDatabase(path, service.migrations.slice(0, versions));
    earlier.exec(script);
    earlier.close();
    return openDatabase(path, service.migrations);
  }

  it('still lists the orders of each user, newest first, and those placed since before them', () => {
    const row = (id: string, user: string) => `('${id}', '${user}', 'pending', '[]', 1, 1, 1)`;
    const db = carriedOver(
      orderService,
      3,
      `INSERT INTO orders (order_id, user_id, status, items, total, placed_at_ms, deadline_at_ms)
       VALUES ${[row('1', 'ann'), row('2', 'bob'), row('3', 'ann'), row('5', 'ann')].join()}`,
    );
    const { store } = orderService.build(db);
    store.insert({ orderId: '6', userId: 'ann', items: [], total: 1, placedAtMs: 2, deadlineAtMs: 2 });
    const listed = (user: string) => store.ordersOf(user, 10)?.map(({ orderId }) => orderId);
    expect(listed('ann')).to.deep.equal(['6', '5', '3', '1']);
    expect(listed('bob')).to.deep.equal(['2']);
    db.close();
  });

  it('still lists the entries of each account, newest first, and those made since before them', () => {
    const db = carriedOver(
      paymentService,
      3,
      `INSERT INTO accounts (user_id, balance, blocked) VALUES ('ann', 3, 0), ('bob', 4, 0), ('eve', 0, 0);
       INSERT INTO ledger (user_id, kind, amount, balance_after, order_id, at_ms)
       VALUES ('ann', 'deposit', 1, 1, NULL, 1), ('bob', 'deposit', 4, 4, NULL, 1), ('ann', 'deposit', 2, 3, NULL, 1)`,
    );
    const { store } = paymentService.build(db);
    store.enter('ann', 'charge', -3, 'o', 2);
    const listed = (user: string) => store.entries(user, 10)?.map(({ amount, balanceAfter }) => [amount, balanceAfter]);
    expect(listed('ann')).to.deep.equal([
      [-3, 0],
      [2, 3],
      [1, 1],
    ]);
    expect(listed('bob')).to.deep.equal([[4, 4]]);
    expect(listed('eve')).to.deep.equal([]);
    db.close();
  });
});

describe('a transient error', () => {
  for (const code of ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'])
    it(`is what SQLite calls ${code} when it opens a database on a full disk: a later start may succeed`, () => {
      const cause = new Sqlite.SqliteError('no room', code);
      const error = new UnusableDatabaseError('orders.db', cause);
      expect(error.isTransient).to.equal(true);
      expect(error.message).to.match(/The disk is full: free some space/);
      expect(isOfWholeDatabase(cause)).to.equal(true);
    });

  it('is told from one that stays', () => {
    for (const code of ['SQLITE_FULL', 'SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_IOERR_WRITE', 'SQLITE_READONLY'])
      expect(isTransient(new Sqlite.SqliteError('', code)), code).to.equal(true);
    for (const code of ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CORRUPT', 'SQLITE_MISMATCH', 'SQLITE_NOTADB'])
      expect(isTransient(new Sqlite.SqliteError('', code)), code).to.equal(false);
    expect(isTransient(new TransientError('x'))).to.equal(true);
    expect(isTransient(new Error('SQLITE_FULL'))).to.equal(false);
    expect(isTransient(undefined)).to.equal(false);
  });
});
