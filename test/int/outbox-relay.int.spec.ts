// The outbox and its relay: an entry counts as sent only when the broker has confirmed the message and routed it.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import type { Span, TracedPublish, Tracing } from '../../shared/runtime/messaging/tracing.ts';
import { runtimeSchema } from '../../shared/runtime/node/runtime-schema.ts';
import { openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import { Outbox } from '../../shared/runtime/storage/outbox.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';
import { markMs, named, RelayRun } from '../support/relay-run.ts';

const manyMs = 60_000;
const rescanMs = 30_000;
const deadLetterQueue = 'order-service.dead-letters';

/** Has a group fail at its end: this takes part after all others. */
function failOnce({ commit }: RelayRun): { next: boolean } {
  const fault = { next: false };
  commit.join({
    begin() {},
    committed() {},
    rolledBack() {},
    worked() {
      if (!fault.next) return;
      fault.next = false;
      throw new TransientError('the disk is full');
    },
  });
  return fault;
}

/** A broker that nobody can publish to. */
function awayBus(): FakeBus {
  const bus = new FakeBus();
  bus.disconnect();
  return bus;
}

describe('the relay', () => {
  afterEach(removeDatabases);

  it('publishes nothing before the commit, and everything right after it, in order', () => {
    const on = RelayRun.inMemory();
    on.commit.submit(
      () => {
        on.append(3);
        expect(on.bus.published).to.have.lengthOf(0);
      },
      () => {},
    );
    on.clock.turn();
    expect(on.sent).to.deep.equal(named('order.placed', 1, 2, 3));
  });

  it('publishes an event with its id, its subject and its type; mandatory unless nobody subscribes to it', () => {
    const on = RelayRun.inMemory();
    on.write(1, 'order.placed');
    on.write(1, 'order.confirmed');
    const [placed, confirmed] = on.bus.published.map(({ message }) => message);
    expect(placed).to.include({
      exchange: 'order.events',
      routingKey: 'order.placed',
      messageId: on.journal.eventIdAt(1),
      contentType: 'application/cloudevents+json',
      correlationId: 'o1',
      mandatory: true,
    });
    expect(confirmed?.mandatory).to.equal(false);
  });

  it('publishes a dead letter to its own exchange, with its content type and headers', () => {
    const on = RelayRun.inMemory();
    const deadLetter = { contentType: 'application/octet-stream', headers: { 'x-cause': 'not-json' } };
    on.write(1, deadLetterQueue, { deadLetter });
    expect(on.bus.published[0]?.message).to.deep.include({
      exchange: 'dead-letters',
      routingKey: deadLetterQueue,
      mandatory: true,
      ...deadLetter,
    });
  });

  it('publishes nothing of work that was undone, and does not count it as waiting', () => {
    const on = RelayRun.inMemory();
    on.commit.submit(
      () => {
        on.append();
        throw new Error('after it has published something');
      },
      () => {},
    );
    on.clock.advance(manyMs);
    expect(on.sent).to.deep.equal([]);
    expect(on.relay.waiting).to.equal(0);
    expect(on.relay.drained).to.equal(true);
  });

  it('moves its mark on when an entry is confirmed, and not before', () => {
    const on = RelayRun.inMemory();
    on.write();
    on.clock.advance(manyMs);
    expect(on.left).to.deep.equal([1]);
    expect(on.relay.drained).to.equal(false);
    on.bus.answerOpen('confirmed');
    expect(on.relay.drained).to.equal(true);
    on.clock.advance(markMs - 1);
    expect(on.left, 'written lazily').to.deep.equal([1]);
    on.clock.advance(1);
    expect(on.left).to.deep.equal([]);
  });

  it('publishes each entry once as long as all goes well, whatever is scanned meanwhile', () => {
    const on = RelayRun.inMemory();
    on.write(3);
    on.bus.answerOpen('confirmed');
    on.write(2);
    on.clock.advance(3 * manyMs);
    on.bus.answerOpen('confirmed');
    on.clock.advance(3 * manyMs);
    expect(on.sent).to.deep.equal(named('order.placed', 1, 2, 3, 4, 5));
  });

  it('keeps its mark below the lowest entry that is not confirmed, though later ones are', () => {
    const on = RelayRun.inMemory();
    on.write(3);
    on.bus.published[2]?.answer('confirmed');
    on.bus.published[0]?.answer('confirmed');
    on.clock.advance(markMs);
    expect(on.left).to.deep.equal([2, 3]);
    expect([on.relay.waiting, on.relay.confirmedUntil]).to.deep.equal([1, 1]);
    on.bus.published[1]?.answer('confirmed');
    on.clock.advance(markMs);
    expect(on.left).to.deep.equal([]);
    expect(on.relay.confirmedUntil).to.equal(3);
  });

  it('keeps what is unroutable, counts it, warns once, and delivers it in order once there is a queue', () => {
    const on = RelayRun.inMemory();
    on.write(2);
    on.bus.answerOpen('unroutable');
    on.write(1);
    on.write(1, 'order.withdrawn');
    expect(on.relay.status()).to.deep.equal({ waiting: 4, unroutable: { 'order.placed': 3 } });
    on.bus.answerOpen('confirmed');
    for (let attempt = 0; attempt < 5; attempt += 1) {
      on.clock.advance(5_000);
      on.bus.answerOpen('unroutable');
    }
    on.clock.advance(markMs);
    expect(on.left).to.deep.equal([1, 2, 3]);
    expect(on.warnings).to.have.lengthOf(1);
    expect(on.sent.slice(3), 'only the oldest is tried again')
      .to.include('order.placed#1')
      .and.not.include('order.placed#3');

    const before = on.bus.published.length;
    on.clock.advance(5_000);
    on.bus.answerOpen('confirmed');
    expect(on.sent.slice(before)).to.deep.equal(named('order.placed', 1, 2, 3));
    on.confirmAll();
    expect(on.left).to.deep.equal([]);
    expect(on.relay.status()).to.deep.equal({ waiting: 0, unroutable: {} });
  });

  it('lets other routing keys pass while one is unroutable, and its mark with them: the rest are exceptions', () => {
    const on = RelayRun.inMemory().writeStuck(2);
    expect(on.sent).to.include('order.withdrawn#3');
    expect(on.outbox.confirmedUntil()).to.equal(3);
    expect(on.exceptions).to.deep.equal([1, 2]);
  });

  it('tries what was nacked again, later and later, until it is confirmed', () => {
    const on = RelayRun.inMemory();
    on.write();
    for (const delayMs of [200, 400, 800]) {
      on.bus.answerOpen('nacked');
      on.clock.advance(delayMs - 1);
      expect(on.bus.open, `open one millisecond before ${delayMs}`).to.have.lengthOf(0);
      on.clock.advance(1);
      expect(on.bus.open, `open after ${delayMs}`).to.have.lengthOf(1);
    }
    on.confirmAll();
    expect(on.left).to.deep.equal([]);
  });

  it('tries what was due while there was no connection as soon as there is one, however often it was due', () => {
    const on = RelayRun.inMemory();
    on.write();
    on.bus.answerOpen('nacked');
    on.bus.disconnect();
    on.clock.advance(60_000);
    expect(on.bus.open).to.have.lengthOf(0);
    on.bus.connect();
    expect(on.bus.open).to.have.lengthOf(1);
    on.confirmAll();
    expect(on.left).to.deep.equal([]);
  });

  it('publishes what was lost again, in order, as soon as there is a connection', () => {
    const on = RelayRun.inMemory();
    on.write(3);
    on.bus.disconnect();
    on.write(1);
    on.clock.advance(manyMs);
    expect(on.sent).to.have.lengthOf(3);
    on.bus.connect();
    expect(on.sent.slice(3)).to.deep.equal(named('order.placed', 1, 2, 3, 4));
    on.confirmAll();
    expect(on.left).to.deep.equal([]);
  });

  it('publishes again what was lost, and not what was confirmed before the connection broke', () => {
    const on = RelayRun.inMemory();
    on.write(3);
    on.bus.published[1]?.answer('confirmed');
    on.bus.disconnect();
    on.bus.connect();
    expect(on.sent.slice(3)).to.deep.equal(named('order.placed', 1, 3));
  });

  it('takes up what was unroutable when the connection broke meanwhile', () => {
    const on = RelayRun.inMemory();
    on.write(2);
    on.bus.answerOpen('unroutable');
    on.bus.disconnect();
    on.clock.advance(manyMs);
    on.bus.connect();
    on.clock.advance(5_000);
    expect(on.open).to.deep.equal(['order.placed#1']);
    on.bus.answerOpen('confirmed');
    on.confirmAll();
    expect(on.left).to.deep.equal([]);
  });

  it('has 1,000 messages on the way at most; the 1,001st follows the first confirm', () => {
    const on = RelayRun.inMemory();
    on.write(1_001);
    expect(on.bus.open).to.have.lengthOf(1_000);
    on.bus.published[0]?.answer('confirmed');
    expect(on.bus.open).to.have.lengthOf(1_000);
    expect(on.sent.at(-1)).to.equal('order.placed#1001');
  });

  it('has 8 MiB on the way at most, and one message more', () => {
    const on = RelayRun.inMemory();
    on.write(12, 'order.placed', { bodyBytes: 1024 * 1024 });
    expect(on.bus.open).to.have.lengthOf(9);
    on.bus.published[0]?.answer('confirmed');
    expect(on.bus.open).to.have.lengthOf(9);
    for (let rounds = 0; rounds < 12; rounds += 1) on.bus.answerOpen('confirmed');
    expect(on.bus.published).to.have.lengthOf(12);
  });

  it('publishes nothing while the broker has asked it to stop, and goes on when it may', () => {
    const on = RelayRun.inMemory();
    on.bus.disconnect();
    on.write(2);
    on.relay.pump();
    expect(on.bus.published).to.have.lengthOf(0);
    expect(on.relay.waiting).to.equal(2);
    on.bus.connect();
    expect(on.bus.open).to.have.lengthOf(2);
  });

  it('writes its mark later when the database cannot be written, without publishing again', () => {
    const on = RelayRun.inMemory();
    on.write(2);
    on.bus.answerOpen('confirmed');
    on.db.pragma('query_only = 1');
    on.clock.advance(10_000);
    on.db.pragma('query_only = 0');
    expect(on.left).to.deep.equal([1, 2]);
    on.clock.advance(markMs);
    expect(on.left).to.deep.equal([]);
    expect(on.sent).to.have.lengthOf(2);
  });

  it('writes its mark later when the transaction fails in which it was written, without publishing again', () => {
    const on = RelayRun.inMemory();
    const fault = failOnce(on);
    on.write(2);
    on.bus.answerOpen('confirmed');
    fault.next = true;
    on.clock.advance(markMs);
    expect(fault.next, 'the group that writes the mark has failed').to.equal(false);
    expect(on.left, 'undone').to.deep.equal([1, 2]);
    on.clock.advance(markMs);
    expect(on.left).to.deep.equal([]);
    expect(on.sent).to.have.lengthOf(2);
  });

  it('publishes nothing of a transaction that fails at its end; what comes next has its positions', () => {
    const on = RelayRun.inMemory();
    const fault = failOnce(on);
    on.write();
    fault.next = true;
    const results: boolean[] = [];
    on.commit.submit(
      () => on.append(2, 'order.withdrawn'),
      ({ ok }) => results.push(ok),
    );
    on.clock.advance(manyMs);
    expect(results).to.deep.equal([false]);
    expect(on.relay.waiting).to.equal(1);
    on.write();
    expect(on.sent).to.deep.equal(named('order.placed', 1, 2));
    on.confirmAll();
    expect(on.left).to.deep.equal([]);
  });

  it('publishes nothing and marks nothing after it was stopped', () => {
    const on = RelayRun.inMemory();
    on.write();
    on.relay.stop();
    on.bus.answerOpen('confirmed');
    on.write();
    on.clock.advance(manyMs);
    expect(on.left).to.deep.equal([1, 2]);
    expect(on.bus.published).to.have.lengthOf(1);
  });
});

describe('what the relay still has to publish', () => {
  afterEach(removeDatabases);

  it('is counted while there is no connection, and not counted as unroutable', () => {
    const on = RelayRun.inMemory().write(2);
    on.bus.answerOpen('nacked');
    expect(on.relay.status()).to.deep.equal({ waiting: 2, unroutable: {} });
    on.bus.disconnect();
    on.write(3);
    expect([on.relay.waiting, on.relay.drained]).to.deep.equal([5, false]);
  });

  it('is counted with the exceptions of earlier runs, once each, before and after they are read', () => {
    const second = RelayRun.over().writeStuck(2).write(1).restart({ bus: awayBus() });
    expect([second.relay.waiting, second.relay.oldestWaiting]).to.deep.equal([3, 1]);
    second.bus.connect();
    expect(second.sent).to.deep.equal(named('order.placed', 1, 2, 4));
    second.bus.disconnect();
    expect([second.relay.waiting, second.relay.oldestWaiting]).to.deep.equal([3, 1]);
    second.die();
  });

  it('begins at the lowest mark of all, whatever is an exception above it', () => {
    const first = RelayRun.over(newDatabasePath(), { bus: awayBus() }).write(4);
    const other = new Outbox(first.db, first.journal, 'another process');
    first.db.transaction(() => {
      first.outbox.mark(1, 0);
      other.mark(3, 0);
      other.except(3);
      other.except(1);
    })();
    const second = first.restart();
    expect(second.sent).to.deep.equal(named('order.placed', 1, 2, 3, 4));
    second.die();
  });

  it('is published once more only as far as it was lost: what is still on its way will have an answer', () => {
    const on = RelayRun.inMemory().write(3);
    on.bus.published[0]?.answer('lost');
    expect(on.sent).to.deep.equal(named('order.placed', 1, 2, 3, 1));
  });

  it('is no exception because it was lost: it is published again before anything else', () => {
    const on = RelayRun.inMemory().write(3);
    on.bus.published[0]?.answer('confirmed');
    on.bus.disconnect();
    on.clock.advance(3 * markMs);
    expect([on.outbox.confirmedUntil(), on.exceptions]).to.deep.equal([1, []]);
  });

  it('waits for its next attempt, also when publishing is possible all the time', () => {
    const on = RelayRun.inMemory().write();
    on.bus.answerOpen('nacked');
    on.clock.advance(200);
    on.bus.answerOpen('nacked');
    on.relay.publishingChanged();
    expect(on.open).to.deep.equal([]);
  });

  it('is not tried again after a stop', () => {
    const on = RelayRun.inMemory().write(2);
    on.relay.stop();
    on.bus.answerOpen('nacked');
    expect(on.clock.pending, 'timers').to.equal(0);
  });

  it('holds what another process has left since the start as soon as anything is written, if only into the inbox', () => {
    const path = newDatabasePath();
    const clock = new HandClock();
    const [one, other] = [RelayRun.over(path, { clock, bus: awayBus() }), RelayRun.over(path, { clock })];
    one.write().die();
    other.commit.submit(
      () => {},
      () => {},
    );
    clock.turn();
    expect(other.sent).to.deep.equal(named('order.placed', 1));
    other.die();
  });
});

describe('whoever watches the relay', () => {
  it('finds each crash that could matter: before and after a message is handed over, and after its confirm', () => {
    const points: string[] = [];
    const on = RelayRun.inMemory({ hit: (point) => void points.push(`${point}, ${on.sent.length} sent`) });
    on.write();
    on.bus.answerOpen('nacked');
    on.clock.advance(200);
    on.bus.answerOpen('confirmed');
    expect(points).to.deep.equal([
      'before-publish, 0 sent',
      'after-publish, 1 sent',
      'before-publish, 1 sent',
      'after-publish, 2 sent',
      'after-confirm, 2 sent',
    ]);
  });

  it('has a span of each event in a message, with what became of it, and none of a dead letter', () => {
    const begun: TracedPublish[] = [];
    const ends: string[] = [];
    const span: Span = {
      context: { traceparent: '' },
      retried() {},
      linkTo() {},
      end: (outcome) => void ends.push(`ended: ${outcome}`),
      fail: (reason) => void ends.push(`failed: ${reason}`),
    };
    const publish = (message: TracedPublish) => {
      begun.push(message);
      return span;
    };
    const tracing: Tracing = { request: () => span, handle: () => span, publish, commit() {} };
    const on = RelayRun.inMemory({ tracing, batchMax: 10 });
    on.write(2);
    on.bus.answerOpen('unroutable');
    on.clock.advance(200);
    on.bus.answerOpen('confirmed');
    on.bus.answerOpen('confirmed');
    const [first, second] = on.journal.after(0, 2);
    const common = { exchange: 'order.events', routingKey: 'order.placed', subject: 'o1' };
    expect(begun).to.deep.equal(
      [
        { entry: first, messageEvents: 2 },
        { entry: second, messageEvents: 2 },
        { entry: first, messageEvents: 1 },
        { entry: second, messageEvents: 1 },
      ].map(({ entry, messageEvents }) => ({
        ...common,
        eventId: entry?.eventId,
        body: entry?.body,
        messageEvents,
      })),
    );
    expect(ends).to.deep.equal(['failed: unroutable', 'failed: unroutable', 'ended: confirmed', 'ended: confirmed']);
    on.write(1, deadLetterQueue, { deadLetter: { contentType: 'text/plain', headers: {} } });
    expect(begun).to.have.lengthOf(4);
  });
});

describe('the relay after a restart', () => {
  afterEach(removeDatabases);

  it('publishes only what is above the mark, in order', () => {
    const first = RelayRun.over().write(3);
    first.bus.published[0]?.answer('confirmed');
    first.clock.advance(markMs);
    const second = first.restart();
    expect(second.sent).to.deep.equal(named('order.placed', 2, 3));
    expect(second.relay.waiting).to.equal(2);
    second.confirmAll();
    expect(second.left).to.deep.equal([]);
    expect(second.relay.drained).to.equal(true);
    second.die();
  });

  it('knows the oldest entry that waits, before it can publish and while it does', () => {
    const first = RelayRun.over();
    expect(first.relay.oldestWaiting).to.equal(undefined);
    first.write(3);
    expect(first.relay.oldestWaiting).to.equal(1);
    first.bus.published[0]?.answer('confirmed');
    expect(first.relay.oldestWaiting).to.equal(2);
    first.clock.advance(markMs);

    const second = first.restart({ bus: awayBus() });
    expect(second.relay.oldestWaiting).to.equal(2);
    second.bus.connect();
    second.bus.published[0]?.answer('confirmed');
    expect(second.relay.oldestWaiting).to.equal(3);
    second.bus.answerOpen('confirmed');
    expect(second.relay.oldestWaiting).to.equal(undefined);
    second.die();
  });

  it('knows that an exception is the oldest entry that waits', () => {
    const first = RelayRun.over().writeStuck(1);
    expect(first.exceptions).to.deep.equal([1]);
    const second = first.restart({ bus: awayBus() });
    expect(second.relay.oldestWaiting).to.equal(1);
    second.die();
  });

  it('publishes again what was confirmed but is not below the mark yet: twice is harmless, never is not', () => {
    const first = RelayRun.over().write();
    first.bus.answerOpen('confirmed');
    const second = first.restart();
    expect(second.sent).to.deep.equal(['order.placed#1']);
    second.die();
  });

  it('publishes nothing again after an orderly stop, which writes the mark', async () => {
    const first = RelayRun.over().write(2);
    first.bus.answerOpen('confirmed');
    const marked = first.relay.mark.write();
    first.clock.turn();
    await marked;
    const second = first.restart();
    expect(second.sent).to.deep.equal([]);
    expect(second.relay.drained).to.equal(true);
    second.die();
  });

  it('publishes the exceptions first, then what is above the mark, and removes the ones that get through', () => {
    const first = RelayRun.over().writeStuck(2);
    first.bus.disconnect();
    first.write(1, 'order.withdrawn');
    const second = first.restart();
    expect(second.relay.waiting).to.equal(3);
    expect(second.sent).to.deep.equal([...named('order.placed', 1, 2), 'order.withdrawn#4']);
    second.confirmAll();
    expect(second.exceptions).to.deep.equal([]);
    expect(second.left).to.deep.equal([]);
    second.die();
  });

  it('publishes nothing a second time because of the mark of the run before, whatever is scanned', () => {
    const second = RelayRun.over().write(2).confirmAll().restart();
    for (let rounds = 0; rounds < 10; rounds += 1) {
      second.write(3);
      second.bus.answerOpen('confirmed');
      second.clock.advance(10_000);
    }
    expect(second.sent).to.have.lengthOf(30);
    expect(new Set(second.sent).size).to.equal(30);
    expect(second.left).to.deep.equal([]);
    second.die();
  });
});

describe('the relays of two processes on one file', () => {
  afterEach(removeDatabases);

  function pair() {
    const path = newDatabasePath();
    const clock = new HandClock();
    const start = () => RelayRun.over(path, { clock });
    const [one, other] = [start(), start()];
    // Each begins by taking on what it finds; from then on it leaves to the other what that one writes.
    for (const run of [one, other]) run.write().bus.answerOpen('confirmed');
    clock.advance(markMs);
    return { clock, start, one, other, sentSince: sentSince(one, other) };
  }

  function sentSince(...runs: readonly RelayRun[]) {
    const before = new Map(runs.map((one) => [one, one.sent.length]));
    return (one: RelayRun) => one.sent.slice(before.get(one));
  }

  it('publish what each has written itself, once each, as long as both live', () => {
    const { clock, one, other, sentSince } = pair();
    for (let rounds = 0; rounds < 12; rounds += 1) {
      for (const run of [one, other]) run.write().bus.answerOpen('confirmed');
      clock.advance(10_000);
    }
    expect(sentSince(one)).to.have.lengthOf(12);
    expect(sentSince(other)).to.have.lengthOf(12);
    expect(new Set([...sentSince(one), ...sentSince(other)]).size).to.equal(24);
    expect(one.left).to.deep.equal([]);
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
    other.confirmAll();
    expect(other.left).to.deep.equal([]);
    expect(other.relay.drained).to.equal(true);
    other.die();
  });

  it('lose nothing when one dies before its first mark, and the other is restarted before it has noticed', () => {
    const { start, one, other } = pair();
    const third = start();
    third.bus.disconnect();
    third.write(1, 'order.withdrawn');
    third.die();
    other.write();
    other.confirmAll();
    one.die();
    other.die();
    const last = start();
    expect(last.sent).to.include('order.withdrawn#3');
    last.die();
  });

  it('lose nothing when one is started, and dies, before the other has written anything at all', () => {
    const path = newDatabasePath();
    const clock = new HandClock();
    const [one, other] = [RelayRun.over(path, { clock }), RelayRun.over(path, { clock })];
    one.bus.disconnect();
    one.write();
    one.die();
    other.write();
    expect(other.sent).to.deep.equal(named('order.placed', 1, 2));
    other.die();
  });

  it('lose nothing when the one that has taken over dies before the broker has confirmed', () => {
    const { clock, start, one, other } = pair();
    one.bus.disconnect();
    one.write();
    other.write();
    other.confirmAll();
    one.die();
    clock.advance(2 * rescanMs);
    expect(other.open).to.deep.equal(['order.placed#3']);
    clock.advance(markMs);
    other.die();
    const third = start();
    expect(third.sent).to.include('order.placed#3');
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

    const run = RelayRun.over(path);
    const { bus, journal, db } = run;
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
    run.write().confirmAll();
    expect(run.left).to.deep.equal([]);
    expect(journal.head()).to.equal(3);
    db.close();
  });

  it('may have been empty', () => {
    const path = newDatabasePath();
    openDatabase(path, [runtimeSchema.inboxAndOutbox]).close();
    const { bus, journal, db } = RelayRun.over(path);
    expect([bus.published.length, journal.head()]).to.deep.equal([0, 0]);
    db.close();
  });
});
