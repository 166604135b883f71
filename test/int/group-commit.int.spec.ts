// Group commit: one fsync for many, and one that fails costs only itself.

import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { type Database, openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import {
  type Failpoint,
  GroupCommit,
  type GroupParticipant,
  type Lane,
  type Result,
} from '../../shared/runtime/storage/group-commit.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

const schema = 'CREATE TABLE numbers (n INTEGER PRIMARY KEY, filling BLOB) STRICT;';

/** Takes part, and writes down what it sees. */
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
  const hits: Failpoint[] = [];
  const commit = new GroupCommit(db, clock, (point) => hits.push(point));
  commit.join(diary);
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
        if (results.has(n)) throw new Error(`${n} was called back twice`);
        results.set(n, result);
      },
    );
  return { db, clock, diary, hits, commit, results, submit };
}

function stored(db: Database): number[] {
  return db.prepare<[], number>('SELECT n FROM numbers ORDER BY n').pluck().all();
}

function expectTransientErrors(results: Map<number, Result<unknown>>, count: number): void {
  expect(results.size).to.equal(count);
  for (const result of results.values()) {
    if (result.ok) expect.fail('one was called back as stored');
    expect(result.error).to.be.instanceOf(TransientError);
    expect((result.error as TransientError).cause, 'what SQLite has said').to.be.instanceOf(Error);
  }
}

