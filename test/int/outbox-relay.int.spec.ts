// The outbox and its relay: an entry counts as sent only when the broker has confirmed the message and routed it.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { OutboxRelay } from '../../shared/runtime/messaging/outbox-relay.ts';
import { runtimeSchema } from '../../shared/runtime/node/runtime-schema.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { type DeadLetterMark, Journal } from '../../shared/runtime/storage/journal.ts';
import { Outbox } from '../../shared/runtime/storage/outbox.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

const manyMs = 60_000;
/** The mark follows the confirms within this time. */
const markMs = 1_000;
const rescanMs = 30_000;
const deadLetterQueue = 'order-service.dead-letters';

function openFile(path = ':memory:'): Database {
  return openDatabase(path, [runtimeSchema.inboxAndOutbox, runtimeSchema.journal]);
}

interface RunOptions {
  readonly bus?: FakeBus;
  readonly clock?: HandClock;
}

/** One run of a service's relay over a database that may have been there before. Its messages are named `type#position`. */
function run(db = openFile(), { bus = new FakeBus(), clock = new HandClock() }: RunOptions = {}) {
  const journal = new Journal(db);
  const outbox = new Outbox(db, journal, uuidv7());
  const commit = new GroupCommit(db, clock);
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
  const relay = new OutboxRelay({
    journal,
    outbox,
    commit,
    bus,
    clock,
    log,
    exchange: 'order.events',
    deadLetterExchange: 'dead-letters',
    mandatory: (type) => type !== 'order.confirmed',
  });
  commit.join(journal);
  commit.join(relay.mark);
  bus.start({ delivered() {}, publishingChanged: () => relay.publishingChanged() });
  relay.start();
  const append = (type: string, bodyBytes: number, deadLetter?: DeadLetterMark) => {
    const body = Buffer.from(`${type}#${journal.nextPosition}`.padEnd(bodyBytes));
    journal.append({ eventId: uuidv7(), type, subject: 'o1', body, deadLetter }, clock.nowMs());
  };
  return {
    db,
    bus,
    clock,
    relay,
    journal,
    outbox,
    commit,
    warnings,
    append,
    /** Entries of one transaction, which commits. */
    write(
      count = 1,
      type = 'order.placed',
      { bodyBytes = 10, deadLetter = undefined as DeadLetterMark | undefined } = {},
    ): void {
      commit.submit(
        () => {
          for (let n = 0; n < count; n += 1) append(type, bodyBytes, deadLetter);
        },
        (result) => expect(result.ok, 'written').to.equal(true),
      );
      clock.turn();
    },
    sent: () => bus.published.map(({ message }) => message.body.toString().trim()),
    open: () => bus.open.map(({ message }) => message.body.toString().trim()),
    /** What a run that began now would publish. */
    left: () => [
      ...outbox.exceptionsAfter(0, 1_000).map(({ position }) => position),
      ...journal.after(outbox.confirmedUntil(), 1_000).map(({ position }) => position),
    ],
    exceptions: () => db.prepare<[], number>('SELECT position FROM outbox_exceptions').pluck().all(),
    /** The process is gone, without an orderly stop. */
    die(): void {
      relay.stop();
      commit.close();
      db.close();
    },
  };
}

function named(type: string, ...positions: number[]): string[] {
  return positions.map((position) => `${type}#${position}`);
}

