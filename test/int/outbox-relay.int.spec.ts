// The outbox and its relay: a row is forgotten only when the broker has confirmed the message and routed it.
import { expect } from 'chai';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { OutgoingMessage, PublishOutcome } from '../../shared/runtime/messaging/bus.ts';
import { OutboxRelay } from '../../shared/runtime/messaging/outbox-relay.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { Outbox, outboxSchema } from '../../shared/runtime/storage/outbox.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

const manyMs = 60_000;

/** One run of a service's relay over a database that may have been there before. */
function run(db: Database = openDatabase(':memory:', [outboxSchema]), bus = new FakeBus(), clock = new HandClock()) {
  const outbox = new Outbox(db);
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
  const relay = new OutboxRelay({ outbox, bus, clock, log });
  const commit = new GroupCommit(db, clock, [relay]);
  let written = 0;
  const messageOf = (routingKey: string, bodyBytes: number): OutgoingMessage => {
    written += 1;
    const messageId = `${routingKey}#${written}`;
    const body = Buffer.alloc(bodyBytes, 'x');
    return { exchange: 'order.events', routingKey, body, messageId, contentType: 'text/plain', mandatory: true };
  };
  bus.start({ delivered() {}, publishingChanged: () => relay.pump() });
  relay.start(commit);
  return {
    db,
    bus,
    clock,
    relay,
    outbox,
    commit,
    warnings,
    /** Messages of one transaction, which commits. */
    write(count = 1, routingKey = 'order.placed', bodyBytes = 10): void {
      commit.submit(
        () => {
          for (let n = 0; n < count; n += 1) {
            relay.appended(outbox.append(messageOf(routingKey, bodyBytes), clock.nowMs()));
          }
        },
        (result) => expect(result.ok, 'written').to.equal(true),
      );
      clock.turn();
    },
    /** Rows that are stored. */
    rows: () => db.prepare<[], string>('SELECT message_id FROM outbox ORDER BY seq').pluck().all(),
    sent: () => bus.published.map(({ message }) => message.messageId),
    settle: (outcome: PublishOutcome) => bus.answerOpen(outcome),
  };
}

describe('the outbox', () => {
  it('gives back the very message that was put in', () => {
    const outbox = new Outbox(openDatabase(':memory:', [outboxSchema]));
    const message: OutgoingMessage = {
      exchange: '',
      routingKey: 'a.dead-letters',
      body: Buffer.from([0, 255, 1]),
      messageId: 'm',
      contentType: 'x/y',
      mandatory: false,
      correlationId: 'c',
      headers: { 'x-cause': 'ä' },
    };
    outbox.append(message, 5);
    expect(outbox.after(0, 10)).to.deep.equal([{ seq: 1, message }]);
    expect(outbox.get(1)?.message).to.deep.equal(message);
    expect(outbox.get(2)).to.equal(undefined);
  });

  it('never gives a number twice, not even that of the last row when it is gone', () => {
    const { outbox, write, rows, settle, clock } = run();
    write();
    settle('confirmed');
    clock.advance(manyMs);
    expect(rows()).to.deep.equal([]);
    write();
    expect(outbox.after(0, 1)[0]?.seq).to.equal(2);
  });
});

