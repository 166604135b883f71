// Several events in one message: packed where they go the same way, taken apart again, each on its own feet.
import { expect } from 'chai';
import { putAccount } from '../../payment-service/commands.ts';
import { paymentService } from '../../payment-service/service.ts';
import {
  cloudEventBatchContentType,
  cloudEventContentType,
  decodeMessage,
  encodeBatch,
  encodeEvent,
} from '../../shared/contract/cloud-event.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import { pack } from '../../shared/runtime/messaging/event-batch.ts';
import { migrationsOf, ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import type { OutboxRow } from '../../shared/runtime/storage/outbox.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';

const placed = samples['order.placed'];
const order = (tail: string) =>
  eventOf('order.placed', { ...placed, orderId: placed.orderId.slice(0, -tail.length) + tail });

function row(seq: number, routingKey: string, changes: Partial<OutgoingMessage> = {}): OutboxRow {
  const message: OutgoingMessage = {
    exchange: 'order.events',
    routingKey,
    body: Buffer.from(`{"n":${seq}}`),
    messageId: `m${seq}`,
    contentType: cloudEventContentType,
    mandatory: true,
    correlationId: `o${seq}`,
    ...changes,
  };
  return { seq, message };
}

describe('packing events into messages', () => {
  it('leaves an event that is alone as it is', () => {
    const alone = row(1, 'order.placed');
    expect(pack([alone], 100)).to.deep.equal([{ rows: [alone], message: alone.message }]);
  });

  it('packs what has the same exchange and routing key, in its order, and nothing else', () => {
    const rows = [
      row(1, 'order.placed'),
      row(2, 'order.confirmed'),
      row(3, 'order.placed'),
      row(4, 'order.placed', { exchange: 'x' }),
    ];
    const parcels = pack(rows, 100);
    expect(parcels.map((parcel) => parcel.rows.map(({ seq }) => seq))).to.deep.equal([[1, 3], [2], [4]]);
    const [batch] = parcels;
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
    const rows = [1, 2, 3, 4, 5].map((seq) => row(seq, 'order.placed'));
    expect(pack(rows, 2).map((parcel) => parcel.rows.length)).to.deep.equal([2, 2, 1]);
    expect(pack(rows, 1).map((parcel) => parcel.rows.length)).to.deep.equal([1, 1, 1, 1, 1]);
    const large = [1, 2, 3].map((seq) => row(seq, 'order.placed', { body: Buffer.alloc(30_000) }));
    expect(pack(large, 100).map((parcel) => parcel.rows.length)).to.deep.equal([2, 1]);
  });

  it('packs no dead letters, whatever content type they came with', () => {
    const rows = [1, 2].map((seq) => row(seq, 'payment-service.dead-letters', { exchange: '' }));
    expect(pack(rows, 100)).to.have.length(2);
  });
});

describe('reading a message of several events', () => {
  const read = (body: string) => decodeMessage(Buffer.from(body), cloudEventBatchContentType);

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
    bus.autoAnswer = undefined;
    const db = openDatabase(':memory:', migrationsOf(paymentService));
    const node = new ServiceNode(paymentService, { db, bus, clock, log: silentLog, batchMax: 100 });
    node.start();
    void node.transact((tx) => putAccount(node.parts.store, tx, userId, { balance: 10 * placed.total }), {
      causationId: 'test',
      traceparent: 'test',
    });
    clock.turn();
    const deliver = (events: Buffer[]) =>
      bus.deliver(encodeBatch(events), { contentType: cloudEventBatchContentType, messageId: 'a-batch' });
    return { clock, bus, node, deliver, balance: () => node.parts.store.account(userId)?.balance };
  }

  it('handles each, acks once, and answers in one message', () => {
    const { clock, bus, node, deliver, balance } = start();
    const delivery = deliver([order('1'), order('2'), order('3')].map(encodeEvent));
    clock.turn();
    expect(balance()).to.equal(7 * placed.total);
    expect(delivery.acks()).to.equal(1);
    expect(node.handler.tally).to.include({ delivered: 3, processed: 3, duplicates: 0, deadLettered: 0 });
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
    expect(node.handler.tally).to.include({ processed: 3, duplicates: 2 });
  });

  it('dead-letters only what can not be handled, as a message of its own, and acks when all is done', () => {
    const { clock, bus, node, deliver, balance } = start();
    const wrong = Buffer.from(JSON.stringify({ ...order('2'), data: { orderId: 1 } }));
    const delivery = deliver([encodeEvent(order('1')), wrong, encodeEvent(order('3'))]);
    clock.turn();
    expect(balance()).to.equal(8 * placed.total);
    expect(delivery.acks()).to.equal(1);
    expect(node.handler.tally).to.include({ processed: 2, deadLettered: 1 });
    const [dead] = bus.published.filter(({ message }) => message.exchange === '').map(({ message }) => message);
    expect(dead?.body.equals(wrong)).to.equal(true);
    expect(dead).to.include({ contentType: cloudEventContentType, routingKey: 'payment-service.dead-letters' });
    expect(dead?.headers).to.include({ 'x-cause': 'wrong-data' });
  });
});
