// Deliveries become reactions: once each, committed before they are acked, and what can't be handled goes aside.
import { expect } from 'chai';
import { orderService } from '../../order-service/service.ts';
import { putAccount } from '../../payment-service/commands.ts';
import { paymentService } from '../../payment-service/service.ts';
import { type AnyEvent, decodeEvent, encodeEvent } from '../../shared/contract/cloud-event.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { handlingAttempts } from '../../shared/runtime/messaging/event-handler.ts';
import { migrationsOf, newCause, type ServiceDefinition, ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { type Database, openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import type { Failpoint } from '../../shared/runtime/storage/group-commit.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { contentOf, newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

const placed = samples['order.placed'];

/** Payment-service with an account that can pay ten orders. `react` stands in front of its reaction to a placed order. */
function start(
  options: { react?: (event: AnyEvent) => void; db?: Database; reached?: (point: Failpoint) => void } = {},
) {
  const clock = new HandClock();
  const bus = new FakeBus();
  const db = options.db ?? openDatabase(':memory:', migrationsOf(paymentService));
  const definition: typeof paymentService = {
    ...paymentService,
    build(database) {
      const parts = paymentService.build(database);
      const placedReaction = parts.reactions['order.placed'];
      return {
        ...parts,
        reactions: {
          ...parts.reactions,
          'order.placed': (event, at) => {
            options.react?.(event);
            return placedReaction(event, at);
          },
        },
      };
    },
  };
  const { reached } = options;
  const node = new ServiceNode(definition, { db, bus, clock, log: silentLog, ...(reached ? { reached } : {}) });
  node.start();
  if (!node.parts.store.account(userId)) {
    void node.transact((tx) => putAccount(node.parts.store, tx, userId, { balance: 10 * placed.total }), {
      causationId: 'test',
      traceparent: newCause('test', clock).traceparent,
    });
    clock.turn();
  }
  return {
    clock,
    bus,
    db,
    node,
    balance: () => node.parts.store.account(userId)?.balance,
    said: () => bus.published.filter(({ message }) => message.exchange !== '').map(({ message }) => message),
    dead: () => bus.published.filter(({ message }) => message.exchange === '').map(({ message }) => message),
  };
}

/** A placed order of its own. */
function order(tail: string) {
  return eventOf('order.placed', { ...placed, orderId: placed.orderId.slice(0, -tail.length) + tail });
}

describe('a delivered event', () => {
  afterEach(removeDatabases);

  it('takes effect, is acked once, and its answer goes out with its cause, saga and trace', () => {
    const { clock, bus, balance, said, node } = start();
    const event = order('1');
    const delivery = bus.deliverEvent(event);
    clock.turn();
    expect(balance()).to.equal(9 * placed.total);
    expect(delivery.acks()).to.equal(1);
    const [message] = said();
    expect(message).to.include({ exchange: 'payment.events', routingKey: 'payment.completed', mandatory: true });
    const answer = decodeEvent(message?.body ?? Buffer.alloc(0), message?.contentType);
    expect(answer).to.include({
      type: 'payment.completed',
      causationid: event.id,
      correlationid: event.subject,
      traceparent: event.traceparent,
      id: message?.messageId,
    });
    expect(node.handler.tally.outcomes.get('order.placed -> payment.completed')).to.equal(1);
    expect(node.handler.idle).to.equal(true);
  });

  it('is not acked before its commit', () => {
    const trace: string[] = [];
    const { clock, bus } = start({ reached: (point) => trace.push(point) });
    trace.length = 0;
    const delivery = bus.deliverEvent(order('1'));
    expect(delivery.acks()).to.equal(0);
    const ack = delivery.ack;
    Object.assign(delivery, {
      ack: () => {
        trace.push('ack');
        ack();
      },
    });
    clock.turn();
    expect(trace.filter((point) => ['before-commit', 'after-commit', 'ack'].includes(point))).to.deep.equal([
      'before-commit',
      'after-commit',
      'ack',
    ]);
  });

  it('is neither acked nor effective when the process dies just before the commit', () => {
    let dying = false;
    const { clock, bus, balance } = start({
      reached: (point) => {
        if (dying && point === 'before-commit') throw new Error('killed');
      },
    });
    dying = true;
    const delivery = bus.deliverEvent(order('1'));
    expect(() => clock.turn()).to.throw('killed');
    expect(delivery.acks()).to.equal(0);
    expect(balance()).to.equal(10 * placed.total);
  });

  it('has no second effect when it comes again, at once or a day later, and is acked each time', () => {
    const { clock, bus, balance, said, node } = start();
    const event = order('1');
    const deliveries = [bus.deliverEvent(event), bus.deliverEvent(event)];
    clock.turn();
    clock.advance(86_400_000);
    deliveries.push(bus.deliverEvent(event));
    clock.turn();
    expect(deliveries.map(({ acks }) => acks())).to.deep.equal([1, 1, 1]);
    expect(balance()).to.equal(9 * placed.total);
    expect(new Set(said().map(({ messageId }) => messageId)).size).to.equal(1);
    expect(node.handler.tally).to.include({ delivered: 3, processed: 1, duplicates: 2, deadLettered: 0 });
  });

  it('has no second effect after a restart that came between its commit and its ack', () => {
    const path = newDatabasePath();
    const first = start({ db: openDatabase(path, migrationsOf(paymentService)) });
    const event = order('1');
    first.bus.deliverEvent(event);
    first.clock.turn();
    first.node.stop();
    first.db.close();
    const second = start({ db: openDatabase(path, migrationsOf(paymentService)) });
    const again = second.bus.deliverEvent(event);
    second.clock.turn();
    expect(again.acks()).to.equal(1);
    expect(second.node.handler.tally.duplicates).to.equal(1);
    expect(second.balance()).to.equal(9 * placed.total);
    second.db.close();
  });

  it('is not counted among the duplicates when only its content is the same: that breaks, and is dead-lettered', () => {
    const { clock, bus, balance, dead } = start();
    bus.deliverEvent(order('1'));
    bus.deliverEvent(order('1'));
    clock.advance(60_000);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead().map(({ headers }) => headers?.['x-cause'])).to.deep.equal(['reaction-failed']);
  });
});

describe('a reaction that throws', () => {
  const poison = order('666');
  const onlyPoison = (event: AnyEvent) => {
    if (event.id === poison.id) throw new TypeError('it does not like this one');
  };

  it('is tried three times, then its message is dead-lettered with the cause, and acked', () => {
    let attempts = 0;
    const { clock, bus, dead, node } = start({
      react: () => {
        attempts += 1;
        throw new TypeError('it does not like this one');
      },
    });
    const delivery = bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(attempts).to.equal(handlingAttempts).and.to.equal(3);
    expect(delivery.acks()).to.equal(1);
    const [letter, ...more] = dead();
    expect(more).to.deep.equal([]);
    expect(letter).to.include({ routingKey: 'payment-service.dead-letters', mandatory: true });
    expect(letter?.body.equals(encodeEvent(poison as never)), 'the very bytes').to.equal(true);
    expect(letter?.headers).to.include({
      'x-cause': 'reaction-failed',
      'x-detail': 'TypeError: it does not like this one',
      'x-dead-lettered-by': 'payment-service',
      'x-original-exchange': 'order.events',
      'x-original-routing-key': 'order.placed',
      'x-original-message-id': poison.id,
    });
    expect(node.handler.tally).to.include({ delivered: 1, processed: 0, deadLettered: 1 });
    expect(node.handler.idle).to.equal(true);
  });

  it('is tried again later and not acked when not even its dead letter can be written', () => {
    const { clock, bus, db, dead } = start({ react: onlyPoison });
    db.exec("CREATE TRIGGER no_dead_letters BEFORE INSERT ON outbox BEGIN SELECT raise(ABORT, 'no'); END");
    const delivery = bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(delivery.acks()).to.equal(0);
    db.exec('DROP TRIGGER no_dead_letters');
    clock.advance(1_000);
    expect(delivery.acks()).to.equal(1);
    expect(dead()).to.have.lengthOf(1);
  });

  it('is not acked while it is being tried', () => {
    const { clock, bus } = start({ react: onlyPoison });
    const delivery = bus.deliverEvent(poison);
    clock.turn();
    clock.advance(40);
    expect(delivery.acks()).to.equal(0);
  });

  it('leaves no trace of the attempts: the redriven message takes effect', () => {
    let broken = true;
    const { clock, bus, balance } = start({
      react: () => {
        if (broken) throw new Error('for now');
      },
    });
    bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(balance()).to.equal(10 * placed.total);
    broken = false;
    bus.deliverEvent(poison);
    clock.turn();
    expect(balance()).to.equal(9 * placed.total);
  });

  it('succeeds at the third attempt and is not dead-lettered', () => {
    let attempts = 0;
    const { clock, bus, balance, dead } = start({
      react: () => {
        attempts += 1;
        if (attempts < 3) throw new Error('not yet');
      },
    });
    const delivery = bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(delivery.acks()).to.equal(1);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead()).to.deep.equal([]);
  });

  it('holds nobody up: 99 others of the same group take effect in that group', () => {
    const { clock, bus, db } = start({ react: onlyPoison });
    const deliveries = Array.from({ length: 100 }, (_, n) =>
      bus.deliverEvent(n === 50 ? poison : order(String(1000 + n))),
    );
    clock.turn();
    expect(deliveries.filter(({ acks }) => acks() === 1)).to.have.lengthOf(99);
    expect(deliveries[50]?.acks()).to.equal(0);
    expect(db.prepare('SELECT count(*) FROM payments').pluck().get()).to.equal(99);
  });
});

