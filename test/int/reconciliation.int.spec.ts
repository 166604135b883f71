// What the broker loses is found in the journal of its publisher, and handled once.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { paymentService } from '../../payment-service/service.ts';
import { choreography, type EventOf } from '../../shared/contract/choreography.ts';
import { encodeEvent } from '../../shared/contract/cloud-event.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import {
  fetchMax,
  JournalQueries,
  type JournalReader,
  type PutBack,
} from '../../shared/runtime/messaging/journal-queries.ts';
import { UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import { UnitsOfWork } from '../../shared/runtime/messaging/unit-of-work.ts';
import { runtimeSchema } from '../../shared/runtime/node/runtime-schema.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { Journal } from '../../shared/runtime/storage/journal.ts';
import { samples } from '../support/events.ts';
import type { Delivered } from '../support/fake-bus.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';
import { startPayments } from '../support/payment-node.ts';

const placed = samples['order.placed'];
/** An event is missed only after it was in the journal for this long. */
const onItsWayMs = 5_000;
const intervalMs = 10_000;
/** Long enough for a round that learns of the newest event, and one that misses it. */
const roundsMs = intervalMs + onItsWayMs;

/** Order-service's journal, with events that a test publishes, and what order-service learns from the questions. */
class Publisher implements JournalReader {
  readonly db: Database;
  readonly journal: Journal;
  readonly putBack: PutBack[] = [];
  readonly fetched: number[] = [];
  /** Size of each page that was fetched. */
  readonly pages: number[] = [];
  readonly asked = { digests: 0, ids: 0, lastAfter: 0 };
  unreachable = false;
  /** It does not say when events were written. */
  isEarlierVersion = false;
  /** Called when it learns that it was put back. */
  onPutBack: (found: PutBack) => void = () => {};
  readonly #clock: HandClock;
  readonly #units: UnitsOfWork;
  readonly #queries: JournalQueries;

  /** @param backup its database is put back from these bytes */
  constructor(clock: HandClock, backup?: Buffer) {
    this.#clock = clock;
    const path = backup ? newDatabasePath() : ':memory:';
    if (backup) writeFileSync(path, backup);
    this.db = openDatabase(path, [runtimeSchema.inboxAndOutbox, runtimeSchema.journal]);
    this.journal = new Journal(this.db);
    const commit = new GroupCommit(this.db, clock);
    commit.join(this.journal);
    const { journal } = this;
    this.#units = new UnitsOfWork({ contract: choreography, member: 'order-service', journal, commit, clock });
    this.#queries = new JournalQueries(journal, (found) => {
      this.putBack.push(found);
      this.onPutBack(found);
    });
  }

  /** Orders that differ in the last digits of their ids. */
  publish(...tails: readonly number[]): EventOf<'order.placed'>[] {
    const events: unknown[] = [];
    const cause = { causationId: 'request', traceparent: 'trace' };
    this.#units.submit(
      {
        lane: 'request',
        cause,
        run: (tx) => {
          for (const tail of tails) {
            const orderId = placed.orderId.slice(0, -6) + String(tail).padStart(6, '0');
            events.push(tx.publish({ type: 'order.placed', data: { ...placed, orderId } }));
          }
        },
      },
      () => {},
    );
    this.#clock.turn();
    return events as EventOf<'order.placed'>[];
  }

  /** The journal holds these events again, at the places where they were. */
  takeUp(events: readonly EventOf<'order.placed'>[]): void {
    const commit = this.db.transaction(() => {
      this.journal.begin();
      for (const event of events) {
        const { id: eventId, type, subject } = event;
        this.journal.append({ eventId, type, subject, body: encodeEvent(event) }, this.#clock.nowMs());
      }
    });
    commit();
  }

  /** The database as it is now. */
  backup(): Buffer {
    return this.db.serialize();
  }

  /** Retention deletes everything up to this position. */
  prune(upTo: number): void {
    this.db.transaction(() => this.journal.prune(upTo, Number.MAX_SAFE_INTEGER, 1_000))();
  }

  digests: JournalReader['digests'] = (query, done) => {
    this.asked.digests += 1;
    this.asked.lastAfter = query.after;
    this.#answer(() => {
      const answer = this.#queries.digests(query);
      if (!this.isEarlierVersion) return answer;
      const ranges = answer.ranges.map((range) => ({ ...range, writtenAtMs: undefined }));
      return { ...answer, anchorWrittenAtMs: undefined, ranges };
    }, done);
  };
  ids: JournalReader['ids'] = ({ after, until, types }, done) => {
    this.asked.ids += 1;
    this.#answer(() => this.#queries.ids(after, until, types), done);
  };
  events: JournalReader['events'] = (positions, done) => {
    this.fetched.push(...positions);
    this.pages.push(positions.length);
    this.#answer(() => this.#queries.events(positions), done);
  };

  #answer<T>(ask: () => T, done: (answer: T | Error) => void): void {
    this.#clock.soon(() => done(this.unreachable ? new Error('connect ECONNREFUSED') : ask()));
  }
}

