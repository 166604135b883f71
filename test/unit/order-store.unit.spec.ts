// The tables of order-service: lists, facts, keys, and what is due.
import { expect } from 'chai';
import { orderService } from '../../order-service/service.ts';
import { lookNow, type NewOrder, OrderStore } from '../../order-service/store.ts';
import type { EventType } from '../../shared/contract/choreography.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import { decodeEvent } from '../../shared/contract/read-message.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';

const dayMs = 24 * 60 * 60 * 1000;

function open(member?: string, path = ':memory:') {
  const db = openDatabase(path, orderService.migrations);
  return { db, store: new OrderStore(db, member) };
}

const idOf = (n: number) => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;

function orderOf(n: number, changes: Partial<NewOrder> = {}): NewOrder {
  return { orderId: idOf(n), userId, items: [], total: n, placedAtMs: n, deadlineAtMs: 1_000 + n, ...changes };
}

const ids = (orders: readonly { orderId: string }[] | undefined) => orders?.map(({ orderId }) => orderId);

describe("a customer's orders", () => {
  for (const member of [undefined, 'order-service.a'])
    it(`are listed in pages, newest first, and nobody else's with them: ${member ?? 'without a name'}`, () => {
      const { store } = open(member);
      for (const n of [1, 2, 3]) store.insert(orderOf(n));
      store.insert(orderOf(4, { userId: 'bob' }));
      expect(ids(store.ordersOf(userId, 2))).to.deep.equal([idOf(3), idOf(2)]);
      expect(ids(store.ordersOf(userId, 2, idOf(2)))).to.deep.equal([idOf(1)]);
      expect(ids(store.ordersOf(userId, 2, idOf(1)))).to.deep.equal([]);
      expect(ids(store.ordersOf('carol', 2))).to.deep.equal([]);
      expect(store.ordersOf(userId, 2, idOf(4)), 'an order of another').to.equal(undefined);
      expect(store.ordersOf(userId, 2, idOf(9)), 'no order').to.equal(undefined);
    });

  it('are read by the time of placing where they come from several instances, in any order', () => {
    const { store } = open('order-service.a');
    for (const [n, placedAtMs] of [
      [1, 30],
      [2, 10],
      [3, 30],
    ] as const)
      store.insert(orderOf(n, { placedAtMs }));
    expect(ids(store.ordersOf(userId, 10))).to.deep.equal([idOf(3), idOf(1), idOf(2)]);
    expect(ids(store.ordersOf(userId, 10, idOf(3)))).to.deep.equal([idOf(1), idOf(2)]);
  });

  it('are damaged when one is missing that was not deleted', () => {
    const { db, store } = open();
    for (const n of [1, 2]) store.insert(orderOf(n));
    db.prepare('DELETE FROM orders WHERE order_id = ?').run(idOf(1));
    expect(() => store.ordersOf(userId, 10)).to.throw('is not stored');
  });

  it('are walked through by their ids, whosever they are', () => {
    const { store } = open();
    for (const n of [2, 1, 3]) store.insert(orderOf(n));
    expect(ids(store.orders(2))).to.deep.equal([idOf(1), idOf(2)]);
    expect(ids(store.orders(2, idOf(2)))).to.deep.equal([idOf(3)]);
  });

  it('come back as they were stored', () => {
    const { store } = open('order-service.a');
    const order = orderOf(1, { items: [{ productId: 'PEN', qty: 2, unitPrice: 3 }], origin: 'order-service.b' });
    store.insert(order);
    expect(store.order(idOf(1))).to.deep.equal({ ...order, status: 'pending', reason: undefined });
    store.setStatus(idOf(1), 'cancelled', 'deadline');
    expect(store.order(idOf(1))).to.deep.equal({ ...order, status: 'cancelled', reason: 'deadline' });
    expect(store.order(idOf(2))).to.equal(undefined);
  });
});