describe('a message that can not be read', () => {
  const good = eventOf('order.placed');
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const poisons: readonly [what: string, body: Buffer, contentType: string | undefined, cause: string][] = [
    ['not JSON', Buffer.from('{"id":'), undefined, 'not-json'],
    ['empty', Buffer.alloc(0), undefined, 'not-json'],
    ['10 MB of zeros', Buffer.alloc(10_000_000), undefined, 'not-json'],
    ['of another content type', json(good), 'text/plain', 'wrong-content-type'],
    ['JSON of another shape', json({ hello: 'world' }), undefined, 'not-a-cloudevent'],
    ['of an unknown type', json({ ...good, type: 'order.eaten' }), undefined, 'unknown-type'],
    ['of a type that this service does not hear', json(eventOf('product.updated')), undefined, 'unknown-type'],
    [
      'of a newer major version',
      json({ ...good, dataschema: 'urn:choreography-saga:order.placed:2' }),
      undefined,
      'newer-version',
    ],
    ['from another service than it says', json({ ...good, source: 'inventory-service' }), undefined, 'wrong-source'],
    ['with wrong data', json({ ...good, data: { ...good.data, total: -1 } }), undefined, 'wrong-data'],
  ];

  for (const [what, body, contentType, cause] of poisons)
    it(`is dead-lettered at once with its cause and acked, and the next one is handled: ${what}`, () => {
      const { clock, bus, dead, said, db } = start();
      const before = contentOf(db);
      const delivery = bus.deliver(body, { messageId: 'm-1', ...(contentType ? { contentType } : {}) });
      clock.turn();
      expect(delivery.acks()).to.equal(1);
      const [letter, ...more] = dead();
      expect(more).to.deep.equal([]);
      expect(letter?.headers).to.include({ 'x-cause': cause, 'x-original-message-id': 'm-1' });
      expect(letter?.headers?.['x-detail'], 'x-detail').to.be.a('string').with.property('length').within(1, 1_000);
      expect(letter?.body.equals(body), 'the very bytes').to.equal(true);
      const { outbox: _dead, ...after } = contentOf(db);
      const { outbox: _none, ...rest } = before;
      expect(after).to.deep.equal(rest);

      const next = bus.deliverEvent(order('1'));
      clock.turn();
      expect(next.acks()).to.equal(1);
      // Ten megabytes are more than may be on the way at once.
      bus.answerOpen('confirmed');
      expect(said()).to.have.lengthOf(1);
    });

  it('has no content type at all: the dead letter says so', () => {
    const { clock, bus, dead } = start();
    bus.deliver(Buffer.from('x'), { contentType: undefined });
    clock.turn();
    expect(dead()[0]?.headers).to.include({ 'x-cause': 'wrong-content-type', 'x-original-message-id': '' });
    expect(dead()[0]?.contentType).to.equal('application/octet-stream');
  });
});

