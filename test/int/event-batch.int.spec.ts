// Several events in one message: packed where they go the same way, taken apart again, each handled on its own.
import { expect } from 'chai';
import { putAccount } from '../../payment-service/commands.ts';
import { paymentService } from '../../payment-service/service.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import {
  cloudEventBatchContentType,
  cloudEventContentType,
  encodeBatch,
  encodeEvent,
} from '../../shared/contract/cloud-event.ts';
import { decodeMessage } from '../../shared/contract/read-message.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import { pack } from '../../shared/runtime/messaging/event-batch.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import type { JournalEntry } from '../../shared/runtime/storage/journal.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';

const placed = samples['order.placed'];
const order = (tail: string) =>
  eventOf('order.placed', { ...placed, orderId: placed.orderId.slice(0, -tail.length) + tail });

interface Item {
  readonly entry: JournalEntry;
  readonly message: OutgoingMessage;
}

function item(
  position: number,
  routingKey: string,
  { body = Buffer.from(`{"n":${position}}`), isDead = false } = {},
): Item {
  const deadLetter = { contentType: cloudEventContentType, headers: {} };
  const [eventId, subject] = [`m${position}`, `o${position}`];
  return {
    entry: { position, eventId, type: routingKey, subject, body, ...(isDead ? { deadLetter } : {}) },
    message: {
      exchange: isDead ? 'dead-letters' : 'order.events',
      routingKey,
      body,
      messageId: eventId,
      contentType: cloudEventContentType,
      mandatory: true,
      correlationId: subject,
    },
  };
}

describe('packing events into messages', () => {
  it('leaves an event that is alone as it is', () => {
    const alone = item(1, 'order.placed');
    expect(pack([alone], 100)).to.deep.equal([{ entries: [alone.entry], message: alone.message }]);
  });

  it('packs what has the same routing key, in its order, and nothing else', () => {
    const items = [item(1, 'order.placed'), item(2, 'order.confirmed'), item(3, 'order.placed')];
    const envelopes = pack(items, 100);
    expect(envelopes.map(({ entries }) => entries.map(({ position }) => position))).to.deep.equal([[1, 3], [2]]);
    const [batch] = envelopes;
    expect(batch?.message).to.include({
      contentType: cloudEventBatchContentType,
      routingKey: 'order.placed',
      messageId: 'm1',
      mandatory: true,
    });
    expect(batch?.message.correlationId).to.equal(undefined);
    expect(JSON.parse(String(batch?.message.body))).to.deep.equal([{ n: 1 }, { n: 3 }]);
  });

  it('starts a new message when one is full, by count or by bytes', () => {
    const sizes = (items: readonly Item[], batchMax: number) =>
      pack(items, batchMax).map(({ entries }) => entries.length);
    const items = [1, 2, 3, 4, 5].map((position) => item(position, 'order.placed'));
    expect(sizes(items, 2)).to.deep.equal([2, 2, 1]);
    expect(sizes(items, 1)).to.deep.equal([1, 1, 1, 1, 1]);
    const large = [1, 2, 3].map((position) => item(position, 'order.placed', { body: Buffer.alloc(30_000) }));
    expect(sizes(large, 100)).to.deep.equal([2, 1]);
    const halves = (bytes: number) =>
      [1, 2].map((position) => item(position, 'order.placed', { body: Buffer.alloc(bytes) }));
    expect([sizes(halves(32_768), 100), sizes(halves(32_769), 100)], '64 KiB').to.deep.equal([[2], [1, 1]]);
  });

  it('packs no dead letters, whatever content type they came with', () => {
    const items = [1, 2].map((position) => item(position, 'payment-service.dead-letters', { isDead: true }));
    expect(pack(items, 100)).to.have.length(2);
  });
});

describe('reading a message of several events', () => {
  const read = (body: string) => decodeMessage(Buffer.from(body), cloudEventBatchContentType, choreography);

  it('finds each event, and what is none beside it, with the bytes of just that', () => {
    const [first, second] = [order('1'), order('2')];
    const found = read(`[${encodeEvent(first)},{"hello":1},${encodeEvent(second)}]`);
    expect(found.map((one) => ('event' in one ? one.event.id : one.error.code))).to.deep.equal([
      first.id,
      'not-a-cloudevent',
      second.id,
    ]);
    expect(found.map((one) => String(one.bytes()))).to.deep.equal([
      String(encodeEvent(first)),
      '{"hello":1}',
      String(encodeEvent(second)),
    ]);
  });

  for (const [what, body] of [
    ['no JSON', '[{'],
    ['no array', '{}'],
    ['an empty array', '[]'],
  ] as const) {
    it(`is refused as a whole when it is ${what}`, () => {
      const [only, ...others] = read(body);
      expect(others).to.deep.equal([]);
      expect(only && 'error' in only).to.equal(true);
      expect(String(only?.bytes())).to.equal(body);
    });
  }
});