interface StartOptions {
  readonly clock?: HandClock;
  readonly db?: Database;
  readonly publisher?: Publisher;
  readonly react?: (event: EventOf<'order.placed'>) => void;
}

/** Payment-service, which subscribes to this publisher. */
function start({ clock = new HandClock(), db, publisher = new Publisher(clock), react }: StartOptions = {}) {
  const errors: { fields: object; message: string }[] = [];
  const log = { ...silentLog, error: (fields: object, message: string) => void errors.push({ fields, message }) };
  // Its publisher may be replaced while it runs, as when a database is put back.
  const current = { publisher };
  const journals: Record<string, JournalReader> = {
    'order-service': {
      digests: (query, done) => current.publisher.digests(query, done),
      ids: (query, done) => current.publisher.ids(query, done),
      events: (positions, done) => current.publisher.events(positions, done),
    },
  };
  const run = startPayments({
    clock,
    log,
    journals,
    reconcileIntervalMs: intervalMs,
    ...(db ? { db } : {}),
    ...(react ? { react } : {}),
  });
  const status = () => {
    const found = run.node.reconciliation.status()['order-service'];
    if (!found) throw new Error('order-service is no publisher of payment-service');
    return found;
  };
  const known = (event: EventOf<'order.placed'>) => run.store.payment(event.data.orderId)?.status;
  return { ...run, current, publisher, status, known, errors };
}