describe('a fault that passes', () => {
  it('acks nothing while it lasts, dead-letters nothing, and goes on by itself when it is over', () => {
    const { clock, bus, db, balance, dead, node } = start();
    db.pragma('query_only = 1');
    const deliveries = ['1', '2', '3'].map((tail) => bus.deliverEvent(order(tail)));
    const unreadable = bus.deliver(Buffer.from('x'));
    clock.advance(600_000);
    expect([...deliveries, unreadable].map(({ acks }) => acks())).to.deep.equal([0, 0, 0, 0]);
    expect(node.handler.idle).to.equal(false);
    db.pragma('query_only = 0');
    clock.advance(5_000);
    expect([...deliveries, unreadable].map(({ acks }) => acks())).to.deep.equal([1, 1, 1, 1]);
    expect(balance()).to.equal(7 * placed.total);
    expect(dead()).to.have.lengthOf(1);
    expect(node.handler.tally).to.include({ delivered: 4, processed: 3, deadLettered: 1, duplicates: 0 });
    expect(node.handler.idle).to.equal(true);
  });

  it('takes up what is delivered meanwhile', () => {
    const { clock, bus, db, balance } = start();
    db.pragma('query_only = 1');
    const early = bus.deliverEvent(order('1'));
    clock.advance(2_500);
    const late = bus.deliverEvent(order('2'));
    clock.advance(100);
    db.pragma('query_only = 0');
    clock.advance(5_000);
    expect([early.acks(), late.acks()]).to.deep.equal([1, 1]);
    expect(balance()).to.equal(8 * placed.total);
  });

  it('is not counted as a failure of the reaction, however often it is met', () => {
    let full = true;
    const { clock, bus, balance, dead } = start({
      react: () => {
        if (full) throw new TransientError('disk full');
      },
    });
    bus.deliverEvent(order('1'));
    clock.advance(600_000);
    full = false;
    clock.advance(5_000);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead()).to.deep.equal([]);
  });

  it('is told to whoever asked over HTTP, and nothing of it is stored', async () => {
    const { clock, db, node } = start();
    const before = contentOf(db);
    db.pragma('query_only = 1');
    const answer = node.transact(
      (tx) => putAccount(node.parts.store, tx, 'bob', { balance: 1 }),
      newCause('request', clock),
    );
    clock.turn();
    expect(await answer.catch((error: Error) => error.name)).to.equal('TransientError');
    db.pragma('query_only = 0');
    expect(contentOf(db)).to.deep.equal(before);
  });
});

