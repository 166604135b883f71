// When reconciliation asks, how often, and what it says of a publisher meanwhile. The journals answer when the test says so.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { paymentService } from '../../payment-service/service.ts';
import {
  type JournalDigests,
  JournalQueries,
  type JournalReader,
  type PutBack,
} from '../../shared/runtime/messaging/journal-queries.ts';
import { runtimeSchema } from '../../shared/runtime/node/runtime-schema.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { Inbox } from '../../shared/runtime/storage/inbox.ts';
import { Journal } from '../../shared/runtime/storage/journal.ts';
import { HandClock } from '../support/hand-clock.ts';
import { digests } from '../support/hand-journal.ts';
import { startPayments } from '../support/payment-node.ts';

const source = 'order-service';
const intervalMs = 60_000;
const onItsWayMs = 5_000;
const away = new Error('connect ECONNREFUSED');
type Answer = JournalDigests | Error;

/** Payment-service beside a journal that answers by hand. */
function start(publisher = source, answers?: () => Answer, db = openDatabase(':memory:', paymentService.migrations)) {
  const open: ((answer: Answer) => void)[] = [];
  const clock = new HandClock();
  let asked = 0;
  const reader: JournalReader = {
    digests: (_query, done) => {
      asked += 1;
      if (answers) clock.soon(() => done(answers()));
      else open.push(done);
    },
    ids: (_query, done) => done([]),
    events: (_positions, done) => done([]),
  };
  const run = startPayments({ clock, db, journals: { [publisher]: reader }, reconcileIntervalMs: intervalMs });
  const { reconciliation } = run.node;
  return {
    ...run,
    reconciliation,
    asked: () => asked,
    answer: (changes: Partial<JournalDigests> | Error = {}) => {
      const done = open.shift();
      if (!done) expect.fail('nothing is asked');
      done(changes instanceof Error ? changes : digests(changes));
      clock.turn();
    },
    status: () => reconciliation.status()[publisher],
  };
}

describe('a round of reconciliation', () => {
  it('ends before the next one begins, however often that is asked for meanwhile', () => {
    const { reconciliation, asked, answer } = start();
    expect([asked(), reconciliation.idle]).to.deep.equal([1, false]);
    for (let count = 0; count < 3; count += 1) reconciliation.request();
    expect(asked()).to.equal(1);
    answer();
    expect([asked(), reconciliation.idle]).to.deep.equal([2, false]);
    answer();
    expect([asked(), reconciliation.idle]).to.deep.equal([2, true]);
  });

  it('follows the one before after the interval, or after the last one that was asked for', () => {
    const { reconciliation, clock, asked, answer } = start();
    answer();
    clock.advance(intervalMs - 1);
    expect(asked()).to.equal(1);
    reconciliation.request();
    answer();
    clock.advance(intervalMs - 1);
    expect(asked()).to.equal(2);
    clock.advance(1);
    expect(asked()).to.equal(3);
  });

  it('begins at most every five seconds for events about something unknown', () => {
    const { reconciliation, clock, asked, answer } = start();
    answer();
    const soon = () => {
      reconciliation.requestSoon();
      if (asked() > soonAsked) answer();
      soonAsked = asked();
    };
    let soonAsked = asked();
    for (const waitMs of [0, 0, 4_999]) {
      clock.advance(waitMs);
      soon();
    }
    expect(asked()).to.equal(2);
    clock.advance(1);
    soon();
    expect(asked()).to.equal(3);
  });

  it('looks once more, five seconds after it has learned of new events, and once for all that it has learned', () => {
    const { reconciliation, clock, asked, answer } = start();
    answer({ head: 2 });
    reconciliation.request();
    answer({ head: 2 });
    reconciliation.request();
    answer({ head: 1 });
    clock.advance(onItsWayMs - 1);
    expect(asked()).to.equal(3);
    clock.advance(1);
    expect(asked()).to.equal(4);
    answer({ head: 2 });
    clock.advance(onItsWayMs);
    expect(asked()).to.equal(4);
  });

  it('comes no more often after an hour in which every one has learned of new events than after a minute', () => {
    let head = 0;
    const { clock, asked } = start(source, () => {
      head += 1;
      return digests({ head });
    });
    const inTenMinutes = () => {
      const before = asked();
      clock.advance(600_000);
      return asked() - before;
    };
    clock.advance(60_000);
    const first = inTenMinutes();
    expect(first, 'every five seconds, and after each interval').to.be.within(120, 130);
    clock.advance(3_600_000);
    expect(inTenMinutes()).to.be.within(first - 1, first + 1);
  });

  it('does not begin after a stop, and what is answered then changes nothing', () => {
    const { reconciliation, node, clock, asked, answer, status } = start();
    answer({ head: 2 });
    reconciliation.request();
    node.stop();
    answer({ head: 7 });
    expect(status()).to.deep.include({ head: 2 });
    reconciliation.request();
    reconciliation.requestSoon();
    clock.advance(10 * intervalMs);
    expect(asked()).to.equal(2);
    expect(clock.pending, 'timers').to.equal(0);
  });

  it('waits for nothing after a stop that comes while a journal cannot be read', () => {
    const { node, clock, asked, answer } = start();
    answer(away);
    node.stop();
    clock.advance(10 * intervalMs);
    expect([asked(), clock.pending]).to.deep.equal([1, 0]);
  });
});

