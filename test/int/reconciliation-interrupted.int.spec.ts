// A round of reconciliation that a failure or a stop interrupts: nothing is lost, and nothing goes on by itself.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { encodeEvent } from '../../shared/contract/cloud-event.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { Inbox } from '../../shared/runtime/storage/inbox.ts';
import { range } from '../support/hand-journal.ts';
import { orderOf } from '../support/payment-node.ts';
import {
  differ,
  intervalMs,
  newDatabase,
  onItsWayMs,
  type Run,
  source,
  startReconciling,
} from '../support/reconciling-payments.ts';

const away = new Error('connect ECONNREFUSED');
const refused = 'the database refuses it';

/** From now on no row of the inbox can be changed. */
function refuseChanges(db: Database): void {
  db.exec(`CREATE TRIGGER refused BEFORE UPDATE ON inbox BEGIN SELECT raise(ABORT, '${refused}'); END`);
}

describe('a journal that cannot be read, or a database that cannot be written, in the middle of a round', () => {
  it('ends it when it is asked about the newest handled event', () => {
    const { clock, bus, reconciliation, journal, answer, status } = startReconciling();
    answer();
    bus.deliverEvent(orderOf('1', 5));
    clock.turn();
    reconciliation.request();
    answer(away);
    expect([journal.open, status().lastError]).to.deep.equal([[], away.message]);
  });

  it('ends it when it is asked for ids or events, and the next round begins two seconds later', () => {
    for (const step of ['ids', 'events'] as const) {
      const run = startReconciling();
      differ(run);
      const { clock, journal, status, reconciliation } = run;
      if (step === 'ids') journal.answerIds(away);
      else {
        journal.answerIds([{ position: 1, eventId: uuidv7() }]);
        clock.turn();
        journal.answerEvents(away);
      }
      expect([reconciliation.idle, status().lastError], step).to.deep.equal([true, away.message]);
      expect(status(), step).to.deep.include({ reconciledUntil: 0, fetched: 0 });
      clock.advance(2_000);
      expect(journal.open, step).to.deep.equal(['digests']);
    }
  });

  it('ends it when positions cannot be corrected', () => {
    const run = startReconciling();
    const { clock, db, inbox, journal, status } = run;
    const eventId = uuidv7();
    db.transaction(() => inbox.accept({ id: eventId, source, position: undefined }, 0))();
    refuseChanges(db);
    differ(run);
    journal.answerIds([{ position: 1, eventId }]);
    clock.turn();
    expect(status()).to.deep.include({ reconciledUntil: 0, lastError: refused });
  });

  it('ends it when the events of a journal that is gone cannot be taken out', () => {
    const [publisher, db] = ['order-service.a', newDatabase()];
    const inbox = new Inbox(db, [publisher]);
    db.transaction(() => inbox.accept({ id: uuidv7(), source: publisher, position: 1 }, 0))();
    refuseChanges(db);
    const cursor = { journalId: 'old', position: 1, eventId: undefined, writtenAtMs: undefined };
    const { journal, answer, status } = startReconciling({ publisher, db, cursor });
    answer({ journalId: 'new', head: 1 });
    expect([journal.open, status().lastError]).to.deep.equal([[], refused]);
  });
});

describe('a stop in the middle of a round', () => {
  const eventId = uuidv7();

  /** What happens while it is stopped; the stop comes before the last step. */
  const steps: Readonly<Record<string, readonly ((run: Run) => void)[]>> = {
    'the ids are answered': [differ, ({ journal }) => journal.answerIds([{ position: 1, eventId }])],
    'the ids cannot be read': [differ, ({ journal }) => journal.answerIds(away)],
    'the positions are corrected': [
      differ,
      ({ journal }) => journal.answerIds([{ position: 1, eventId }]),
      ({ clock }) => clock.turn(),
    ],
    'the loss of an event would be noted': [
      (run) => {
        const { clock, db, inbox, journal, answer } = run;
        answer({ head: 1 });
        db.transaction(() => inbox.accept({ id: eventId, source, position: 1 }, 0))();
        clock.advance(onItsWayMs);
        answer({ head: 1, anchor: eventId });
        answer({ head: 1, ranges: [range(0, 1, { count: 1, sum: 1 })] });
        journal.answerIds([]);
        // The publisher gets to know first.
        journal.answer({ head: 1 });
      },
      ({ clock }) => clock.turn(),
    ],
    'the broker says how long the queue is': [
      (run) => {
        run.bus.backlog = (done) => run.clock.soon(() => done(0));
        differ(run);
        run.journal.answerIds([{ position: 1, eventId }]);
        run.clock.turnOnce();
      },
      ({ clock }) => clock.turn(),
    ],
    'the events cannot be read': [differ, missOne, ({ journal }) => journal.answerEvents(away)],
    'the events are answered': [
      differ,
      missOne,
      ({ journal }) => {
        const event = orderOf('1', 1);
        journal.answerEvents([{ position: 1, eventId: event.id, body: encodeEvent(event) }]);
      },
    ],
  };

  function missOne({ clock, journal }: Run): void {
    journal.answerIds([{ position: 1, eventId }]);
    clock.turn();
    expect(journal.open).to.deep.equal(['events']);
  }

  for (const [what, done] of Object.entries(steps))
    it(`asks for nothing more, and notes nothing, when ${what} after it`, () => {
      const run = startReconciling();
      for (const step of done.slice(0, -1)) step(run);
      const [asked, status, cursor] = [run.journal.asked.length, run.status(), run.cursor()];
      run.node.stop();
      done.at(-1)?.(run);
      run.clock.advance(10 * intervalMs);
      expect(run.journal.asked).to.have.lengthOf(asked);
      expect([run.status(), run.cursor()]).to.deep.equal([status, cursor]);
      expect(run.clock.pending, 'timers').to.equal(0);
    });

  it('leaves the cursor where it is when the last event that was fetched is handled after it', () => {
    const run = startReconciling();
    const event = orderOf('1', 1);
    differ(run);
    run.journal.answerIds([{ position: 1, eventId: event.id }]);
    run.clock.turn();
    run.journal.answerEvents([{ position: 1, eventId: event.id, body: encodeEvent(event) }]);
    run.clock.turnOnce();
    run.node.stop();
    run.clock.turn();
    expect(run.store.payment(event.data.orderId)?.status).to.equal('completed');
    expect(run.cursor().position).to.equal(0);
    expect(run.status().state).to.not.equal('reconciled');
  });

  it('takes no more events of a journal that is gone out of the comparison', () => {
    const publisher = 'order-service.a';
    const cursor = { journalId: 'old', position: 1, eventId: undefined, writtenAtMs: undefined };
    const run = startReconciling({ publisher, cursor });
    run.journal.answer({ journalId: 'new' });
    run.node.stop();
    run.clock.turn();
    expect(run.journal.open).to.deep.equal([]);
  });
});