describe('a node that is stopped', () => {
  it('acks nothing more and reacts to nothing more', () => {
    const { clock, bus, balance, node } = start();
    node.stop();
    const delivery = bus.deliverEvent(order('1'));
    clock.advance(60_000);
    expect(delivery.acks()).to.equal(0);
    expect(balance()).to.equal(10 * placed.total);
  });
});

describe('the alarm of a node', () => {
  function startOrders() {
    const clock = new HandClock();
    const bus = new FakeBus();
    const definition: ServiceDefinition<'order-service', ReturnType<typeof orderService.build>> = orderService;
    const db = openDatabase(':memory:', migrationsOf(definition));
    const node = new ServiceNode(definition, { db, bus, clock, log: silentLog });
    node.start();
    const { store } = node.parts;
    const place = (afterMs: number) => {
      const placedAtMs = clock.nowMs();
      const { items, total } = placed;
      const orderId = clock.newId();
      node.submit(
        (tx) => {
          store.insert({ orderId, userId, items, total, placedAtMs, deadlineAtMs: placedAtMs + afterMs });
          tx.emit({ type: 'order.placed', data: { ...placed, orderId } });
        },
        newCause('request', clock),
        () => {},
      );
      clock.turn();
      return () => store.order(orderId)?.status;
    };
    return { clock, node, db, place };
  }

  it('rings in the millisecond of the deadline, and not one earlier', () => {
    const { clock, place } = startOrders();
    const status = place(30_000);
    clock.advance(29_999);
    expect(status()).to.equal('pending');
    clock.advance(1);
    expect(status()).to.equal('cancelling');
  });

  it('rings for an order whose deadline is earlier than that of one placed before', () => {
    const { clock, place } = startOrders();
    const late = place(30_000);
    const early = place(1_000);
    clock.advance(1_000);
    expect([late(), early()]).to.deep.equal(['pending', 'cancelling']);
    clock.advance(29_000);
    expect(late()).to.equal('cancelling');
  });

  it('rings for 250 orders of the same millisecond', () => {
    const { clock, place } = startOrders();
    const all = Array.from({ length: 250 }, () => place(1_000));
    clock.advance(1_000);
    expect(all.filter((status) => status() === 'cancelling')).to.have.lengthOf(250);
  });

  it('notices within two seconds that the wall clock has jumped past a deadline', () => {
    const { clock, place } = startOrders();
    const status = place(3_600_000);
    clock.jump(3_600_000);
    clock.advance(2_000);
    expect(status()).to.equal('cancelling');
  });

  it('waits longer when the wall clock was set back: the deadline is a time of day', () => {
    const { clock, place } = startOrders();
    const status = place(10_000);
    clock.jump(-60_000);
    clock.advance(69_999);
    expect(status()).to.equal('pending');
    clock.advance(2_000);
    expect(status()).to.equal('cancelling');
  });

  it('is tried again every second while the database can not be written', () => {
    const { clock, place, db } = startOrders();
    const status = place(1_000);
    db.pragma('query_only = 1');
    clock.advance(10_000);
    db.pragma('query_only = 0');
    expect(status()).to.equal('pending');
    clock.advance(1_000);
    expect(status()).to.equal('cancelling');
  });

  it('looks at the start at what fell due while the process was away', () => {
    const clock = new HandClock();
    const db = openDatabase(':memory:', migrationsOf(orderService));
    const { store } = new ServiceNode(orderService, { db, bus: new FakeBus(), clock, log: silentLog }).parts;
    const { orderId, items, total } = placed;
    store.insert({ orderId, userId, items, total, placedAtMs: 0, deadlineAtMs: clock.nowMs() - 1 });
    const node = new ServiceNode(orderService, { db, bus: new FakeBus(), clock, log: silentLog });
    node.start();
    clock.advance(0);
    expect(store.order(orderId)?.status).to.equal('cancelling');
  });
});
