// Each step of a round of reconciliation: what it asks for, what it concludes, and what it writes.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { paymentService } from '../../payment-service/service.ts';
import { encodeEvent } from '../../shared/contract/cloud-event.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { Inbox, type ReconcileCursor } from '../../shared/runtime/storage/inbox.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';
import { HandJournal, range } from '../support/hand-journal.ts';
import { orderOf, startPayments } from '../support/payment-node.ts';
import {
  learnHead,
  newDatabase,
  onItsWayMs,
  type Run,
  source,
  startReconciling,
} from '../support/reconciling-payments.ts';

describe('the start of reconciliation', () => {
  const warnings = ({ logged }: Run) => logged.filter(({ message }) => message.startsWith('reconciliation is off'));

  it('warns of the publishers whose addresses are not set', () => {
    expect(warnings(startReconciling()).map(({ fields }) => fields)).to.deep.equal([
      { publishers: ['inventory-service'] },
    ]);
  });

  it('says nothing where all of them are', () => {
    expect(warnings(startReconciling({ journals: { 'inventory-service': new HandJournal() } }))).to.deep.equal([]);
  });

  it('is not needed for a stop, or for a round that is asked for before it', () => {
    const [clock, db, bus] = [new HandClock(), newDatabase(), new FakeBus()];
    const node = new ServiceNode(paymentService, { clock, db, bus, log: silentLog });
    node.stop();
    const another = new ServiceNode(paymentService, { clock, db, bus, log: silentLog });
    another.reconciliation.request();
    another.stop();
    expect(clock.pending).to.equal(0);
  });
});

describe('whether reconciliation brings an event', () => {
  it('is so only beyond what was compared, where it is known where the event stands and how to ask', () => {
    const { reconciliation } = startReconciling({
      cursor: { journalId: 'j', position: 2, eventId: undefined, writtenAtMs: undefined },
    });
    const brings = (publisher: string, position?: number) =>
      reconciliation.brings({ id: uuidv7(), source: publisher, position });
    expect([brings(source, 2), brings(source, 3)]).to.deep.equal([false, true]);
    expect(brings(source), 'no position').to.equal(false);
    expect(brings('inventory-service', 3), 'no address').to.equal(false);
    expect(brings('no-service', 3), 'no publisher').to.equal(false);
  });
});

describe('whether a service has caught up', () => {
  it('is clear after five seconds where no journal can be asked for', () => {
    const { node, clock } = startPayments();
    clock.advance(onItsWayMs - 1);
    expect(node.reconciliation.caughtUp()).to.equal(false);
    clock.advance(1);
    expect(node.reconciliation.caughtUp()).to.equal(true);
  });

  it('is not so while an event is missing that may still be in the queue', () => {
    const { reconciliation, clock, bus, journal, answer, status } = startReconciling();
    bus.waiting = 1;
    answer();
    clock.advance(onItsWayMs);
    reconciliation.request();
    answer({ head: 1 });
    clock.advance(onItsWayMs);
    answer({ head: 1, ranges: [range(0, 1, { count: 1, sum: 1 })] });
    journal.answerIds([{ position: 1, eventId: uuidv7() }]);
    clock.turn();
    expect(status().state).to.equal('behind');
    expect(reconciliation.caughtUp()).to.equal(false);
  });

  it('is not so while the newest events are still to be compared, though a round has found nothing', () => {
    const { reconciliation, clock, answer, status } = startReconciling();
    answer();
    clock.advance(onItsWayMs);
    reconciliation.request();
    answer({ head: 5 });
    clock.advance(onItsWayMs - 1);
    // This round asks for nothing new; while it does, the events of the journal become old enough.
    reconciliation.request();
    clock.advance(1);
    answer({ head: 5 });
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 0 });
    expect(reconciliation.caughtUp()).to.equal(false);
    answer({ head: 5, ranges: [range(0, 5)] });
    expect(reconciliation.caughtUp()).to.equal(true);
  });
});