describe('the relay', () => {
  afterEach(removeDatabases);

  it('publishes nothing before the commit, and everything right after it, in order', () => {
    const { bus, commit, append, clock, sent } = run();
    commit.submit(
      () => {
        for (let count = 0; count < 3; count += 1) append('order.placed', 10);
        expect(bus.published).to.have.lengthOf(0);
      },
      () => {},
    );
    clock.turn();
    expect(sent()).to.deep.equal(named('order.placed', 1, 2, 3));
  });

  it('publishes an event with its id, its subject and its type; mandatory unless nobody subscribes to it', () => {
    const { bus, write, journal } = run();
    write(1, 'order.placed');
    write(1, 'order.confirmed');
    const [placed, confirmed] = bus.published.map(({ message }) => message);
    expect(placed).to.include({
      exchange: 'order.events',
      routingKey: 'order.placed',
      messageId: journal.eventIdAt(1),
      contentType: 'application/cloudevents+json',
      correlationId: 'o1',
      mandatory: true,
    });
    expect(confirmed?.mandatory).to.equal(false);
  });

  it('publishes a dead letter to its own exchange, with its content type and headers', () => {
    const { bus, write } = run();
    const deadLetter = { contentType: 'application/octet-stream', headers: { 'x-cause': 'not-json' } };
    write(1, deadLetterQueue, { deadLetter });
    expect(bus.published[0]?.message).to.deep.include({
      exchange: 'dead-letters',
      routingKey: deadLetterQueue,
      mandatory: true,
      ...deadLetter,
    });
  });

  it('publishes nothing of work that was undone, and does not count it as waiting', () => {
    const { commit, append, relay, clock, sent } = run();
    commit.submit(
      () => {
        append('order.placed', 10);
        throw new Error('after it has published something');
      },
      () => {},
    );
    clock.advance(manyMs);
    expect(sent()).to.deep.equal([]);
    expect(relay.waiting).to.equal(0);
    expect(relay.drained).to.equal(true);
  });

  it('moves its mark on when an entry is confirmed, and not before', () => {
    const { write, left, bus, clock, relay } = run();
    write();
    clock.advance(manyMs);
    expect(left()).to.deep.equal([1]);
    expect(relay.drained).to.equal(false);
    bus.answerOpen('confirmed');
    expect(relay.drained).to.equal(true);
    clock.advance(markMs - 1);
    expect(left(), 'written lazily').to.deep.equal([1]);
    clock.advance(1);
    expect(left()).to.deep.equal([]);
  });

  it('publishes each entry once as long as all goes well, whatever is scanned meanwhile', () => {
    const { write, sent, bus, clock } = run();
    write(3);
    bus.answerOpen('confirmed');
    write(2);
    clock.advance(3 * manyMs);
    bus.answerOpen('confirmed');
    clock.advance(3 * manyMs);
    expect(sent()).to.deep.equal(named('order.placed', 1, 2, 3, 4, 5));
  });

  it('keeps its mark below the lowest entry that is not confirmed, though later ones are', () => {
    const { write, bus, left, clock, relay } = run();
    write(3);
    bus.published[2]?.answer('confirmed');
    bus.published[0]?.answer('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([2, 3]);
    expect([relay.waiting, relay.confirmedUntil]).to.deep.equal([1, 1]);
    bus.published[1]?.answer('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
    expect(relay.confirmedUntil).to.equal(3);
  });

  it('keeps what is unroutable, counts it, warns once, and delivers it in order once there is a queue', () => {
    const { write, bus, left, clock, relay, sent, warnings } = run();
    write(2);
    bus.answerOpen('unroutable');
    write(1);
    write(1, 'order.withdrawn');
    expect(relay.status()).to.deep.equal({ waiting: 4, unroutable: { 'order.placed': 3 } });
    bus.answerOpen('confirmed');
    for (let attempt = 0; attempt < 5; attempt += 1) {
      clock.advance(5_000);
      bus.answerOpen('unroutable');
    }
    clock.advance(markMs);
    expect(left()).to.deep.equal([1, 2, 3]);
    expect(warnings).to.have.lengthOf(1);
    expect(sent().slice(3), 'only the oldest is tried again')
      .to.include('order.placed#1')
      .and.not.include('order.placed#3');

    const before = bus.published.length;
    clock.advance(5_000);
    bus.answerOpen('confirmed');
    expect(sent().slice(before)).to.deep.equal(named('order.placed', 1, 2, 3));
    bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
    expect(relay.status()).to.deep.equal({ waiting: 0, unroutable: {} });
  });

  it('lets other routing keys pass while one is unroutable, and its mark with them: the rest are exceptions', () => {
    const { write, bus, sent, clock, exceptions, outbox } = run();
    write(2);
    bus.answerOpen('unroutable');
    write(1, 'order.withdrawn');
    expect(sent().at(-1)).to.equal('order.withdrawn#3');
    bus.published.at(-1)?.answer('confirmed');
    for (const retryMs of [200, 400]) {
      clock.advance(retryMs);
      bus.answerOpen('unroutable');
    }
    clock.advance(400);
    expect(outbox.confirmedUntil()).to.equal(3);
    expect(exceptions()).to.deep.equal([1, 2]);
  });

  it('tries what was nacked again, later and later, until it is confirmed', () => {
    const { write, bus, left, clock } = run();
    write();
    for (const delayMs of [200, 400, 800]) {
      bus.answerOpen('nacked');
      clock.advance(delayMs - 1);
      expect(bus.open, `open one millisecond before ${delayMs}`).to.have.lengthOf(0);
      clock.advance(1);
      expect(bus.open, `open after ${delayMs}`).to.have.lengthOf(1);
    }
    bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
  });

  it('tries what was due while there was no connection as soon as there is one, however often it was due', () => {
    const { write, bus, left, clock } = run();
    write();
    bus.answerOpen('nacked');
    bus.disconnect();
    clock.advance(60_000);
    expect(bus.open).to.have.lengthOf(0);
    bus.connect();
    expect(bus.open).to.have.lengthOf(1);
    bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
  });

  it('publishes what was lost again, in order, as soon as there is a connection', () => {
    const { write, bus, left, clock, sent } = run();
    write(3);
    bus.disconnect();
    write(1);
    clock.advance(manyMs);
    expect(sent()).to.have.lengthOf(3);
    bus.connect();
    expect(sent().slice(3)).to.deep.equal(named('order.placed', 1, 2, 3, 4));
    bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
  });

  it('publishes again what was lost, and not what was confirmed before the connection broke', () => {
    const { write, bus, sent } = run();
    write(3);
    bus.published[1]?.answer('confirmed');
    bus.disconnect();
    bus.connect();
    expect(sent().slice(3)).to.deep.equal(named('order.placed', 1, 3));
  });

  it('takes up what was unroutable when the connection broke meanwhile', () => {
    const { write, bus, left, clock, open } = run();
    write(2);
    bus.answerOpen('unroutable');
    bus.disconnect();
    clock.advance(manyMs);
    bus.connect();
    clock.advance(5_000);
    expect(open()).to.deep.equal(['order.placed#1']);
    bus.answerOpen('confirmed');
    bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
  });

  it('has 1,000 messages on the way at most; the 1,001st follows the first confirm', () => {
    const { write, bus, sent } = run();
    write(1_001);
    expect(bus.open).to.have.lengthOf(1_000);
    bus.published[0]?.answer('confirmed');
    expect(bus.open).to.have.lengthOf(1_000);
    expect(sent().at(-1)).to.equal('order.placed#1001');
  });

  it('has 8 MiB on the way at most, and one message more', () => {
    const { write, bus } = run();
    write(12, 'order.placed', { bodyBytes: 1024 * 1024 });
    expect(bus.open).to.have.lengthOf(9);
    bus.published[0]?.answer('confirmed');
    expect(bus.open).to.have.lengthOf(9);
    for (let rounds = 0; rounds < 12; rounds += 1) bus.answerOpen('confirmed');
    expect(bus.published).to.have.lengthOf(12);
  });

  it('publishes nothing while the broker has asked it to stop, and goes on when it may', () => {
    const { write, bus, relay } = run();
    bus.disconnect();
    write(2);
    relay.pump();
    expect(bus.published).to.have.lengthOf(0);
    expect(relay.waiting).to.equal(2);
    bus.connect();
    expect(bus.open).to.have.lengthOf(2);
  });

  it('writes its mark later when the database cannot be written, without publishing again', () => {
    const { write, left, bus, clock, db, sent } = run();
    write(2);
    bus.answerOpen('confirmed');
    db.pragma('query_only = 1');
    clock.advance(10_000);
    db.pragma('query_only = 0');
    expect(left()).to.deep.equal([1, 2]);
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
    expect(sent()).to.have.lengthOf(2);
  });

  it('publishes nothing and marks nothing after it was stopped', () => {
    const { write, left, relay, clock, bus } = run();
    write();
    relay.stop();
    bus.answerOpen('confirmed');
    write();
    clock.advance(manyMs);
    expect(left()).to.deep.equal([1, 2]);
    expect(bus.published).to.have.lengthOf(1);
  });
});

describe('the relay after a restart', () => {
  afterEach(removeDatabases);

  it('publishes only what is above the mark, in order', () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    first.write(3);
    first.bus.published[0]?.answer('confirmed');
    first.clock.advance(markMs);
    first.die();

    const second = run(openFile(path));
    expect(second.sent()).to.deep.equal(named('order.placed', 2, 3));
    expect(second.relay.waiting).to.equal(2);
    second.bus.answerOpen('confirmed');
    second.clock.advance(markMs);
    expect(second.left()).to.deep.equal([]);
    expect(second.relay.drained).to.equal(true);
    second.die();
  });

  it('knows the oldest entry that waits, before it can publish and while it does', () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    expect(first.relay.oldestWaiting).to.equal(undefined);
    first.write(3);
    expect(first.relay.oldestWaiting).to.equal(1);
    first.bus.published[0]?.answer('confirmed');
    expect(first.relay.oldestWaiting).to.equal(2);
    first.clock.advance(markMs);
    first.die();

    const bus = new FakeBus();
    bus.disconnect();
    const second = run(openFile(path), { bus });
    expect(second.relay.oldestWaiting).to.equal(2);
    bus.connect();
    bus.published[0]?.answer('confirmed');
    expect(second.relay.oldestWaiting).to.equal(3);
    bus.answerOpen('confirmed');
    expect(second.relay.oldestWaiting).to.equal(undefined);
    second.die();
  });

  it('knows that an exception is the oldest entry that waits', () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    first.write();
    first.bus.answerOpen('unroutable');
    first.write(1, 'order.withdrawn');
    first.bus.published.at(-1)?.answer('confirmed');
    for (const retryMs of [200, 400]) {
      first.clock.advance(retryMs);
      first.bus.answerOpen('unroutable');
    }
    first.clock.advance(400);
    expect(first.exceptions()).to.deep.equal([1]);
    first.die();

    const bus = new FakeBus();
    bus.disconnect();
    const second = run(openFile(path), { bus });
    expect(second.relay.oldestWaiting).to.equal(1);
    second.die();
  });

  it('publishes again what was confirmed but is not below the mark yet: twice is harmless, never is not', () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    first.write();
    first.bus.answerOpen('confirmed');
    first.die();
    const second = run(openFile(path));
    expect(second.sent()).to.deep.equal(['order.placed#1']);
    second.die();
  });

  it('publishes nothing again after an orderly stop, which writes the mark', async () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    first.write(2);
    first.bus.answerOpen('confirmed');
    const marked = first.relay.mark.write();
    first.clock.turn();
    await marked;
    first.die();
    const second = run(openFile(path));
    expect(second.sent()).to.deep.equal([]);
    expect(second.relay.drained).to.equal(true);
    second.die();
  });

  it('publishes the exceptions first, then what is above the mark, and removes the ones that get through', () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    first.write(2);
    first.bus.answerOpen('unroutable');
    first.write(1, 'order.withdrawn');
    first.bus.published.at(-1)?.answer('confirmed');
    for (const retryMs of [200, 400]) {
      first.clock.advance(retryMs);
      first.bus.answerOpen('unroutable');
    }
    first.clock.advance(400);
    first.bus.disconnect();
    first.write(1, 'order.withdrawn');
    first.die();

    const second = run(openFile(path));
    expect(second.relay.waiting).to.equal(3);
    expect(second.sent()).to.deep.equal([...named('order.placed', 1, 2), 'order.withdrawn#4']);
    second.bus.answerOpen('confirmed');
    second.clock.advance(markMs);
    expect(second.exceptions()).to.deep.equal([]);
    expect(second.left()).to.deep.equal([]);
    second.die();
  });

  it('publishes nothing a second time because of the mark of the run before, whatever is scanned', () => {
    const path = newDatabasePath();
    const first = run(openFile(path));
    first.write(2);
    first.bus.answerOpen('confirmed');
    first.clock.advance(markMs);
    first.die();
    const second = run(openFile(path));
    for (let rounds = 0; rounds < 10; rounds += 1) {
      second.write(3);
      second.bus.answerOpen('confirmed');
      second.clock.advance(10_000);
    }
    expect(second.sent()).to.have.lengthOf(30);
    expect(new Set(second.sent()).size).to.equal(30);
    expect(second.left()).to.deep.equal([]);
    second.die();
  });
});