describe('a service that is handed several events in one message', () => {
  function start() {
    const clock = new HandClock();
    const bus = new FakeBus();
    const db = openDatabase(':memory:', paymentService.migrations);
    const node = new ServiceNode(paymentService, { db, bus, clock, log: silentLog, batchMax: 100 });
    node.start();
    void node.transact((tx) => putAccount(node.parts.store, tx, userId, { balance: 10 * placed.total }), {
      causationId: 'test',
      traceparent: 'test',
    });
    clock.turn();
    const deliver = (events: Buffer[]) =>
      bus.deliver(encodeBatch(events), { contentType: cloudEventBatchContentType, messageId: 'a-batch' });
    return { clock, bus, db, node, deliver, balance: () => node.parts.store.account(userId)?.balance };
  }

  it('handles each, acks once, and answers in one message', () => {
    const { clock, bus, node, deliver, balance } = start();
    const delivery = deliver([order('1'), order('2'), order('3')].map(encodeEvent));
    clock.turn();
    expect(balance()).to.equal(7 * placed.total);
    expect(delivery.acks()).to.equal(1);
    expect(node.handler.tally).to.include({ delivered: 3, handled: 3, duplicates: 0, deadLettered: 0 });
    expect(bus.published).to.have.length(1);
    expect(bus.published[0]?.message.contentType).to.equal(cloudEventBatchContentType);
    expect(node.relay.waiting).to.equal(3);
    bus.answerOpen('confirmed');
    clock.advance(1_000);
    expect(node.relay.waiting).to.equal(0);
  });

  it('recognises each that it knows already', () => {
    const { clock, node, deliver, balance } = start();
    const [first, second, third] = [order('1'), order('2'), order('3')].map(encodeEvent) as [Buffer, Buffer, Buffer];
    deliver([first, second]);
    clock.turn();
    const again = deliver([second, third, third]);
    clock.turn();
    expect(balance()).to.equal(7 * placed.total);
    expect(again.acks()).to.equal(1);
    expect(node.handler.tally).to.include({ handled: 3, duplicates: 2 });
  });

  it('dead-letters only what cannot be handled, as a message of its own, and acks when all is done', () => {
    const { clock, bus, node, deliver, balance } = start();
    const wrong = Buffer.from(JSON.stringify({ ...order('2'), data: { orderId: 1 } }));
    const delivery = deliver([encodeEvent(order('1')), wrong, encodeEvent(order('3'))]);
    clock.turn();
    expect(balance()).to.equal(8 * placed.total);
    expect(delivery.acks()).to.equal(1);
    expect(node.handler.tally).to.include({ handled: 2, deadLettered: 1 });
    const [dead] = bus.published
      .filter(({ message }) => message.exchange === 'dead-letters')
      .map(({ message }) => message);
    expect(dead?.body.equals(wrong)).to.equal(true);
    expect(dead).to.include({ contentType: 'application/octet-stream', routingKey: 'payment-service.dead-letters' });
    expect(dead?.headers).to.include({ 'x-cause': 'wrong-data', 'x-original-content-type': cloudEventContentType });
  });

  it('dead-letters one that contradicts what is known, with its own id, and handles its neighbours', () => {
    const { clock, bus, deliver, balance } = start();
    const [first, contradictory] = [order('1'), order('1')];
    const delivery = deliver([first, contradictory, order('2')].map(encodeEvent));
    clock.turn();
    expect(balance()).to.equal(8 * placed.total);
    expect(delivery.acks()).to.equal(1);
    const [dead] = bus.published.filter(({ message }) => message.exchange === 'dead-letters');
    expect(dead?.message.headers).to.include({
      'x-cause': 'contradictory',
      'x-original-message-id': contradictory.id,
      'x-original-content-type': cloudEventContentType,
    });
  });

  it('rejects the message when one of its events cannot even be stored as a dead letter, though the last one is handled', () => {
    const { clock, db, deliver, balance } = start();
    db.exec(`CREATE TRIGGER no_dead_letters BEFORE INSERT ON journal WHEN new.dead_letter IS NOT NULL
             BEGIN SELECT raise(ABORT, 'no'); END`);
    const delivery = deliver([Buffer.from('{"hello":1}'), encodeEvent(order('1')), encodeEvent(order('2'))]);
    clock.turn();
    expect(balance()).to.equal(8 * placed.total);
    expect({ acks: delivery.acks(), rejects: delivery.rejects() }).to.deep.equal({ acks: 0, rejects: 1 });
  });

  it('dead-letters a batch of 1,001 as one message, and handles nothing of it', () => {
    const { clock, bus, node, deliver, balance } = start();
    const delivery = deliver(Array.from({ length: 1_001 }, () => encodeEvent(order('1'))));
    clock.turn();
    expect(balance()).to.equal(10 * placed.total);
    expect(delivery.acks()).to.equal(1);
    expect(node.handler.tally).to.include({ delivered: 1, handled: 0, deadLettered: 1 });
    const [dead, ...others] = bus.published.map(({ message }) => message);
    expect(others).to.deep.equal([]);
    expect(dead?.body.equals(delivery.body), 'the very bytes').to.equal(true);
    expect(dead?.headers).to.include({
      'x-cause': 'too-many-events',
      'x-original-content-type': cloudEventBatchContentType,
    });
  });
});
