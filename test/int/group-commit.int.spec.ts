// Group commit: one fsync for many, and one that fails costs only itself.

import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { type Database, openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import {
  type Failpoint,
  GroupCommit,
  type GroupParticipant,
  type Result,
} from '../../shared/runtime/storage/group-commit.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

const schema = 'CREATE TABLE numbers (n INTEGER PRIMARY KEY, filling BLOB) STRICT;';

/** Takes part, and writes down what it is told. */
class Diary implements GroupParticipant {
  readonly lines: string[] = [];
  begin(): void {
    this.lines.push('begin');
  }
  committed(): void {
    this.lines.push('committed');
  }
  rolledBack(): void {
    this.lines.push('rolled back');
  }
}

function open(path = ':memory:') {
  const db = openDatabase(path, [schema]);
  const clock = new HandClock();
  const diary = new Diary();
  const reached: Failpoint[] = [];
  const commit = new GroupCommit(db, clock, [diary], (point) => reached.push(point));
  const insert = db.prepare('INSERT INTO numbers (n, filling) VALUES (?, zeroblob(?))');
  const results = new Map<number, Result<unknown>>();
  /** Work that stores n, then does what else it is told. */
  const submit = (n: number, then: () => unknown = () => n, fillingBytes = 0) =>
    commit.submit(
      () => {
        insert.run(n, fillingBytes);
        return then();
      },
      (result) => {
        if (results.has(n)) throw new Error(`${n} was settled twice`);
        results.set(n, result);
      },
    );
  return { db, clock, diary, reached, commit, results, submit };
}

function stored(db: Database): number[] {
  return db.prepare<[], number>('SELECT n FROM numbers ORDER BY n').pluck().all();
}

function expectPassingFaults(results: Map<number, Result<unknown>>, count: number): void {
  expect(results.size).to.equal(count);
  for (const result of results.values()) {
    if (result.ok) expect.fail('one was told that it is stored');
    expect(result.error).to.be.instanceOf(TransientError);
  }
}

describe('a group commit', () => {
  afterEach(removeDatabases);

  it('does nothing before its turn, then everything in one transaction, in order', () => {
    const { db, clock, diary, results, submit, commit, reached } = open();
    for (const n of [3, 1, 2]) submit(n);
    expect(stored(db)).to.deep.equal([]);
    expect(commit.idle).to.equal(false);
    clock.turn();
    expect(stored(db)).to.deep.equal([1, 2, 3]);
    expect([...results.keys()]).to.deep.equal([3, 1, 2]);
    expect(diary.lines).to.deep.equal(['begin', 'committed']);
    expect(commit.idle).to.equal(true);
    expect(reached).to.deep.equal(['in-group', 'in-group', 'in-group', 'before-commit', 'after-commit']);
  });

  it('tells each what its work returned', () => {
    const { clock, results, submit } = open();
    submit(1, () => 'one');
    submit(2, () => undefined);
    clock.turn();
    expect(results.get(1)).to.deep.equal({ ok: true, value: 'one' });
    expect(results.get(2)).to.deep.equal({ ok: true, value: undefined });
  });

  it('stores 99 of 100 when the one in the middle throws after it has written', () => {
    const { db, clock, diary, results, submit } = open();
    const poison = new Error('poison');
    for (let n = 1; n <= 100; n += 1)
      submit(n, () => {
        if (n === 50) throw poison;
      });
    clock.turn();
    expect(stored(db)).to.have.lengthOf(99).and.not.include(50);
    expect(results.get(50)).to.deep.equal({ ok: false, error: poison });
    expect([...results.values()].filter(({ ok }) => ok)).to.have.lengthOf(99);
    expect(diary.lines).to.deep.equal(['begin', 'committed']);
  });

  it('stores 99 of 100 when one breaks a constraint of the database', () => {
    const { db, clock, results, submit, commit } = open();
    for (let n = 1; n <= 99; n += 1) submit(n);
    let duplicate: Result<unknown> | undefined;
    commit.submit(
      () => db.prepare('INSERT INTO numbers (n) VALUES (7)').run(),
      (result) => {
        duplicate = result;
      },
    );
    clock.turn();
    expect(stored(db)).to.have.lengthOf(99);
    expect(results.size).to.equal(99);
    expect(duplicate?.ok).to.equal(false);
  });

  it('takes 256 at most; the 257th comes with the next group', () => {
    const { db, clock, diary, submit } = open();
    for (let n = 1; n <= 257; n += 1) submit(n);
    clock.turn();
    expect(stored(db)).to.have.lengthOf(257);
    expect(diary.lines).to.deep.equal(['begin', 'committed', 'begin', 'committed']);
  });

  it('puts work that is submitted by work, or by an answer, into the next group', () => {
    const { db, clock, diary, submit, commit } = open();
    submit(1, () => submit(2));
    commit.submit(
      () => {},
      () => submit(3),
    );
    clock.turn();
    expect(stored(db)).to.deep.equal([1, 2, 3]);
    expect(diary.lines.filter((line) => line === 'begin').length).to.be.within(2, 3);
  });

  it('resolves or rejects as a promise', async () => {
    const { clock, commit } = open();
    const done = commit.run(() => 7);
    const failed = commit.run(() => {
      throw new Error('no');
    });
    clock.turn();
    expect(await done).to.equal(7);
    expect(await failed.catch((error: unknown) => String(error))).to.equal('Error: no');
  });

  it('fails as a whole when the disk is full in the middle, stores nothing, and works again once there is room', () => {
    const { db, clock, diary, results, submit } = open();
    db.pragma(`max_page_count = ${Number(db.pragma('page_count', { simple: true })) + 4}`);
    submit(1);
    submit(2, () => {}, 1_000_000);
    submit(3);
    clock.turn();
    expectPassingFaults(results, 3);
    expect(stored(db)).to.deep.equal([]);
    expect(db.inTransaction).to.equal(false);
    expect(diary.lines).to.deep.equal(['begin', 'rolled back']);

    db.pragma('max_page_count = 1000000');
    submit(4, () => {}, 1_000_000);
    clock.turn();
    expect(stored(db)).to.deep.equal([4]);
  });

  it('fails as a whole when the disk is full, even if the work that noticed keeps it to itself', () => {
    const { db, clock, results, submit } = open();
    db.pragma(`max_page_count = ${Number(db.pragma('page_count', { simple: true })) + 4}`);
    submit(1);
    submit(2, () => {
      try {
        db.prepare('INSERT INTO numbers (n, filling) VALUES (20, zeroblob(1000000))').run();
      } catch {
        // A reaction that swallows errors.
      }
    });
    submit(3);
    clock.turn();
    const told = [...results].filter(([, { ok }]) => ok).map(([n]) => n);
    expect(stored(db)).to.deep.equal(told);
    expect(results.size).to.equal(3);
    expect(db.inTransaction).to.equal(false);
  });

  it('fails as a whole when the database is read-only, and works again afterwards', () => {
    const { db, clock, diary, results, submit } = open();
    db.pragma('query_only = 1');
    for (const n of [1, 2]) submit(n);
    clock.turn();
    expectPassingFaults(results, 2);
    expect(diary.lines.at(-1)).to.equal('rolled back');
    db.pragma('query_only = 0');
    expect(stored(db)).to.deep.equal([]);
    submit(3);
    clock.turn();
    expect(stored(db)).to.deep.equal([3]);
  });

  it('fails as a whole while another process holds the lock, and works again afterwards', () => {
    const path = newDatabasePath();
    const { db, clock, diary, results, submit } = open(path);
    db.pragma('busy_timeout = 0');
    const other = new Sqlite(path);
    other.exec('BEGIN IMMEDIATE; INSERT INTO numbers (n) VALUES (100)');
    for (const n of [1, 2]) submit(n);
    clock.turn();
    expectPassingFaults(results, 2);
    expect(diary.lines, 'it never began').to.deep.equal(['rolled back']);
    other.exec('COMMIT');
    other.close();
    submit(3);
    clock.turn();
    expect(stored(db)).to.deep.equal([3, 100]);
    db.close();
  });

  it('compensates what its participants wrote when it fails', () => {
    const db = openDatabase(':memory:', [schema]);
    const clock = new HandClock();
    const commit = new GroupCommit(db, clock, [
      { begin: () => void db.exec('INSERT INTO numbers (n) VALUES (1)'), committed() {}, rolledBack() {} },
    ]);
    commit.submit(
      () => {
        throw new TransientError('for now');
      },
      () => {},
    );
    clock.turn();
    expect(stored(db)).to.deep.equal([]);
  });

  it('tells nobody anything when it crashes before the commit, and nothing is stored', () => {
    const db = openDatabase(':memory:', [schema]);
    const clock = new HandClock();
    const crash = new Error('crash');
    const commit = new GroupCommit(db, clock, [], (point) => {
      if (point === 'before-commit') throw crash;
    });
    let told = false;
    commit.submit(
      () => db.exec('INSERT INTO numbers (n) VALUES (1)'),
      () => {
        told = true;
      },
    );
    expect(() => clock.turn()).to.throw(crash);
    expect(told).to.equal(false);
    expect(stored(db)).to.deep.equal([]);
  });
});