describe('a round of reconciliation that compares', () => {
  it('goes through all ranges of an answer, and asks once more only when they end before the newest event', () => {
    const run = startReconciling();
    const { journal, answer, status } = run;
    learnHead(run, 30);
    const before = journal.asked.length;
    answer({ head: 30, ranges: [range(0, 10), range(10, 20)] });
    expect(journal.asked.slice(before)).to.have.lengthOf(1);
    expect(journal.asked.at(-1)?.query).to.deep.include({ after: 20, until: 30 });
    answer({ head: 30, ranges: [range(20, 30)] });
    expect(journal.open).to.deep.equal([]);
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 30 });
  });

  it('asks for the ids of a range of which it has less, though the sums are the same', () => {
    const run = startReconciling();
    learnHead(run, 1);
    run.answer({ head: 1, ranges: [range(0, 1, { count: 1 })] });
    expect(run.journal.open).to.deep.equal(['ids']);
  });

  it('goes on with the next range of the answer after one that differed', () => {
    const run = startReconciling();
    const { clock, journal, status } = run;
    learnHead(run, 20);
    const before = journal.asked.length;
    run.answer({ head: 20, ranges: [range(0, 10, { count: 1 }), range(10, 20)] });
    journal.answerIds([]);
    clock.turn();
    expect(journal.asked.slice(before).map(({ kind }) => kind)).to.deep.equal(['ids']);
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 20 });
  });

  it('asks the broker for the length of the queue only when something is missing', () => {
    const run = startReconciling();
    const { clock, bus, journal, inbox, db } = run;
    let questions = 0;
    const backlog = bus.backlog.bind(bus);
    bus.backlog = (done) => {
      questions += 1;
      backlog(done);
    };
    const event = orderOf('1');
    db.transaction(() => inbox.accept({ id: event.id, source, position: undefined }, 0))();
    learnHead(run, 2);
    run.answer({ head: 2, ranges: [range(0, 1, { count: 1, sum: 1 }), range(1, 2, { count: 1, sum: 1 })] });
    journal.answerIds([{ position: 1, eventId: event.id }]);
    clock.turn();
    expect(questions, 'it was handled, and only its place was not known').to.equal(0);
    journal.answerIds([{ position: 2, eventId: uuidv7() }]);
    clock.turn();
    expect(questions).to.equal(1);
  });

  it('does not fetch the newest event that has come while it is still in hand, and others wait in the queue', () => {
    const run = startReconciling({
      react: () => {
        throw new UnknownSubjectError('not known yet');
      },
    });
    const { clock, bus, journal, status } = run;
    const event = orderOf('1', 1);
    learnHead(run, 1);
    bus.waiting = 1;
    bus.deliverEvent(event);
    run.answer({ head: 1, ranges: [range(0, 1, { count: 1, sum: 1 })] });
    journal.answerIds([{ position: 1, eventId: event.id }]);
    clock.turn();
    expect(journal.asked.map(({ kind }) => kind)).to.not.include('events');
    expect(status().state).to.equal('behind');
  });

  it('has a publisher as behind while something is fetched', () => {
    const run = startReconciling();
    const { clock, bus, journal, status } = run;
    const [first, second] = [orderOf('1', 1), orderOf('2', 2)];
    learnHead(run, 2);
    bus.waiting = 1;
    bus.deliverEvent(second);
    run.answer({ head: 2, ranges: [range(0, 2, { count: 2, sum: 1 })] });
    journal.answerIds([
      { position: 1, eventId: first.id },
      { position: 2, eventId: second.id },
    ]);
    clock.turn();
    expect([journal.open, status().state]).to.deep.equal([['events'], 'behind']);
    journal.answerEvents([{ position: 1, eventId: first.id, body: encodeEvent(first) }]);
    clock.turn();
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 2, fetched: 1 });
  });
});