describe('the relay', () => {
  afterEach(removeDatabases);

  it('publishes nothing before the commit, and everything right after it, in order', () => {
    const { bus, commit, outbox, relay, clock, sent } = run();
    commit.submit(
      () => {
        for (const messageId of ['a', 'b', 'c']) {
          const body = Buffer.from('x');
          const message = { exchange: '', routingKey: 'r', body, messageId, contentType: 't', mandatory: true };
          relay.appended(outbox.append(message, 0));
        }
        expect(bus.published).to.have.lengthOf(0);
      },
      () => {},
    );
    clock.turn();
    expect(sent()).to.deep.equal(['a', 'b', 'c']);
  });

  it('publishes nothing of work that was undone, and does not count it as waiting', () => {
    const { commit, outbox, relay, clock, sent } = run();
    commit.submit(
      () => {
        const body = Buffer.from('x');
        const message = { exchange: '', routingKey: 'r', body, messageId: 'm', contentType: 't', mandatory: true };
        relay.appended(outbox.append(message, 0));
        throw new Error('after it has said something');
      },
      () => {},
    );
    clock.advance(manyMs);
    expect(sent()).to.deep.equal([]);
    expect(relay.waiting).to.equal(0);
    expect(relay.drained).to.equal(true);
  });

  it('keeps a row until it is confirmed, and forgets it then', () => {
    const { write, rows, settle, clock, relay } = run();
    write();
    clock.advance(manyMs);
    expect(rows()).to.have.lengthOf(1);
    expect(relay.drained).to.equal(false);
    settle('confirmed');
    expect(rows(), 'it takes a transaction to forget').to.have.lengthOf(1);
    clock.advance(20);
    expect(rows()).to.deep.equal([]);
    expect(relay.drained).to.equal(true);
  });

  it('forgets in the transaction of the next work when there is one', () => {
    const { write, rows, settle } = run();
    write();
    settle('confirmed');
    write();
    expect(rows()).to.deep.equal(['order.placed#2']);
  });

  it('publishes each row once as long as all goes well, whatever is scanned meanwhile', () => {
    const { write, sent, settle, clock } = run();
    write(3);
    settle('confirmed');
    write(2);
    clock.advance(3 * manyMs);
    settle('confirmed');
    clock.advance(3 * manyMs);
    expect(sent()).to.deep.equal([1, 2, 3, 4, 5].map((n) => `order.placed#${n}`));
  });

  it('forgets the ones that are confirmed out of order, and no others', () => {
    const { write, bus, rows, clock } = run();
    write(3);
    bus.published[2]?.answer('confirmed');
    bus.published[0]?.answer('confirmed');
    clock.advance(20);
    expect(rows()).to.deep.equal(['order.placed#2']);
  });

  it('keeps what is unroutable, counts it, warns once, and delivers it in order once there is a queue', () => {
    const { write, bus, rows, clock, relay, sent, warnings } = run();
    write(2);
    bus.answerOpen('unroutable');
    write(1);
    write(1, 'order.withdrawn');
    expect(relay.status()).to.deep.equal({ waiting: 4, unroutable: { 'order.events/order.placed': 3 } });
    bus.answerOpen('confirmed');
    for (let attempt = 0; attempt < 5; attempt += 1) {
      clock.advance(5_000);
      bus.answerOpen('unroutable');
    }
    expect(rows()).to.have.lengthOf(3);
    expect(warnings).to.have.lengthOf(1);
    expect(sent().slice(3), 'only the oldest is tried again')
      .to.include('order.placed#1')
      .and.not.include('order.placed#3');

    const before = bus.published.length;
    clock.advance(5_000);
    bus.answerOpen('confirmed');
    expect(sent().slice(before)).to.deep.equal(['order.placed#1', 'order.placed#2', 'order.placed#3']);
    bus.answerOpen('confirmed');
    clock.advance(20);
    expect(rows()).to.deep.equal([]);
    expect(relay.status()).to.deep.equal({ waiting: 0, unroutable: {} });
  });

  it('lets other routing keys pass while one is unroutable', () => {
    const { write, bus, sent } = run();
    write();
    bus.answerOpen('unroutable');
    write(1, 'order.withdrawn');
    expect(sent()).to.deep.equal(['order.placed#1', 'order.withdrawn#2']);
  });

  it('tries what was nacked again, later and later, and forgets it once confirmed', () => {
    const { write, bus, rows, clock } = run();
    write();
    for (const delayMs of [200, 400, 800]) {
      bus.answerOpen('nacked');
      clock.advance(delayMs - 1);
      expect(bus.open, `open one millisecond before ${delayMs}`).to.have.lengthOf(0);
      clock.advance(1);
      expect(bus.open, `open after ${delayMs}`).to.have.lengthOf(1);
    }
    bus.answerOpen('confirmed');
    clock.advance(20);
    expect(rows()).to.deep.equal([]);
  });

  it('publishes what was lost again, in order, as soon as there is a connection', () => {
    const { write, bus, rows, clock, sent } = run();
    write(3);
    bus.disconnect();
    write(1);
    clock.advance(manyMs);
    expect(sent()).to.have.lengthOf(3);
    bus.connect();
    expect(sent().slice(3)).to.deep.equal([1, 2, 3, 4].map((n) => `order.placed#${n}`));
    bus.answerOpen('confirmed');
    clock.advance(20);
    expect(rows()).to.deep.equal([]);
  });

  it('publishes again what was lost, and not what was confirmed before the connection broke', () => {
    const { write, bus, sent } = run();
    write(3);
    bus.published[1]?.answer('confirmed');
    bus.disconnect();
    bus.connect();
    expect(sent().slice(3)).to.deep.equal(['order.placed#1', 'order.placed#3']);
  });

  it('takes up what was unroutable when the connection broke meanwhile', () => {
    const { write, bus, rows, clock } = run();
    write(2);
    bus.answerOpen('unroutable');
    bus.disconnect();
    clock.advance(manyMs);
    bus.connect();
    clock.advance(5_000);
    expect(bus.open.map(({ message }) => message.messageId)).to.deep.equal(['order.placed#1']);
    bus.answerOpen('confirmed');
    bus.answerOpen('confirmed');
    clock.advance(20);
    expect(rows()).to.deep.equal([]);
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
    write(12, 'order.placed', 1024 * 1024);
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

  it('forgets nothing when the transaction that forgets fails, and does so later without publishing again', () => {
    const { write, rows, settle, clock, db, sent, relay } = run();
    write(2);
    settle('confirmed');
    db.pragma('query_only = 1');
    clock.advance(200);
    db.pragma('query_only = 0');
    expect(rows()).to.have.lengthOf(2);
    expect(relay.drained).to.equal(false);
    clock.advance(20);
    expect(rows()).to.deep.equal([]);
    expect(relay.drained).to.equal(true);
    expect(sent()).to.have.lengthOf(2);
  });

  it('publishes what an earlier run left, in order, and only that', () => {
    const path = newDatabasePath();
    const first = run(openDatabase(path, [outboxSchema]));
    first.write(3);
    first.bus.published[0]?.answer('confirmed');
    first.clock.advance(20);
    first.relay.stop();
    first.db.close();

    const second = run(openDatabase(path, [outboxSchema]));
    expect(second.sent()).to.deep.equal(['order.placed#2', 'order.placed#3']);
    expect(second.relay.waiting).to.equal(2);
    second.answer('confirmed');
    second.clock.advance(20);
    expect(second.rows()).to.deep.equal([]);
    expect(second.relay.drained).to.equal(true);
    second.db.close();
  });

  it('publishes again after a crash what was confirmed but not forgotten yet: twice is harmless, never is not', () => {
    const path = newDatabasePath();
    const first = run(openDatabase(path, [outboxSchema]));
    first.write();
    first.answer('confirmed');
    first.relay.stop();
    first.db.close();
    const second = run(openDatabase(path, [outboxSchema]));
    expect(second.sent()).to.deep.equal(['order.placed#1']);
    second.db.close();
  });

  it('publishes nothing and forgets nothing after it was stopped', () => {
    const { write, settle, rows, relay, clock, bus } = run();
    write();
    relay.stop();
    settle('confirmed');
    write();
    clock.advance(manyMs);
    expect(rows()).to.have.lengthOf(2);
    expect(bus.published).to.have.lengthOf(1);
  });

  it('finds rows that another process on the same file has left, within 30 seconds', () => {
    const { outbox, bus, clock } = run();
    outbox.append(
      { exchange: '', routingKey: 'r', body: Buffer.from('x'), messageId: 'm', contentType: 't', mandatory: true },
      0,
    );
    clock.advance(29_999);
    expect(bus.published).to.have.lengthOf(0);
    clock.advance(1);
    expect(bus.published).to.have.lengthOf(1);
  });

  it('counts what waits rightly again when another process on the same file has forgotten a row', () => {
    const path = newDatabasePath();
    const clock = new HandClock();
    const one = run(openDatabase(path, [outboxSchema]), new FakeBus(), clock);
    const other = run(openDatabase(path, [outboxSchema]), new FakeBus(), clock);
    one.write();
    other.write();
    expect(other.sent(), 'each begins with what it has written itself').to.have.lengthOf(1);
    clock.advance(30_000);
    expect(other.sent(), 'its look at the whole table has found the other row, too').to.have.lengthOf(2);
    other.answer('confirmed');
    clock.advance(20);
    one.answer('confirmed');
    clock.advance(30_000);
    expect(one.rows()).to.deep.equal([]);
    expect([one.relay.waiting, other.relay.waiting]).to.deep.equal([0, 0]);
    expect([one.relay.drained, other.relay.drained]).to.deep.equal([true, true]);
    one.db.close();
    other.db.close();
  });
});