describe('a group commit', () => {
  afterEach(removeDatabases);

  it('does nothing before its turn, then everything in one transaction, in order', () => {
    const { db, clock, diary, results, submit, commit, hits } = open();
    for (const n of [3, 1, 2]) submit(n);
    expect(stored(db)).to.deep.equal([]);
    expect(commit.idle).to.equal(false);
    clock.turn();
    expect(stored(db)).to.deep.equal([1, 2, 3]);
    expect([...results.keys()]).to.deep.equal([3, 1, 2]);
    expect(diary.lines).to.deep.equal(['begin', 'committed']);
    expect(commit.idle).to.equal(true);
    expect(hits).to.deep.equal(['in-group', 'in-group', 'in-group', 'before-commit', 'after-commit']);
  });

  it('reports the size and the duration of each group that is on disk, and of no other', () => {
    const beforeMs = performance.now();
    const { db, clock, submit, commit } = open();
    const groups: { readonly size: number; readonly durationMs: number }[] = [];
    const end = commit.onWritten((group) => groups.push(group));
    for (const n of [1, 2, 3]) submit(n);
    clock.turn();
    db.pragma('query_only = 1');
    submit(4);
    clock.turnOnce();
    db.pragma('query_only = 0');
    submit(5);
    clock.turn();
    end();
    submit(6);
    clock.turn();
    expect(groups.map(({ size }) => size)).to.deep.equal([3, 1]);
    for (const { durationMs } of groups)
      expect(durationMs).to.be.within(Number.MIN_VALUE, performance.now() - beforeMs);
  });

  it('ends after the work with which it has taken 50 ms, and leaves the others, in order, to the next one', () => {
    const { db, clock, results, submit, commit } = open();
    const sizes: number[] = [];
    commit.onWritten(({ size }) => sizes.push(size));
    for (let n = 1; n <= 5; n += 1) submit(n, () => clock.advanceWithin(n === 3 ? 30 : 10));
    clock.turnOnce();
    expect(stored(db)).to.deep.equal([1, 2, 3]);
    expect(commit.idle).to.equal(false);
    submit(6);
    clock.turn();
    expect([...results.keys()]).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(sizes).to.deep.equal([3, 2, 1]);
  });

  it('calls each back with what its work returned', () => {
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
    expect(diary.lines).to.deep.equal(['begin', 'rolled back', 'begin', 'committed']);
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

  it('puts work that is submitted by work, or by a callback, into the next group', () => {
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

  it('tells its participants after each work whether it was kept', () => {
    const { clock, diary, submit, commit } = open();
    const kept: boolean[] = [];
    commit.join({ begin() {}, worked: (good) => kept.push(good), committed() {}, rolledBack() {} });
    submit(1);
    submit(2, () => {
      throw new Error('undone');
    });
    submit(3);
    clock.turn();
    // The first time without savepoints, up to the one that threw.
    expect(kept).to.deep.equal([true, ...[true, false, true]]);
    expect(diary.lines).to.deep.equal(['begin', 'rolled back', 'begin', 'committed']);
  });

  it('runs each work once when none fails, and once in the groups after one in which one has failed', () => {
    const { clock, submit } = open();
    const runs: number[] = [];
    const run = (id: number, fails = false) =>
      submit(id, () => {
        runs.push(id);
        if (fails) throw new Error('undone');
      });
    run(1);
    run(2);
    clock.turn();
    expect(runs.splice(0)).to.deep.equal([1, 2]);
    run(3);
    run(4, true);
    clock.turn();
    expect(runs.splice(0)).to.deep.equal([3, 4, 3, 4]);
    run(5);
    run(6, true);
    clock.turn();
    expect(runs).to.deep.equal([5, 6]);
  });

  it('has savepoints in 32 groups from the one in which a work has failed, and in the next none', () => {
    const { clock, submit } = open();
    let runs = 0;
    const fail = (n: number) =>
      submit(n, () => {
        runs += 1;
        throw new Error('undone');
      });
    fail(0);
    clock.turn();
    expect(runs, 'without, then with savepoints').to.equal(2);
    for (let group = 2; group <= 32; group += 1) {
      fail(group);
      clock.turn();
    }
    expect(runs).to.equal(2 + 31);
    fail(33);
    clock.turn();
    expect(runs).to.equal(2 + 31 + 2);
  });

  it('runs nothing and calls nobody back after it was closed', () => {
    const { db, clock, results, submit, commit } = open();
    submit(1);
    commit.close();
    submit(2);
    clock.advance(60_000);
    expect(stored(db)).to.deep.equal([]);
    expect(results.size).to.equal(0);
  });

  it('stores what still fits when the disk is full in the middle, and the rest once there is room', () => {
    const { db, clock, diary, results, submit } = open();
    db.pragma(`max_page_count = ${Number(db.pragma('page_count', { simple: true })) + 4}`);
    submit(1);
    submit(2, () => {}, 1_000_000);
    submit(3);
    clock.turn();
    expect([...results].map(([n, { ok }]) => [n, ok])).to.deep.equal([
      [1, true],
      [2, false],
      [3, true],
    ]);
    expect(stored(db)).to.deep.equal([1, 3]);
    expect(db.inTransaction).to.equal(false);
    const alone = ['begin', 'committed', 'begin', 'rolled back', 'begin', 'committed'];
    expect(diary.lines).to.deep.equal(['begin', 'rolled back', ...alone]);

    db.pragma('max_page_count = 1000000');
    submit(4, () => {}, 1_000_000);
    clock.turn();
    expect(stored(db)).to.deep.equal([1, 3, 4]);
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
    const kept = [...results].filter(([, { ok }]) => ok).map(([n]) => n);
    expect(stored(db)).to.deep.equal(kept);
    expect(results.size).to.equal(3);
    expect(db.inTransaction).to.equal(false);
  });

  it('fails as a whole when the database is read-only, and works again afterwards', () => {
    const { db, clock, diary, results, submit } = open();
    db.pragma('query_only = 1');
    for (const n of [1, 2]) submit(n);
    clock.turn();
    expectTransientErrors(results, 2);
    expect(diary.lines.at(-1)).to.equal('rolled back');
    db.pragma('query_only = 0');
    expect(stored(db)).to.deep.equal([]);
    submit(3);
    clock.turn();
    expect(stored(db)).to.deep.equal([3]);
  });

  it('undoes what its participants wrote when it fails', () => {
    const db = openDatabase(':memory:', [schema]);
    const clock = new HandClock();
    const commit = new GroupCommit(db, clock);
    commit.join({ begin: () => void db.exec('INSERT INTO numbers (n) VALUES (1)'), committed() {}, rolledBack() {} });
    commit.submit(
      () => {
        throw new TransientError('for now');
      },
      () => {},
    );
    clock.turn();
    expect(stored(db)).to.deep.equal([]);
  });

  it('calls nobody back when it crashes before the commit, and nothing is stored', () => {
    const db = openDatabase(':memory:', [schema]);
    const clock = new HandClock();
    const crash = new Error('crash');
    const commit = new GroupCommit(db, clock, (point) => {
      if (point === 'before-commit') throw crash;
    });
    let calledBack = false;
    commit.submit(
      () => db.exec('INSERT INTO numbers (n) VALUES (1)'),
      () => {
        calledBack = true;
      },
    );
    expect(() => clock.turn()).to.throw(crash);
    expect(calledBack).to.equal(false);
    expect(stored(db)).to.deep.equal([]);
  });
});

describe('the lanes of a group commit', () => {
  const lanesOf = (requests: number, events: number) => {
    const { clock, commit, diary } = open();
    const groups: string[][] = [];
    commit.join({ begin: () => groups.push([]), committed() {}, rolledBack() {} });
    for (let n = 0; n < events; n += 1)
      commit.submit(
        () => groups.at(-1)?.push('event'),
        () => {},
        'event',
      );
    for (let n = 0; n < requests; n += 1)
      commit.submit(
        () => groups.at(-1)?.push('request'),
        () => {},
        'request',
      );
    clock.turn();
    expect(diary.lines.filter((line) => line === 'committed')).to.have.lengthOf(groups.length);
    const count = (group: readonly string[], lane: string) => group.filter((one) => one === lane).length;
    return groups.map((group) => [count(group, 'request'), count(group, 'event')]);
  };

  it('put a request into the very next group, though 10,000 events wait', () => {
    const [first, second] = lanesOf(1, 10_000);
    expect(first).to.deep.equal([1, 255]);
    expect(second).to.deep.equal([0, 256]);
  });

  it('put an event into the very next group, though 10,000 requests wait', () => {
    const [first] = lanesOf(10_000, 1);
    expect(first).to.deep.equal([255, 1]);
  });

  it('are followed by a group of the rest, though nothing but requests waits', () => {
    expect(lanesOf(300, 0)).to.deep.equal([
      [256, 0],
      [44, 0],
    ]);
  });

  it('share a group half and half when both are full', () => {
    expect(lanesOf(300, 300)).to.deep.equal([
      [128, 128],
      [128, 128],
      [44, 44],
    ]);
  });
});

describe('a note in a group commit', () => {
  function withNotes() {
    const opened = open();
    const groups: string[][] = [];
    opened.commit.join({ begin: () => groups.push([]), committed() {}, rolledBack() {} });
    const put = (lane: Lane, count = 1) => {
      for (let n = 0; n < count; n += 1)
        opened.commit.submit(
          () => groups.at(-1)?.push(lane),
          () => {},
          lane,
        );
    };
    const sizes = () =>
      groups.map((group) => (['note', 'request', 'event'] as const).map((lane) => count(group, lane)));
    return { ...opened, groups, put, sizes };
  }

  function count(group: readonly string[], lane: Lane): number {
    return group.filter((one) => one === lane).length;
  }

  it('waits 25 ms for a group, and is then one by itself, with the notes that came meanwhile', () => {
    const { clock, commit, put, groups } = withNotes();
    put('note');
    clock.advance(10);
    put('note');
    clock.advance(14);
    expect(groups).to.deep.equal([]);
    expect(commit.idle).to.equal(false);
    clock.advance(1);
    expect(groups).to.deep.equal([['note', 'note']]);
    expect(commit.idle).to.equal(true);
    clock.advance(5);
    put('note');
    clock.advance(24);
    expect(groups, 'the next note waits as long').to.have.lengthOf(1);
    clock.advance(1_000);
    expect(groups).to.have.lengthOf(2);
  });

  it('joins the next group, ahead of what it has waited for, and the next note waits as long again', () => {
    const { clock, put, groups } = withNotes();
    put('note');
    clock.advance(20);
    put('event');
    clock.turn();
    expect(groups).to.deep.equal([['note', 'event']]);
    put('note');
    clock.advance(24);
    expect(groups).to.have.lengthOf(1);
    clock.advance(1);
    expect(groups).to.deep.equal([['note', 'event'], ['note']]);
  });

  it('joins a group that is due already without waiting', () => {
    const { clock, put, groups } = withNotes();
    put('event');
    put('note');
    clock.turn();
    expect(groups).to.deep.equal([['note', 'event']]);
  });

  it('has a quarter of a full group, and whatever the others leave', () => {
    const full = withNotes();
    full.put('note', 100);
    full.put('request', 300);
    full.put('event', 300);
    full.clock.turn();
    expect(full.sizes()).to.deep.equal([
      [64, 96, 96],
      [36, 110, 110],
      [0, 94, 94],
    ]);
    const roomy = withNotes();
    roomy.put('note', 300);
    roomy.put('request', 5);
    roomy.put('event', 5);
    roomy.clock.turn();
    expect(roomy.sizes()).to.deep.equal([[246, 5, 5]]);
    roomy.clock.advance(25);
    expect(roomy.sizes().at(-1), 'the rest, once it has waited').to.deep.equal([54, 0, 0]);
  });

  it('is not run after the close', () => {
    const { clock, commit, put, groups } = withNotes();
    put('note');
    commit.close();
    put('note');
    clock.advance(1_000);
    expect(groups).to.deep.equal([]);
  });
});

describe('a work that always meets a transient error', () => {
  const fails = () => {
    throw new TransientError('the temporary disk is full for this one');
  };

  it('fails alone: the others of its group are stored, each by itself, and called back once', () => {
    const { db, clock, commit, submit, results } = open();
    const sizes: number[] = [];
    commit.onWritten(({ size }) => sizes.push(size));
    submit(1);
    submit(2, fails);
    submit(3);
    clock.turn();
    expect(stored(db)).to.deep.equal([1, 3]);
    expect(sizes).to.deep.equal([1, 1]);
    expect([...results].map(([n, { ok }]) => [n, ok])).to.deep.equal([
      [1, true],
      [2, false],
      [3, true],
    ]);
    expect(commit.lastError, 'the last one was written').to.equal(undefined);
    expect(commit.idle).to.equal(true);
  });

  it('has the reason of its error', () => {
    const { clock, commit, submit, results } = open();
    submit(1);
    submit(2, fails);
    clock.turn();
    const result = results.get(2);
    if (!result || result.ok) throw new Error('it has not failed');
    expect(result.error)
      .to.be.instanceOf(TransientError)
      .with.property('message')
      .that.matches(/temporary disk/);
    expect(commit.lastError).to.match(/temporary disk/);
  });

  it('makes no group that comes later any smaller', () => {
    const { clock, commit, submit } = open();
    for (let n = 1; n <= 10; n += 1) submit(n, n % 2 === 0 ? fails : undefined);
    clock.turn();
    const sizes: number[] = [];
    commit.onWritten(({ size }) => sizes.push(size));
    for (const n of [11, 12, 13]) submit(n);
    clock.turn();
    expect(sizes).to.deep.equal([3]);
  });

  it('is tried before what comes later, which is not held up for longer than its group is long', () => {
    const { db, clock, submit } = open();
    for (let n = 1; n <= 100; n += 1) submit(n, n === 50 ? fails : undefined);
    clock.turnOnce();
    submit(101);
    for (let turns = 0; turns < 100; turns += 1) clock.turnOnce();
    expect(stored(db)).to.have.lengthOf(99).and.not.include(50);
    clock.turnOnce();
    expect(stored(db)).to.include(101);
  });

  it('does not hold up the others, however often all of them are submitted again', () => {
    const { db, clock, commit } = open();
    const insert = db.prepare('INSERT INTO numbers (n) VALUES (?)');
    let rounds = 0;
    const submitAgain = (run: () => void): void =>
      commit.submit(run, ({ ok }) => {
        rounds += 1;
        if (!ok && rounds < 1_000) submitAgain(run);
      });
    for (let n = 1; n <= 100; n += 1) submitAgain(() => (n === 50 ? fails() : insert.run(n)));
    // The failed group and each single work is a turn of its own.
    for (let turns = 0; turns < 101; turns += 1) clock.turnOnce();
    expect(stored(db)).to.have.lengthOf(99).and.not.include(50);
  });
});

describe('a group commit while another process holds the lock', () => {
  afterEach(removeDatabases);

  function locked() {
    const path = newDatabasePath();
    const opened = open(path);
    const other = new Sqlite(path);
    other.exec('BEGIN IMMEDIATE');
    return { ...opened, other, path };
  }

  it('waits without blocking, and stores everything in order once the lock is released', () => {
    const { db, clock, results, submit, commit, other } = locked();
    for (const n of [1, 2]) submit(n);
    clock.advance(700);
    submit(3);
    clock.advance(700);
    expect(results.size).to.equal(0);
    expect(commit.idle).to.equal(false);
    other.exec('COMMIT');
    clock.advance(15);
    expect(stored(db)).to.deep.equal([1, 2, 3]);
    expect([...results.keys()]).to.deep.equal([1, 2, 3]);
    expect(commit.idle).to.equal(true);
    expect(commit.lastError).to.equal(undefined);
  });

  it('gives up after a second and a half and not one millisecond earlier, on all that waits by then', () => {
    const { path, db, clock, results, submit, commit, other } = locked();
    for (let n = 1; n <= 300; n += 1) submit(n);
    clock.advance(1_499);
    expect(results.size, 'called back before').to.equal(0);
    clock.advance(1);
    expectTransientErrors(results, 300);
    expect(commit.lastError).to.match(/locked/);
    submit(301);
    clock.turn();
    expect(results.get(301)?.ok, 'what comes later is refused without waiting').to.equal(false);
    other.exec('COMMIT');
    other.close();
    submit(302);
    clock.turn();
    expect(stored(db)).to.deep.equal([302]);
    expect(commit.lastError).to.equal(undefined);

    const third = new Sqlite(path);
    third.exec('BEGIN IMMEDIATE');
    submit(303);
    clock.advance(700);
    third.exec('COMMIT');
    third.close();
    clock.advance(15);
    expect(results.get(303)?.ok, 'the next lock is waited for again').to.equal(true);
    db.close();
  });

  it('leaves nothing behind: after any number of groups that failed, all lanes share groups again, whatever keeps coming', () => {
    const { db, clock, commit, other } = locked();
    const insert = db.prepare('INSERT INTO numbers DEFAULT VALUES');
    let notesStored = 0;
    const put = (lane: Lane, count: number): void => {
      for (; count > 0; count -= 1)
        commit.submit(
          () => insert.run(),
          ({ ok }) => {
            if (lane === 'note' && ok) notesStored += 1;
          },
          lane,
        );
    };
    for (let failed = 0; failed < 10; failed += 1) {
      put('request', 3);
      clock.advance(1_500);
    }
    put('note', 500);
    put('event', 100);
    other.exec('COMMIT');
    for (let turns = 0; turns < 5; turns += 1) {
      put('request', 2);
      clock.turnOnce();
    }
    expect(notesStored).to.equal(500);
  });

  it('is not tried again after the close', () => {
    const { db, clock, results, submit, commit, other } = locked();
    submit(1);
    clock.turn();
    commit.close();
    other.exec('COMMIT');
    clock.advance(1_000);
    expect(stored(db)).to.deep.equal([]);
    expect(results.size).to.equal(0);
  });

  it('tries every 15 milliseconds, not in every turn of the event loop, also when more work arrives', () => {
    const { clock, diary, submit } = locked();
    for (let n = 1; n <= 300; n += 1) submit(n);
    clock.turn();
    submit(301);
    clock.turn();
    const attempts = () => diary.lines.filter((line) => line === 'rolled back').length;
    expect(attempts()).to.equal(1);
    clock.advance(150);
    expect(attempts()).to.equal(11);
  });
});