describe('the relays of two processes on one file', () => {
  afterEach(removeDatabases);

  function pair() {
    const path = newDatabasePath();
    const clock = new HandClock();
    const start = () => run(openFile(path), { clock });
    const [one, other] = [start(), start()];
    // Each begins by taking on what it finds; from then on it leaves to the other what that one writes.
    for (const { write, bus } of [one, other]) {
      write();
      bus.answerOpen('confirmed');
    }
    clock.advance(markMs);
    return { clock, start, one, other, sentSince: sentSince(one, other) };
  }

  function sentSince(...runs: readonly ReturnType<typeof run>[]) {
    const before = new Map(runs.map((one) => [one, one.sent().length]));
    return (one: ReturnType<typeof run>) => one.sent().slice(before.get(one));
  }

  it('publish what each has written itself, once each, as long as both live', () => {
    const { clock, one, other, sentSince } = pair();
    for (let rounds = 0; rounds < 12; rounds += 1) {
      for (const { write, bus } of [one, other]) {
        write();
        bus.answerOpen('confirmed');
      }
      clock.advance(10_000);
    }
    expect(sentSince(one)).to.have.lengthOf(12);
    expect(sentSince(other)).to.have.lengthOf(12);
    expect(new Set([...sentSince(one), ...sentSince(other)]).size).to.equal(24);
    expect(one.left()).to.deep.equal([]);
    one.die();
    other.die();
  });

  it('publish nothing again because one of them has nothing to do', () => {
    const { clock, one, other, sentSince } = pair();
    for (let rounds = 0; rounds < 12; rounds += 1) {
      one.write();
      one.bus.answerOpen('confirmed');
      clock.advance(10_000);
    }
    expect(sentSince(one)).to.have.lengthOf(12);
    expect(sentSince(other), 'of the one that is idle').to.deep.equal([]);
    expect(one.relay.drained).to.equal(true);
    one.die();
    other.die();
  });

  it('take over from one that died: what it had not published is published within a minute, in order', () => {
    const { clock, one, other, sentSince } = pair();
    one.bus.disconnect();
    one.write(3);
    other.write();
    other.bus.answerOpen('confirmed');
    one.die();
    clock.advance(2 * rescanMs);
    expect(sentSince(other)).to.deep.equal(named('order.placed', 6, 3, 4, 5));
    other.bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(other.left()).to.deep.equal([]);
    expect(other.relay.drained).to.equal(true);
    other.die();
  });

  it('lose nothing when one dies before its first mark, and the other is restarted before it has noticed', () => {
    const { clock, start, one, other } = pair();
    const third = start();
    third.bus.disconnect();
    third.write(1, 'order.withdrawn');
    third.die();
    other.write();
    other.bus.answerOpen('confirmed');
    clock.advance(markMs);
    one.die();
    other.die();
    const last = start();
    expect(last.sent()).to.include('order.withdrawn#3');
    last.die();
  });

  it('lose nothing when one is started, and dies, before the other has written anything at all', () => {
    const path = newDatabasePath();
    const clock = new HandClock();
    const [one, other] = [run(openFile(path), { clock }), run(openFile(path), { clock })];
    one.bus.disconnect();
    one.write();
    one.die();
    other.write();
    expect(other.sent()).to.deep.equal(named('order.placed', 1, 2));
    other.die();
  });

  it('lose nothing when the one that has taken over dies before the broker has confirmed', () => {
    const { clock, start, one, other } = pair();
    one.bus.disconnect();
    one.write();
    other.write();
    other.bus.answerOpen('confirmed');
    clock.advance(markMs);
    one.die();
    clock.advance(2 * rescanMs);
    expect(other.open()).to.deep.equal(['order.placed#3']);
    clock.advance(markMs);
    other.die();
    const third = start();
    expect(third.sent()).to.include('order.placed#3');
    third.die();
  });
});

