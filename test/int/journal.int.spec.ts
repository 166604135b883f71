// The journal: every event once, in the order of their commits, at positions without a gap.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { type Database, openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { Inbox, inboxPositionsSchema, inboxSchema, reconciledTimeSchema } from '../../shared/runtime/storage/inbox.ts';
import { Journal, type JournalEntry, journalSchema, type NewEntry } from '../../shared/runtime/storage/journal.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

const scanMax = 10_000;

function open(db: Database = openDatabase(':memory:', [journalSchema])) {
  const clock = new HandClock();
  const journal = new Journal(db);
  const commit = new GroupCommit(db, clock);
  commit.join(journal);
  const appended: JournalEntry[] = [];
  journal.onAppended((entries) => appended.push(...entries));
  /** A work that appends these, then does what else it should. */
  const submit = (entries: readonly NewEntry[], then: () => void = () => {}) =>
    commit.submit(
      () => {
        for (const one of entries) journal.append(one, clock.nowMs());
        then();
      },
      () => {},
    );
  const write = (...entries: readonly NewEntry[]) => {
    submit(entries);
    clock.turn();
  };
  return {
    db,
    clock,
    journal,
    commit,
    appended,
    submit,
    write,
    positions: () => journal.after(0, 1_000_000).map(({ position }) => position),
  };
}

function entry(changes: Partial<NewEntry> = {}): NewEntry {
  return { eventId: uuidv7(), type: 'order.placed', subject: 'o1', body: Buffer.from('{}'), ...changes };
}

const deadLetter = { contentType: 'text/plain', headers: { 'x-cause': 'ä' } };

describe('the journal', () => {
  afterEach(removeDatabases);

  it('gives back the very entries that were appended, in their order, from position 1', () => {
    const { journal, write } = open();
    const [event, dead] = [entry(), entry({ type: 'a.dead-letters', body: Buffer.from([0, 255]), deadLetter })];
    expect([journal.head(), journal.oldest()]).to.deep.equal([0, 1]);
    write(event, dead);
    expect(journal.after(0, 10)).to.deep.equal([
      { ...event, position: 1 },
      { ...dead, position: 2 },
    ]);
    expect(journal.get(2)).to.deep.equal({ ...dead, position: 2 });
    expect(journal.get(3)).to.equal(undefined);
    expect([journal.eventIdAt(1), journal.eventIdAt(3)]).to.deep.equal([event.eventId, undefined]);
    expect([journal.head(), journal.oldest()]).to.deep.equal([2, 1]);
  });

  it('tells the position of the next entry before it is appended, also within one work', () => {
    const { journal, commit, clock } = open();
    const seen: number[] = [];
    commit.submit(
      () => {
        for (let count = 0; count < 3; count += 1) {
          seen.push(journal.nextPosition);
          journal.append(entry(), 0);
        }
      },
      () => {},
    );
    clock.turn();
    expect(seen).to.deep.equal([1, 2, 3]);
  });

  it('leaves no gap where a work was undone, in the same group and in the next one', () => {
    const { submit, clock, positions, appended, write } = open();
    submit([entry()]);
    submit([entry(), entry()], () => {
      throw new Error('undone');
    });
    submit([entry({ subject: 'after' })]);
    clock.turn();
    write(entry());
    expect(positions()).to.deep.equal([1, 2, 3]);
    expect(appended.map(({ position }) => position)).to.deep.equal([1, 2, 3]);
    expect(appended[1]?.subject).to.equal('after');
  });

  it('leaves no gap where a whole group was rolled back, and hands on nothing of it', () => {
    const { submit, clock, positions, appended, write } = open();
    write(entry());
    submit([entry()], () => {
      throw new TransientError('disk full');
    });
    submit([entry({ subject: 'first' }), entry({ subject: 'second' })]);
    // The group of both, then the first by itself.
    clock.turnOnce();
    clock.turnOnce();
    expect(positions()).to.deep.equal([1]);
    expect(appended).to.have.lengthOf(1);
    clock.turn();
    write(entry({ subject: 'third' }));
    expect(positions()).to.deep.equal([1, 2, 3, 4]);
    expect(appended.slice(1).map(({ position, subject }) => [position, subject])).to.deep.equal([
      [2, 'first'],
      [3, 'second'],
      [4, 'third'],
    ]);
  });

  it('goes on behind what another process on the same file has appended', () => {
    const path = newDatabasePath();
    const [one, other] = [open(openDatabase(path, [journalSchema])), open(openDatabase(path, [journalSchema]))];
    for (const { write } of [one, other, other, one]) write(entry());
    expect(one.positions()).to.deep.equal([1, 2, 3, 4]);
    expect(one.appended.map(({ position }) => position)).to.deep.equal([1, 4]);
    expect(other.appended.map(({ position }) => position)).to.deep.equal([2, 3]);
    expect(one.journal.journalId)
      .to.equal(other.journal.journalId)
      .and.to.match(/^[0-9a-f]{32}$/);
    one.db.close();
    other.db.close();
  });

  it('keeps its id through a restart, and has another one in another file', () => {
    const path = newDatabasePath();
    const first = open(openDatabase(path, [journalSchema]));
    const { journalId } = first.journal;
    first.db.close();
    const second = open(openDatabase(path, [journalSchema]));
    expect(second.journal.journalId).to.equal(journalId).and.not.to.equal(open().journal.journalId);
    second.db.close();
  });

  it('does not call a listener for a group in which nothing was appended', () => {
    const { journal, write } = open();
    const sizes: number[] = [];
    journal.onAppended((entries) => sizes.push(entries.length));
    write();
    write(entry(), entry());
    write();
    expect(sizes).to.deep.equal([2]);
  });

  it('knows when each entry was written', () => {
    const { journal, clock, write } = open();
    write(entry());
    const firstAtMs = clock.nowMs();
    clock.advance(1_000);
    write(entry());
    expect([1, 2, 3].map((position) => journal.writtenAtMs(position))).to.deep.equal([
      firstAtMs,
      firstAtMs + 1_000,
      undefined,
    ]);
  });

  it('hands nothing on to a listener that has unsubscribed', () => {
    const { journal, write } = open();
    let calls = 0;
    const unsubscribe = journal.onAppended(() => {
      calls += 1;
    });
    write(entry());
    unsubscribe();
    write(entry());
    expect(calls).to.equal(1);
  });
});