describe('what is due', () => {
  it('is an order at its deadline, or when it was put off to, until it has ended', () => {
    const { store } = open();
    store.insert(orderOf(1));
    store.insert(orderOf(2), 500);
    expect(store.nextDueAtMs()).to.equal(500);
    expect([store.due(999, 10), store.due(1_001, 10), store.due(1_001, 1)]).to.deep.equal([
      [idOf(2)],
      [idOf(2), idOf(1)],
      [idOf(2)],
    ]);
    store.setDue(idOf(2), 2_000, 3);
    expect([store.dueAtMs(idOf(2)), store.asks(idOf(2)), store.asks(idOf(1))]).to.deep.equal([2_000, 3, 0]);
    expect(store.nextDueAtMs()).to.equal(1_001);
    store.setStatus(idOf(1), 'cancelling', 'customer');
    expect(store.dueAtMs(idOf(1))).to.equal(1_001);
    store.setStatus(idOf(1), 'cancelled', 'customer');
    expect(store.dueAtMs(idOf(1))).to.equal(undefined);
    store.setNotDue(idOf(2));
    expect([store.nextDueAtMs(), store.dueAtMs(idOf(9)), store.asks(idOf(9))]).to.deep.equal([undefined, undefined, 0]);
  });

  it('is looked at now only as long as the order is open, and keeps count of what was asked', () => {
    const { store } = open();
    for (const n of [1, 2, 3]) store.insert(orderOf(n));
    store.setDue(idOf(2), 2_000, 3);
    store.setStatus(idOf(2), 'cancelling', 'customer');
    store.setStatus(idOf(3), 'confirmed', undefined);
    for (const n of [1, 2, 3, 9]) store.setDueIfOpen(idOf(n));
    expect([1, 2, 3].map((n) => [store.dueAtMs(idOf(n)), store.asks(idOf(n))])).to.deep.equal([
      [lookNow, 0],
      [lookNow, 3],
      [undefined, 0],
    ]);
  });

  it('is, among instances, also an overdue order of another: in pages, by deadline, across its origins', () => {
    const { store } = open('order-service.a');
    const [b, c] = ['order-service.b', 'order-service.c'];
    store.insert(orderOf(1, { deadlineAtMs: 30, origin: b }));
    store.insert(orderOf(2, { deadlineAtMs: 10, origin: c }));
    store.insert(orderOf(3, { deadlineAtMs: 20 }));
    store.insert(orderOf(4, { deadlineAtMs: 20, origin: b }));
    store.insert(orderOf(5, { deadlineAtMs: 41, origin: b }));
    store.insert(orderOf(6, { deadlineAtMs: 5, origin: 'order-service.a' }));
    store.insert(orderOf(7, { deadlineAtMs: 5, origin: b }));
    store.setStatus(idOf(7), 'confirmed', undefined);
    const origins = [b, c, 'order-service'];
    for (const named of [origins, origins.toReversed()]) {
      const page = (after: { deadlineAtMs: number; orderId: string }, limit: number) =>
        store.overdue(named, 40, after, limit);
      const first = page({ deadlineAtMs: 0, orderId: '' }, 2);
      expect(ids(first)).to.deep.equal([idOf(2), idOf(3)]);
      expect(ids(page(first[1] ?? { deadlineAtMs: 0, orderId: '' }, 10))).to.deep.equal([idOf(4), idOf(1)]);
    }
    expect(ids(store.overdue([c], 40, { deadlineAtMs: 0, orderId: '' }, 10))).to.deep.equal([idOf(2)]);
  });

  it('is every open order of an instance that was adopted', () => {
    const { store } = open('order-service.a');
    for (const n of [1, 2]) store.insert(orderOf(n, { origin: 'order-service.b' }));
    store.insert(orderOf(3, { origin: 'order-service.c' }));
    store.setStatus(idOf(2), 'confirmed', undefined);
    store.makeDue('order-service.b');
    expect(store.due(1_000_000, 10)).to.deep.equal([idOf(1)]);
    expect([store.hasOrdersOf('order-service.b'), store.hasOrdersOf('order-service.x')]).to.deep.equal([true, false]);
  });
});