describe('a journal that cannot be read', () => {
  it('is asked again after 2, 4, 8 seconds; its publisher is unreachable after the third failure in a row', () => {
    const { reconciliation, clock, asked, answer, status } = start();
    for (const delayMs of [2_000, 4_000]) {
      answer(away);
      expect([status()?.state, status()?.lastError]).to.deep.equal(['starting', away.message]);
      expect(reconciliation.isUnreachable(source)).to.equal(false);
      const before = asked();
      clock.advance(delayMs - 1);
      expect(asked()).to.equal(before);
      clock.advance(1);
      expect(asked()).to.equal(before + 1);
    }
    answer(away);
    expect(status()?.state).to.equal('unreachable');
    expect([source, 'inventory-service', 'no-service'].map((name) => reconciliation.isUnreachable(name))).to.deep.equal(
      [true, false, false],
    );
    clock.advance(8_000);
    answer();
    expect(status()).to.deep.equal({ state: 'reconciled', reconciledUntil: 0, head: 0, fetched: 0, unknown: 0 });
    clock.advance(intervalMs);
    answer(away);
    expect(status()?.state, 'one failure after a success').to.equal('reconciled');
  });

  it('is asked once when its time has come, also when rounds have failed in between', () => {
    const { reconciliation, clock, asked, answer } = start();
    answer(away);
    reconciliation.request();
    answer(away);
    clock.advance(3_999);
    expect(asked()).to.equal(2);
    clock.advance(1);
    expect(asked()).to.equal(3);
  });
});

describe('what is known of a journal', () => {
  it('begins with the oldest entry that retention has left, once it has answered', () => {
    const { reconciliation, answer } = start();
    expect([...reconciliation.oldest()]).to.deep.equal([]);
    answer({ head: 9, oldest: 7 });
    expect([...reconciliation.oldest()]).to.deep.equal([[source, 7]]);
  });

  it('is nothing where its address is not set', () => {
    const { reconciliation } = start();
    expect(reconciliation.status()['inventory-service']).to.deep.equal({
      state: 'off',
      reconciledUntil: 0,
      head: 0,
      fetched: 0,
      unknown: 0,
    });
  });

  it('is that of a new database when a named instance has lost its own: what only the old one held is no loss', () => {
    const instance = 'order-service.a';
    const db = openDatabase(':memory:', paymentService.migrations);
    const inbox = new Inbox(db, [instance]);
    db.transaction(() => {
      for (let position = 1; position <= 2_500; position += 1)
        inbox.accept({ id: uuidv7(), source: instance, position }, 0);
      inbox.setCursor(instance, { journalId: 'old', position: 2_500, eventId: undefined, writtenAtMs: undefined });
    })();
    expect(inbox.digest(instance, 0, 2_500).count).to.equal(2_500);
    const run = start(instance, () => digests({ journalId: 'new' }), db);
    run.clock.advance(intervalMs);
    expect(inbox.digest(instance, 0, 2_500).count).to.equal(0);
    expect(run.status()).to.deep.include({ state: 'reconciled', unknown: 0 });
    expect(inbox.cursor(instance)).to.deep.include({ journalId: 'new', position: 0, eventId: undefined });
  });
});