describe('a page of the journal', () => {
  const page = (
    { journal }: ReturnType<typeof open>,
    after: number,
    { until = Number.MAX_SAFE_INTEGER, limit = 100, scan = scanMax, ...filter } = {} as {
      until?: number;
      limit?: number;
      scan?: number;
      types?: string[];
      subject?: string;
    },
  ) => {
    const { events, next } = journal.events(
      { after, until, types: filter.types, subject: filter.subject },
      limit,
      scan,
    );
    return { positions: events.map(({ position }) => position), next };
  };

  function filled() {
    const opened = open();
    opened.write(
      entry(),
      entry({ type: 'order.confirmed' }),
      entry({ type: 'a.dead-letters', deadLetter }),
      entry({ subject: 'o2' }),
      entry({ type: 'order.cancelled', subject: 'o2' }),
    );
    return opened;
  }

  it('holds events and no dead letters', () => {
    expect(page(filled(), 0)).to.deep.equal({ positions: [1, 2, 4, 5], next: 5 });
  });

  it('ends at its limit, and the next one begins there', () => {
    const opened = filled();
    expect(page(opened, 0, { limit: 2 })).to.deep.equal({ positions: [1, 2], next: 2 });
    expect(page(opened, 2, { limit: 2 })).to.deep.equal({ positions: [4, 5], next: 5 });
    expect(page(opened, 5, { limit: 2 })).to.deep.equal({ positions: [], next: 5 });
    expect(page(opened, 0, { limit: 3 })).to.deep.equal({ positions: [1, 2, 4], next: 4 });
  });

  it('holds only what its filters let through', () => {
    const opened = filled();
    expect(page(opened, 0, { types: ['order.placed', 'order.cancelled'] }).positions).to.deep.equal([1, 4, 5]);
    expect(page(opened, 0, { subject: 'o2' }).positions).to.deep.equal([4, 5]);
    expect(page(opened, 0, { types: ['order.placed'], subject: 'o2' })).to.deep.equal({ positions: [4], next: 5 });
    expect(page(opened, 0, { types: ['order.eaten'] })).to.deep.equal({ positions: [], next: 5 });
  });

  it('ends at `until`, and never behind the journal or before its cursor', () => {
    const opened = filled();
    expect(page(opened, 0, { until: 2 })).to.deep.equal({ positions: [1, 2], next: 2 });
    expect(page(opened, 7)).to.deep.equal({ positions: [], next: 7 });
  });

  it('reads a bounded number of rows: an empty page moves its cursor on', () => {
    const opened = open();
    opened.write(...Array.from({ length: 100 }, () => entry()), entry({ subject: 'rare' }));
    const first = page(opened, 0, { subject: 'rare', scan: 40 });
    expect(first).to.deep.equal({ positions: [], next: 40 });
    const second = page(opened, first.next, { subject: 'rare', scan: 40 });
    expect(second).to.deep.equal({ positions: [], next: 80 });
    expect(page(opened, second.next, { subject: 'rare', scan: 40 })).to.deep.equal({ positions: [101], next: 101 });
  });
});