describe('a journal that is not what it was', () => {
  const cursor = { journalId: 'j', position: 3, eventId: 'e3', writtenAtMs: 7 };

  it('holds no more to wait for than it holds now', () => {
    const { clock, reconciliation, answer, status } = startReconciling();
    answer({ head: 5 });
    reconciliation.request();
    answer({ head: 3 });
    clock.advance(onItsWayMs);
    answer({ head: 3, ranges: [range(0, 3)] });
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3 });
  });

  it('is compared from its beginning, but for what may still be on its way', () => {
    const { journal, answer } = startReconciling({ cursor });
    answer({ journalId: 'another', head: 5 });
    expect(journal.asked.at(-1)?.query).to.deep.include({ after: 0, until: 0 });
  });

  it('keeps the events of a named instance that was put back in the comparison: they are lost', () => {
    const [publisher, db] = ['order-service.a', newDatabase()];
    const inbox = new Inbox(db, [publisher]);
    db.transaction(() => {
      for (const position of [1, 2]) inbox.accept({ id: uuidv7(), source: publisher, position }, 0);
    })();
    const { answer, clock } = startReconciling({ publisher, db, cursor: { ...cursor, position: 2 } });
    answer({ head: 1, anchor: undefined });
    clock.turn();
    expect(inbox.digest(publisher, 0, 2).count).to.equal(2);
  });

  it('is not said to have lost events to retention where it begins right after what was compared, or nothing was', () => {
    for (const [known, oldest] of [
      [cursor, 4],
      [undefined, 4],
    ] as const) {
      const { answer, errors } = startReconciling(known ? { cursor: known } : {});
      answer({ head: 9, oldest, anchor: undefined });
      expect(errors()).to.deep.equal([]);
    }
    const { answer, errors } = startReconciling({ cursor });
    answer({ head: 9, oldest: 5 });
    expect(errors().join()).to.match(/retention has deleted events/);
  });
});

describe('how far a journal was compared', () => {
  const known: ReconcileCursor = { journalId: 'j', position: 3, eventId: 'e3', writtenAtMs: 7 };
  const rangeUntil = ({ position, eventId, writtenAtMs }: ReconcileCursor, after: number) =>
    range(after, position, { eventId, writtenAtMs });

  it('is not written again by a round that has found nothing new', () => {
    const { node, clock, reconciliation, answer } = startReconciling({ cursor: known });
    let groups = 0;
    node.commit.join({
      begin: () => {
        groups += 1;
      },
      committed() {},
      rolledBack() {},
    });
    const same = { head: 3, anchor: 'e3', anchorWrittenAtMs: 7 };
    answer(same);
    reconciliation.request();
    answer(same);
    clock.turn();
    expect(groups).to.equal(0);
  });

  it('is written when the position alone is another one', () => {
    const now = { ...known, position: 4 };
    const run = startReconciling({ cursor: known });
    run.answer({ head: 4, anchor: 'e3', anchorWrittenAtMs: 7 });
    run.clock.advance(onItsWayMs);
    run.answer({ head: 4, anchor: 'e3', anchorWrittenAtMs: 7, ranges: [rangeUntil(now, 3)] });
    expect(run.cursor()).to.deep.equal(now);
  });

  const changes: readonly (readonly [string, Partial<ReconcileCursor>])[] = [
    ['the event there', { eventId: 'another' }],
    ['the time at which it was written', { writtenAtMs: 8 }],
    ['the journal', { journalId: 'another' }],
  ];
  for (const [what, change] of changes)
    it(`is written when ${what} alone is another one`, () => {
      const now = { ...known, ...change };
      const { journalId } = now;
      const [anchor, anchorWrittenAtMs] = [now.eventId, now.writtenAtMs];
      const { clock, answer, cursor } = startReconciling({ cursor: known });
      answer({ head: 3, anchor: 'e3', anchorWrittenAtMs: 7 });
      clock.advance(onItsWayMs);
      answer({ journalId: journalId ?? '', head: 3, anchor, anchorWrittenAtMs });
      // It starts over, and asks from the beginning.
      answer({ journalId: journalId ?? '', head: 3, ranges: [rangeUntil(now, 0)] });
      expect(cursor()).to.deep.equal(now);
    });
});