describe('the facts about an order', () => {
  const orderId = idOf(1);
  const fact = (type: EventType, changes: Partial<CloudEvent> = {}): CloudEvent => ({
    ...eventOf(type, { ...samples[type], orderId } as never, { id: idOf(50), time: '2030-01-01T00:00:00.000Z' }),
    ...changes,
  });

  it('are one of each type, in the order of their writing', () => {
    const { store } = open();
    const [later, earlier] = [
      fact('order.withdrawn', { time: '2030-01-01T00:00:02.000Z' }),
      fact('order.placed', { time: '2030-01-01T00:00:01.000Z', data: { text: 'ä' } }),
    ];
    for (const event of [later, earlier]) store.addFact(event);
    const { id, source, time, causationid } = earlier;
    expect(store.facts(orderId)[0]).to.deep.equal({
      type: 'order.placed',
      eventId: id,
      source,
      time,
      causationId: causationid,
      data: { text: 'ä' },
    });
    expect(store.facts(orderId).map(({ type }) => type)).to.deep.equal(['order.placed', 'order.withdrawn']);
    expect(store.factTypes(orderId)).to.deep.equal(new Set(['order.placed', 'order.withdrawn']));
    expect(store.fact(orderId, 'order.placed')?.eventId).to.equal(id);
    expect(store.fact(orderId, 'order.confirmed')).to.equal(undefined);
  });

  const data = (attempt?: number) => ({ orderId, userId, reason: 'deadline', ...(attempt ? { attempt } : {}) });
  const pairs: readonly [what: string, earlier: Partial<CloudEvent>, later: Partial<CloudEvent>][] = [
    ['the first withdrawal, whatever the clocks say', { data: data(), time: '2031' }, { data: data(2), time: '2030' }],
    ['the second of three', { data: data(2) }, { data: data(3) }],
    ['the earlier one', { time: '2030' }, { time: '2031' }],
    ['at the same time, the lower id', { id: idOf(1) }, { id: idOf(2) }],
    ['of one id, the lower source', { source: 'order-service.a' }, { source: 'order-service.b' }],
  ];
  for (const [what, earlier, later] of pairs)
    it(`of one type are the same in whatever order they came: ${what}`, () => {
      const both = [earlier, later].map((changes) =>
        fact('order.withdrawn', { time: '2030', data: data(), ...changes }),
      );
      const kept = [both, both.toReversed()].map((events) => {
        const { store } = open('order-service.a');
        for (const event of events) store.addFact(event);
        const { eventId, source, time, data } = store.fact(orderId, 'order.withdrawn') ?? {};
        return { id: eventId, source, time, data };
      });
      const [{ id, source, time, data: said } = fact('order.withdrawn')] = both;
      expect(kept).to.deep.equal(Array(2).fill({ id, source, time, data: said }));
    });

  it('are handed on as the events that they came from, in pages', () => {
    const { store } = open();
    const events = [fact('order.confirmed'), fact('order.placed')];
    for (const event of events) store.addFact(event);
    store.addFact({ ...fact('order.placed'), subject: idOf(2) });
    const first = store.copies({ orderId: '', type: '' }, 2);
    expect(first.events.map(({ subject, type }) => [subject, type])).to.deep.equal([
      [orderId, 'order.confirmed'],
      [orderId, 'order.placed'],
    ]);
    expect(first.next).to.deep.equal({ orderId, type: 'order.placed' });
    expect(store.copies({ orderId: '', type: '' }, 3).next).to.deep.equal({ orderId: idOf(2), type: 'order.placed' });
    const rest = store.copies(first.next ?? { orderId: '', type: '' }, 2);
    expect([rest.events.map(({ subject }) => subject), rest.next]).to.deep.equal([[idOf(2)], undefined]);
    const { traceparent, ...copy } = first.events[1] ?? fact('order.placed');
    const { traceparent: _ended, ...original } = events[1] ?? fact('order.placed');
    expect(copy).to.deep.equal(original);
    expect(traceparent).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    const body = Buffer.from(JSON.stringify(first.events[1]));
    expect(decodeEvent(body, 'application/cloudevents+json', choreography)).to.include({ id: idOf(50) });
  });
});

describe('the key that an order was placed with', () => {
  const hex = (n: number) => String(n).padStart(64, '0');

  it('names the earlier of two orders, whichever is known first, for a day', () => {
    for (const placed of [
      [1, 2],
      [2, 1],
    ]) {
      const { store } = open('order-service.a');
      for (const n of placed) store.putKey({ key: hex(7), request: hex(n) }, idOf(n), 1_000 * n);
      expect(store.orderWithKey(hex(7), 3_000)).to.deep.equal({ orderId: idOf(1), request: hex(1) });
      expect(store.orderWithKey(hex(8), 3_000)).to.equal(undefined);
      expect(store.orderWithKey(hex(7), 1_000 + dayMs - 1)?.orderId).to.equal(idOf(1));
      expect(store.orderWithKey(hex(7), 1_000 + dayMs)).to.equal(undefined);
    }
  });

  it('may be used again after a day', () => {
    const { store } = open('order-service.a');
    store.putKey({ key: hex(7), request: hex(1) }, idOf(1), 0);
    store.putKey({ key: hex(7), request: hex(2) }, idOf(2), dayMs);
    expect(store.orderWithKey(hex(7), dayMs)?.orderId).to.equal(idOf(2));
  });

  it('clears two that have expired, so that the table does not grow for ever', () => {
    const { db, store } = open('order-service.a');
    for (const n of [1, 2, 3, 4]) store.putKey({ key: hex(n), request: hex(n) }, idOf(n), n);
    store.putKey({ key: hex(5), request: hex(5) }, idOf(5), 3 + dayMs);
    expect(db.prepare('SELECT at_ms FROM order_keys ORDER BY at_ms').pluck().all()).to.deep.equal([3, 4, 3 + dayMs]);
  });
});

describe('a database that processes share', () => {
  afterEach(removeDatabases);

  it('says whether another one has written since it was last asked', () => {
    const path = newDatabasePath();
    const [one, other] = [open(undefined, path), open(undefined, path)];
    expect(one.store.changedElsewhere(), 'asked for the first time').to.equal(true);
    expect(one.store.changedElsewhere()).to.equal(false);
    one.store.insert(orderOf(1));
    expect(one.store.changedElsewhere(), 'by itself').to.equal(false);
    other.store.insert(orderOf(2));
    expect([one.store.changedElsewhere(), one.store.changedElsewhere()]).to.deep.equal([true, false]);
    for (const { db } of [one, other]) db.close();
  });
});