describe('the digest of a journal', () => {
  function pair() {
    const db = openDatabase(':memory:', [journalSchema, inboxSchema, inboxPositionsSchema, reconciledTimeSchema]);
    const opened = open(db);
    return { ...opened, inbox: new Inbox(db, ['order-service']) };
  }
  const types = ['order.placed', 'order.withdrawn'];

  it('equals that of an inbox with the same events, range by range, whatever the order of handling', () => {
    const { journal, inbox, write } = pair();
    const entries = Array.from({ length: 50 }, (_, n) =>
      entry({ type: ['order.placed', 'order.withdrawn', 'order.confirmed'][n % 3] ?? '' }),
    );
    write(...entries);
    const consumed = journal.ids(0, 50, types);
    for (const { position, eventId } of consumed.toReversed())
      inbox.accept({ id: eventId, source: 'order-service', position }, 0);
    for (const [after, until] of [
      [0, 50],
      [0, 10],
      [10, 50],
      [49, 50],
      [50, 50],
    ] as const)
      expect(inbox.digest('order-service', after, until), `${after} to ${until}`).to.deep.equal(
        journal.digest(after, until, types),
      );
    expect(journal.digest(0, 50, types).count).to.equal(consumed.length);
  });

  it('differs when one event is missing, and when one is another of the same position', () => {
    const { journal, inbox, write } = pair();
    write(entry(), entry(), entry());
    const accept = (position: number, id: string) => inbox.accept({ id, source: 'order-service', position }, 0);
    for (const position of [1, 3]) accept(position, journal.eventIdAt(position) ?? '');
    expect(inbox.digest('order-service', 0, 3)).to.not.deep.equal(journal.digest(0, 3, types));
    accept(2, uuidv7());
    expect(inbox.digest('order-service', 0, 3).count).to.equal(3);
    expect(inbox.digest('order-service', 0, 3).sum).to.not.equal(journal.digest(0, 3, types).sum);
  });

  it('does not count dead letters, or events of other types', () => {
    const { journal, write } = pair();
    write(entry({ type: 'a.dead-letters', deadLetter }), entry({ type: 'order.confirmed' }));
    expect(journal.digest(0, 2, types)).to.deep.equal({ count: 0, sum: 0 });
  });
});

describe('pruning the journal', () => {
  const minuteMs = 60_000;

  function aged() {
    const opened = open();
    for (let count = 0; count < 5; count += 1) {
      opened.write(entry());
      opened.clock.advance(minuteMs);
    }
    return { ...opened, startMs: opened.clock.nowMs() - 5 * minuteMs };
  }

  it('deletes the oldest first, and nothing that is not old enough', () => {
    const { journal, positions, startMs } = aged();
    expect(journal.prune(5, startMs, 10)).to.equal(0);
    expect(journal.prune(5, startMs + minuteMs, 10)).to.equal(1);
    expect(positions()).to.deep.equal([2, 3, 4, 5]);
    expect(journal.oldest()).to.equal(2);
  });

  it('deletes no more than it may at once', () => {
    const { journal, positions, clock } = aged();
    expect(journal.prune(5, clock.nowMs(), 2)).to.equal(2);
    expect(positions()).to.deep.equal([3, 4, 5]);
  });

  it('looks at no more than it may delete at once: a large journal of which nothing is old enough is not read', () => {
    const { journal, positions, startMs, clock, write } = aged();
    // The clock was set back: what comes last is the oldest by its time.
    clock.jump(-10 * minuteMs);
    write(entry());
    write(entry());
    expect(journal.prune(6, startMs, 5)).to.equal(0);
    expect(positions()).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
    expect(journal.prune(6, startMs, 6)).to.equal(1);
    expect(positions()).to.deep.equal([1, 2, 3, 4, 5, 7]);
  });

  it('deletes nothing above what is confirmed', () => {
    const { journal, positions, clock } = aged();
    expect(journal.prune(3, clock.nowMs(), 10)).to.equal(3);
    expect(positions()).to.deep.equal([4, 5]);
  });

  it('never deletes the newest, so that positions go on and are not given twice', () => {
    const { journal, positions, clock, write } = aged();
    expect(journal.prune(5, clock.nowMs() + minuteMs, 10)).to.equal(4);
    expect(journal.prune(5, clock.nowMs() + minuteMs, 10)).to.equal(0);
    expect(positions()).to.deep.equal([5]);
    write(entry());
    expect(positions()).to.deep.equal([5, 6]);
  });
});