describe('reconciliation', () => {
  afterEach(removeDatabases);

  it('fetches an event that the broker has lost, and handles it once, also when the broker brings it later', () => {
    const { clock, publisher, bus, status, known, node, balance } = start();
    const [lost] = publisher.publish(1);
    if (!lost) expect.fail('nothing was published');
    clock.advance(roundsMs);
    expect(known(lost)).to.equal('completed');
    expect(node.handler.tally).to.include({ reconciled: 1, handled: 1, duplicates: 0 });
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 1, head: 1, fetched: 1, unknown: 0 });
    const late = bus.deliverEvent(lost);
    clock.advance(10 * roundsMs);
    expect(late.acks()).to.equal(1);
    expect(balance()).to.equal(9 * placed.total);
    expect(node.handler.tally.duplicates).to.equal(1);
    expect(publisher.fetched).to.deep.equal([1]);
  });

  it('publishes what follows from a fetched event with the id that it would have had', () => {
    const { clock, publisher, answers } = start();
    const [lost] = publisher.publish(1);
    if (!lost) expect.fail('nothing was published');
    clock.advance(roundsMs);
    expect(answers()[0]?.messageId).to.equal(causedEventId(lost.id, 'payment-service', 'payment.completed'));
  });

  it('fetches nothing that has come, and only ids and events of ranges that differ', () => {
    const { clock, publisher, bus, status } = start();
    for (const event of publisher.publish(1, 2, 3)) bus.deliverEvent(event);
    clock.advance(10 * roundsMs);
    expect(publisher.fetched).to.deep.equal([]);
    expect(publisher.asked.ids).to.equal(0);
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3, fetched: 0 });
  });

  it('misses no event that was written less than five seconds ago', () => {
    const { clock, publisher, node } = start();
    publisher.publish(1);
    // A round learns of the event now.
    node.reconciliation.request();
    clock.advance(onItsWayMs - 1);
    expect(publisher.fetched).to.deep.equal([]);
    clock.advance(1);
    expect(publisher.fetched).to.deep.equal([1]);
  });

  it('does not fetch an event that may still be in the queue, and is behind until it has come', () => {
    const { clock, publisher, bus, status } = start();
    const [event] = publisher.publish(1);
    if (!event) expect.fail('nothing was published');
    bus.waiting = 1;
    clock.advance(3 * roundsMs);
    expect(publisher.fetched).to.deep.equal([]);
    expect(status().state).to.equal('behind');
    bus.waiting = 0;
    bus.deliverEvent(event);
    clock.advance(intervalMs);
    expect(publisher.fetched).to.deep.equal([]);
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 1, fetched: 0 });
  });

  it('fetches, in spite of a queue, what was published before something that has come', () => {
    const { clock, publisher, bus, status } = start();
    const [, second] = publisher.publish(1, 2, 3);
    if (!second) expect.fail('nothing was published');
    bus.waiting = 1;
    bus.deliverEvent(second);
    clock.advance(roundsMs);
    expect(publisher.fetched, 'the third may be in the queue').to.deep.equal([1]);
    expect(status().state).to.equal('behind');
  });

  it('does not fetch again what was dead-lettered, but a redrive is handled', () => {
    const { clock, publisher, bus, dead, store } = start({
      react: () => {
        if (isBroken) throw new Error('broken');
      },
    });
    let isBroken = true;
    const [event] = publisher.publish(1);
    if (!event) expect.fail('nothing was published');
    bus.deliverEvent(event);
    clock.advance(10 * roundsMs);
    expect(dead()).to.have.lengthOf(1);
    expect(publisher.fetched).to.deep.equal([]);
    isBroken = false;
    bus.deliverEvent(event);
    clock.advance(roundsMs);
    expect(store.payment(event.data.orderId)?.status).to.equal('completed');
  });

  it('dead-letters a fetched event that cannot be handled like one from the broker, and fetches it once', () => {
    const { clock, publisher, dead, status } = start({
      react: () => {
        throw new Error('broken');
      },
    });
    publisher.publish(1);
    clock.advance(10 * roundsMs);
    expect(dead().map(({ headers }) => headers?.['x-original-exchange'])).to.deep.equal(['order.events']);
    expect(publisher.fetched).to.deep.equal([1]);
    expect(status().state).to.equal('reconciled');
  });

  it('recognises what came without a position, as from a publisher of an earlier version', () => {
    const { clock, publisher, bus, status } = start();
    const [event] = publisher.publish(1);
    if (!event) expect.fail('nothing was published');
    bus.deliverEvent({ ...event, sequence: undefined });
    clock.advance(roundsMs);
    expect(publisher.fetched).to.deep.equal([]);
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 1 });
  });

  it('fetches 2,500 events page by page, each once', () => {
    const { clock, publisher, node, status } = start();
    for (let page = 0; page < 10; page += 1)
      publisher.publish(...Array.from({ length: 250 }, (_, n) => page * 250 + n));
    clock.advance(roundsMs);
    expect(publisher.fetched).to.deep.equal(Array.from({ length: 2_500 }, (_, n) => n + 1));
    expect(
      publisher.pages.every((size) => size <= fetchMax),
      'no page is larger than it may be',
    ).to.equal(true);
    expect(node.handler.tally).to.include({ reconciled: 2_500, handled: 2_500 });
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 2_500 });
  });

  it('begins a round as soon as deliveries begin again', () => {
    const { clock, publisher, bus } = start();
    publisher.publish(1);
    clock.advance(1);
    const before = publisher.asked.digests;
    bus.disconnect();
    bus.connect();
    clock.turn();
    expect(publisher.asked.digests).to.be.greaterThan(before);
  });

  it('is off for a publisher whose address is not known', () => {
    const { node } = start();
    expect(node.reconciliation.status()['inventory-service']?.state).to.equal('off');
  });

  it('recovers by itself when the journal could not be read for an hour', () => {
    const { clock, publisher, status, known } = start();
    publisher.unreachable = true;
    const [lost] = publisher.publish(1);
    if (!lost) expect.fail('nothing was published');
    clock.advance(3_600_000);
    expect(status()).to.deep.include({ state: 'unreachable', lastError: 'connect ECONNREFUSED' });
    publisher.unreachable = false;
    clock.advance(roundsMs);
    expect(known(lost)).to.equal('completed');
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 1 });
    expect(status().lastError).to.equal(undefined);
  });

  it('asks at most twice in an interval while the journal cannot be read', () => {
    const { clock, publisher } = start();
    publisher.unreachable = true;
    clock.advance(10 * intervalMs);
    const { digests } = publisher.asked;
    clock.advance(100 * intervalMs);
    expect(publisher.asked.digests - digests).to.be.within(100, 200);
  });

  it('goes on after a restart where it was', () => {
    const path = newDatabasePath();
    const first = start({ db: openDatabase(path, paymentService.migrations) });
    first.publisher.publish(1, 2);
    first.clock.advance(roundsMs);
    expect(first.status().reconciledUntil).to.equal(2);
    first.node.stop();
    first.db.close();
    const { clock, publisher } = first;
    const second = start({ db: openDatabase(path, paymentService.migrations), clock, publisher });
    expect(publisher.asked.lastAfter).to.equal(2);
    expect(second.status()).to.deep.include({ state: 'starting', reconciledUntil: 2 });
    publisher.publish(3);
    clock.advance(roundsMs);
    expect(second.status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3, fetched: 1 });
    second.node.stop();
    second.db.close();
  });

  it('has a publisher as starting until its journal is compared to where it ended when it was first read', () => {
    const path = newDatabasePath();
    const first = start({ db: openDatabase(path, paymentService.migrations) });
    first.publisher.publish(1);
    first.clock.advance(roundsMs);
    first.node.stop();
    first.db.close();
    const { clock, publisher } = first;
    publisher.publish(2, 3);
    const second = start({ db: openDatabase(path, paymentService.migrations), clock, publisher });
    clock.advance(onItsWayMs - 1);
    expect(second.status()).to.deep.include({ state: 'starting', reconciledUntil: 1, head: 3 });
    clock.advance(1);
    clock.turn();
    expect(second.status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3, fetched: 2 });
    second.node.stop();
    second.db.close();
  });

  it('has caught up once all that the journal held five seconds after the start was handled, and not before', () => {
    const { clock, publisher, node, known } = start();
    const [lost] = publisher.publish(1);
    clock.advance(onItsWayMs - 1);
    expect(node.reconciliation.caughtUp(), 'it may be on its way').to.equal(false);
    publisher.unreachable = true;
    clock.advance(10 * intervalMs);
    expect(node.reconciliation.caughtUp(), 'the journal could not be read since').to.equal(false);
    publisher.unreachable = false;
    clock.advance(10 * intervalMs);
    expect(lost && known(lost)).to.equal('completed');
    expect(node.reconciliation.caughtUp()).to.equal(true);
  });

  it('has caught up six seconds after the start with a journal that holds nothing new', () => {
    const { clock, publisher, db, node } = start();
    publisher.publish(1);
    clock.advance(10 * intervalMs);
    node.stop();
    const again = start({ clock, db, publisher });
    clock.advance(onItsWayMs);
    clock.advance(1_000);
    expect(again.node.reconciliation.caughtUp()).to.equal(true);
  });

  describe('with a publisher whose database was put back', () => {
    /** Three events are handled; then the publisher has only the first of them. */
    function putBack() {
      const run = start();
      const backup: Buffer[] = [];
      for (const tail of [1, 2, 3]) {
        for (const event of run.publisher.publish(tail)) run.bus.deliverEvent(event);
        if (tail === 1) backup.push(run.publisher.backup());
      }
      run.clock.advance(2 * roundsMs);
      expect(run.status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3 });
      const restored = new Publisher(run.clock, backup[0]);
      run.current.publisher = restored;
      return { ...run, restored };
    }

    it('notices, and lets the publisher know', () => {
      const { clock, restored, status, errors } = putBack();
      clock.advance(intervalMs);
      expect(restored.putBack[0]).to.deep.equal({ consumer: 'payment-service', seen: 3, head: 1 });
      expect(errors.map(({ message }) => message).join()).to.match(/put back to an earlier state/);
      clock.advance(roundsMs);
      expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 1, head: 1 });
    });

    it('fetches a new event though its position was that of another, and reports that one as unknown', () => {
      const { clock, restored, status, known } = putBack();
      const [fresh] = restored.publish(4);
      if (!fresh) expect.fail('nothing was published');
      clock.advance(2 * roundsMs);
      expect(known(fresh)).to.equal('completed');
      expect(status()).to.deep.include({ reconciledUntil: 2, fetched: 1, unknown: 1 });
    });

    it('notices also when the publisher has written as much as before in the meantime', () => {
      const { clock, restored, errors, known } = putBack();
      const fresh = restored.publish(4, 5);
      expect(restored.journal.head()).to.equal(3);
      clock.advance(2 * roundsMs);
      expect(restored.putBack).to.have.length.greaterThan(0);
      expect(errors.length).to.be.greaterThan(0);
      expect(fresh.map(known)).to.deep.equal(['completed', 'completed']);
    });

    it('reports it once, also after a restart of the consumer, when as much was written as before', () => {
      const { clock, restored, errors, db, node, bus } = putBack();
      restored.publish(4, 5);
      clock.advance(2 * roundsMs);
      const reports = restored.putBack.length;
      expect(errors.filter(({ message }) => /put back to an earlier state/.test(message))).to.have.lengthOf(1);
      node.stop();
      const second = start({ clock, db, publisher: restored });
      clock.advance(2 * roundsMs);
      expect(restored.putBack).to.have.lengthOf(reports);
      expect(second.errors).to.deep.equal([]);
      expect(bus.waiting).to.equal(0);
    });
  });

  describe('with a publisher that was put back to a copy younger than what has been compared', () => {
    /** One event is compared; then two more are handled, and compared as well if so wanted, and the publisher has only the first. */
    function putBackYoung({ compared = false } = {}) {
      const run = start();
      const [first] = run.publisher.publish(1);
      if (!first) expect.fail('nothing was published');
      run.bus.deliverEvent(first);
      run.clock.advance(2 * roundsMs);
      const backup = run.publisher.backup();
      const lost = run.publisher.publish(2, 3);
      for (const event of lost) run.bus.deliverEvent(event);
      run.clock.advance(compared ? 2 * roundsMs : 0);
      expect(run.status()).to.deep.include({ state: 'reconciled', reconciledUntil: compared ? 3 : 1 });
      const restored = new Publisher(run.clock, backup);
      run.current.publisher = restored;
      const putBackErrors = () => run.errors.filter(({ message }) => /put back to an earlier state/.test(message));
      return { ...run, restored, lost, putBackErrors };
    }

    it('notices in the next round, and lets the publisher know', () => {
      const { clock, restored, status, putBackErrors } = putBackYoung();
      clock.advance(intervalMs);
      expect(restored.putBack[0]).to.deep.equal({ consumer: 'payment-service', seen: 3, head: 1 });
      expect(putBackErrors().map(({ fields }) => fields)).to.deep.equal([
        { publisher: 'order-service', seen: 3, head: 1 },
      ]);
      expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 1, head: 1 });
    });

    it('notices also when the publisher has overtaken the copy before it is asked', () => {
      const { clock, bus, restored, status, known, errors } = putBackYoung();
      const fresh = restored.publish(4, 5, 6);
      for (const event of fresh) bus.deliverEvent(event);
      clock.advance(2 * roundsMs);
      expect(restored.putBack[0]).to.deep.include({ consumer: 'payment-service', seen: 3 });
      expect(errors.map(({ message }) => message).join()).to.match(/its database was put back/);
      expect(fresh.map(known)).to.deep.equal(['completed', 'completed', 'completed']);
      expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 4, unknown: 2 });
    });

    it('lets the publisher know of an overtaken copy before it corrects its own positions, so that a crash hides nothing', () => {
      const { clock, bus, restored, db, node, status } = putBackYoung();
      for (const event of restored.publish(4, 5, 6)) bus.deliverEvent(event);
      clock.turn();
      restored.onPutBack = () => node.stop();
      clock.advance(2 * roundsMs);
      expect(restored.putBack, 'the publisher has heard of it').to.have.lengthOf(1);
      expect(status().unknown).to.equal(0);
      const another = new Publisher(clock, restored.backup());
      const second = start({ clock, db, publisher: another });
      clock.advance(2 * roundsMs);
      expect(another.putBack).to.have.lengthOf(1);
      expect(second.status().unknown).to.equal(2);
    });

    it('is not noticed, and nothing is reported, when it publishes the same events again at the same places', () => {
      const { clock, restored, lost, errors, status } = putBackYoung();
      restored.takeUp(lost);
      clock.advance(2 * roundsMs);
      expect(restored.putBack).to.deep.equal([]);
      expect(errors).to.deep.equal([]);
      expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3, unknown: 0 });
    });

    it('notices also when another event came first and the one that was compared last is at its place again', () => {
      const { clock, bus, restored, lost, status, known, errors } = putBackYoung({ compared: true });
      const [, again] = lost;
      if (!again) expect.fail('nothing was lost');
      for (const event of restored.publish(4)) bus.deliverEvent(event);
      restored.takeUp([again]);
      clock.advance(2 * roundsMs);
      expect(errors[0]?.message).to.match(/put back to an earlier state/);
      expect(restored.putBack[0]).to.deep.include({ consumer: 'payment-service', seen: 2 });
      expect(known(again)).to.equal('completed');
      expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 3, unknown: 1 });
    });

    it('is not suspected when it is upgraded to a version that says when events were written, or goes back', () => {
      const { clock, publisher, bus, errors, status } = start();
      for (const isEarlierVersion of [true, false, true, false]) {
        publisher.isEarlierVersion = isEarlierVersion;
        clock.advance(2 * roundsMs);
        for (const event of publisher.publish(status().head)) bus.deliverEvent(event);
        clock.advance(2 * roundsMs);
      }
      expect(errors).to.deep.equal([]);
      expect(publisher.putBack).to.deep.equal([]);
      expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 4 });
    });

    it('reports it once, and what is not published again within a minute as unknown; not again after a restart', () => {
      const { clock, restored, status, putBackErrors, node, db } = putBackYoung();
      clock.advance(60_000);
      expect(status().unknown).to.equal(0);
      clock.advance(2 * intervalMs);
      expect(status()).to.deep.include({ state: 'reconciled', unknown: 2 });
      expect(putBackErrors()).to.have.lengthOf(1);
      node.stop();
      const restarted = new Publisher(clock, restored.backup());
      const second = start({ clock, db, publisher: restarted });
      clock.advance(2 * roundsMs);
      expect(restarted.putBack).to.deep.equal([]);
      expect(second.errors).to.deep.equal([]);
    });

    it('does not take what was dead-lettered for handled: a made-up position proves nothing', () => {
      const { clock, publisher, bus, errors } = start({
        react: () => {
          throw new Error('broken');
        },
      });
      const [event] = publisher.publish(1);
      if (!event) expect.fail('nothing was published');
      bus.deliverEvent({ ...event, id: event.id.replace(/.$/, 'f'), sequence: '0000000000000009' });
      clock.advance(10 * roundsMs);
      expect(publisher.putBack).to.deep.equal([]);
      expect(errors.filter(({ message }) => /put back/.test(message))).to.deep.equal([]);
    });
  });

  describe('with more events about something unknown than the broker hands over at once', () => {
    const prefetch = 300;

    /** Twice as many of them are in the queue, and then one that can be handled. */
    function fullOfUnknowns() {
      let isKnown = false;
      let good = '';
      const run = start({
        react: ({ data: { orderId } }) => {
          if (!isKnown && orderId !== good) throw new UnknownSubjectError(`order ${orderId} is not known here`);
        },
      });
      const unknown = run.publisher.publish(...Array.from({ length: 2 * prefetch }, (_, n) => n));
      const [last] = run.publisher.publish(9_999);
      if (!last) expect.fail('nothing was published');
      good = last.data.orderId;
      const queue = [...unknown, last];
      let unacked: Delivered[] = [];
      /** The broker hands over what the prefetch allows, for so long. */
      const passMs = (ms: number) => {
        for (let passedMs = 0; passedMs < ms; passedMs += 50) {
          unacked = unacked.filter((delivery) => delivery.acks() === 0);
          const next = queue.splice(0, prefetch - unacked.length);
          unacked.push(...next.map((event) => run.bus.deliverEvent(event)));
          run.bus.waiting = queue.length;
          run.clock.advance(50);
        }
      };
      return {
        ...run,
        unknown,
        last,
        passMs,
        becomeKnown: () => {
          isKnown = true;
        },
      };
    }

    it('has another event wait for less than two seconds, and handles each in the end', () => {
      const { unknown, last, passMs, known, becomeKnown, dead, node, status } = fullOfUnknowns();
      passMs(2_000);
      expect(known(last)).to.equal('completed');
      becomeKnown();
      passMs(4 * roundsMs);
      expect(unknown.filter((event) => known(event) === undefined)).to.deep.equal([]);
      expect(dead()).to.deep.equal([]);
      expect(node.handler.tally).to.include({ handled: unknown.length + 1, deferred: unknown.length });
      expect(status()).to.deep.include({ state: 'reconciled', fetched: unknown.length });
    });

    it('dead-letters each, once, when what they are about stays unknown', () => {
      const { unknown, passMs, dead, node, status } = fullOfUnknowns();
      passMs(15 * 60_000);
      expect(new Set(dead().map(({ headers }) => headers?.['x-cause']))).to.deep.equal(new Set(['unknown-subject']));
      expect(new Set(dead().map(({ headers }) => headers?.['x-original-message-id'])).size).to.equal(unknown.length);
      expect(node.handler.tally).to.include({ handled: 1, deadLettered: unknown.length });
      expect(status().state).to.equal('reconciled');
    });
  });

  it('compares a journal with another id from its beginning: the database was lost, not put back', () => {
    const { clock, publisher, bus, current, status, errors, known } = start();
    for (const event of publisher.publish(1, 2)) bus.deliverEvent(event);
    clock.advance(2 * roundsMs);
    const another = new Publisher(clock);
    current.publisher = another;
    const fresh = another.publish(3, 4, 5);
    clock.advance(2 * roundsMs);
    expect(errors[0]?.message).to.match(/another database than before/);
    expect(fresh.map(known)).to.deep.equal(['completed', 'completed', 'completed']);
    expect(status()).to.deep.include({ reconciledUntil: 3, fetched: 3, unknown: 2 });
  });

  it('reports what retention has deleted before it could be compared, and goes on with the rest', () => {
    const { clock, publisher, status, errors, known } = start();
    publisher.publish(1);
    clock.advance(2 * roundsMs);
    publisher.unreachable = true;
    const events = publisher.publish(2, 3, 4, 5);
    publisher.prune(3);
    publisher.unreachable = false;
    clock.advance(2 * roundsMs);
    expect(errors[0]?.message).to.match(/retention has deleted events/);
    expect(errors[0]?.fields).to.deep.include({ publisher: 'order-service', seen: 1, oldest: 4 });
    expect(events.map(known)).to.deep.equal([undefined, undefined, 'completed', 'completed']);
    expect(status()).to.deep.include({ state: 'reconciled', reconciledUntil: 5 });
  });
});