describe('the outbox of an earlier version', () => {
  afterEach(removeDatabases);

  it('is carried over into the journal: what was unsent is published, with the same ids, bodies and headers', () => {
    const path = newDatabasePath();
    const earlier = openDatabase(path, [runtimeSchema.inboxAndOutbox]);
    const insert = earlier.prepare(
      `INSERT INTO outbox (exchange, routing_key, message_id, content_type, mandatory, correlation_id, headers, body, written_at_ms)
       VALUES (?, ?, ?, ?, 1, ?, ?, ?, 5)`,
    );
    const [gone, event, letter] = [uuidv7(), uuidv7(), uuidv7()];
    insert.run('order.events', 'order.placed', gone, 'application/cloudevents+json', 'o1', null, Buffer.from('gone'));
    insert.run(
      'order.events',
      'order.placed',
      event,
      'application/cloudevents+json',
      'o2',
      null,
      Buffer.from('an event'),
    );
    insert.run('', deadLetterQueue, letter, 'text/plain', null, '{"x-cause":"ä"}', Buffer.from([0, 255]));
    earlier.exec(`DELETE FROM outbox WHERE message_id = '${gone}'`);
    earlier.close();

    const { bus, journal, db, clock, left, write } = run(openFile(path));
    const [first, second] = bus.published.map(({ message }) => message);
    expect(first).to.deep.include({
      exchange: 'order.events',
      routingKey: 'order.placed',
      messageId: event,
      correlationId: 'o2',
      contentType: 'application/cloudevents+json',
      body: Buffer.from('an event'),
    });
    expect(second).to.deep.include({
      exchange: 'dead-letters',
      routingKey: deadLetterQueue,
      messageId: letter,
      contentType: 'text/plain',
      headers: { 'x-cause': 'ä' },
      body: Buffer.from([0, 255]),
    });
    expect(journal.after(0, 10).map(({ position }) => position)).to.deep.equal([1, 2]);
    expect(() => db.prepare('SELECT * FROM outbox')).to.throw(/no such table/);
    bus.answerOpen('confirmed');
    write();
    bus.answerOpen('confirmed');
    clock.advance(markMs);
    expect(left()).to.deep.equal([]);
    expect(journal.head()).to.equal(3);
    db.close();
  });

  it('may have been empty', () => {
    const path = newDatabasePath();
    openDatabase(path, [runtimeSchema.inboxAndOutbox]).close();
    const { bus, journal, db } = run(openFile(path));
    expect([bus.published.length, journal.head()]).to.deep.equal([0, 0]);
    db.close();
  });
});