describe('the questions about a journal', () => {
  const type = 'order.placed';

  function journalOf(entries: number) {
    const clock = new HandClock();
    const db = openDatabase(':memory:', [runtimeSchema.inboxAndOutbox, runtimeSchema.journal]);
    const journal = new Journal(db);
    const commit = new GroupCommit(db, clock);
    commit.join(journal);
    for (let position = 1; position <= entries; position += 1)
      commit.submit(
        () => journal.append({ eventId: uuidv7(), type, subject: 'o1', body: Buffer.from('{}') }, 0),
        () => {},
      );
    clock.turn();
    const found: PutBack[] = [];
    const queries = new JournalQueries(journal, (putBack) => found.push(putBack));
    const ask = (after: number, anchor?: string, until = Number.MAX_SAFE_INTEGER) =>
      queries.digests({ consumer: 'c', types: [type], after, anchor, until });
    return { db, journal, queries, found, ask };
  }

  it('are answered by ranges of 1,000 positions without a gap, 20 at most, up to what was asked for', () => {
    const { journal, ask } = journalOf(2_500);
    expect(ask(0).ranges.map(({ after, until, count }) => [after, until, count])).to.deep.equal([
      [0, 1_000, 1_000],
      [1_000, 2_000, 1_000],
      [2_000, 2_500, 500],
    ]);
    expect(ask(10, undefined, 20).ranges).to.deep.equal([
      { after: 10, until: 20, ...journal.digest(10, 20, [type]), eventId: journal.eventIdAt(20), writtenAtMs: 0 },
    ]);
    expect(ask(2_500)).to.deep.equal({
      journalId: journal.journalId,
      head: 2_500,
      oldest: 1,
      anchor: journal.eventIdAt(2_500),
      anchorWrittenAtMs: 0,
      ranges: [],
    });
  });

  it('tell that the database was put back: the consumer has seen more than there is, or something else in its place', () => {
    const { journal, ask, found } = journalOf(3);
    for (const [after, anchor] of [
      [3, journal.eventIdAt(3)],
      [3, undefined],
      [0, undefined],
    ] as const)
      ask(after, anchor);
    expect(found).to.deep.equal([]);
    ask(4);
    ask(3, uuidv7());
    expect(found).to.deep.equal([
      { consumer: 'c', seen: 4, head: 3 },
      { consumer: 'c', seen: 3, head: 3 },
    ]);
  });

  it('do not tell so when retention has deleted what the consumer has seen last, and begin at what is left', () => {
    const { db, journal, ask, found } = journalOf(5);
    const second = journal.eventIdAt(2);
    db.transaction(() => journal.prune(3, 1, 10))();
    const { oldest, anchor, ranges } = ask(2, second);
    expect({ oldest, anchor, from: ranges[0]?.after, found }).to.deep.equal({
      oldest: 4,
      anchor: undefined,
      from: 3,
      found: [],
    });
    ask(4, uuidv7());
    expect(found).to.have.lengthOf(1);
  });

  it('bring ids and events of what is left, a bounded number of them, and no dead letters', () => {
    const { journal, queries } = journalOf(1_500);
    expect(queries.ids(0, 5_000, [type])).to.have.lengthOf(1_000);
    expect(queries.ids(0, 2, [type]).map(({ eventId }) => eventId)).to.deep.equal(
      [1, 2].map((at) => journal.eventIdAt(at)),
    );
    expect(queries.events(Array.from({ length: 300 }, (_, n) => n + 1))).to.have.lengthOf(200);
    expect(queries.events([1, 9_999]).map(({ position }) => position)).to.deep.equal([1]);
  });
});
