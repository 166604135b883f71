// P6: an event that comes once more long after it was handled (a redrive, a replay) has no effect and raises no alarm: not when
// its customer was erased, not when its inbox row was deleted, and not when its order was.
import { expect } from 'chai';
import type { AnyEvent } from '../../shared/contract/choreography.ts';
import { uuidBytes } from '../../shared/contract/event-id.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { inboxKeptMsMin } from '../../shared/runtime/storage/inbox.ts';
import { reasonOf } from '../support/dead-letter-reason.ts';
import { eventOf, samples } from '../support/events.ts';
import { type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const dayMs = 86_400_000;
const pseudonym = 'erased-1';
const { productId } = samples['product.updated'];
const line = { productId, qty: 2 };
const old = { time: isoTime(Date.now() - inboxKeptMsMin) };
/** Not old before the day is over on which the tests run. */
const young = { time: isoTime(Date.now() - inboxKeptMsMin + dayMs) };

function erase(served: Served, userId: string) {
  return served.post('/erasures', { userId, pseudonym });
}

/** As retention does, once nobody can ask for the event any more. */
function deleteFromInbox(served: Served, { id }: AnyEvent): void {
  expect(served.db.prepare('DELETE FROM inbox WHERE event_id = ?').run(uuidBytes(id)).changes).to.equal(1);
}

describe('P6 Once: to payment-service, an old order.placed', () => {
  let payments: Served;
  const balance = 10 * samples['order.placed'].total;
  const { userId, total } = samples['order.placed'];
  beforeEach(async () => {
    payments = await servePayments();
    await payments.put(`/accounts/${userId}`, { balance });
  });
  afterEach(() => payments.close());

  const balanceOf = async (id: string) => (await payments.get(`/accounts/${id}`)).body.balance;

  it('is a duplicate after its customer was erased, and leaves their id nowhere; over another amount it is an alarm', async () => {
    const event = eventOf('order.placed');
    expect(await reasonOf(payments, event)).to.equal(undefined);
    await erase(payments, userId);
    expect(await reasonOf(payments, event)).to.equal(undefined);
    expect(payments.node.handler.tally.duplicates).to.equal(1);
    const journal = payments.db.prepare<[], Buffer>('SELECT body FROM journal').pluck().all();
    expect(Buffer.concat(journal).toString()).to.not.include(`"${userId}"`);
    expect(await balanceOf(pseudonym)).to.equal(balance - total);
    expect(await reasonOf(payments, { ...event, data: { ...event.data, total: total + 1 } })).to.equal('contradictory');
  });

  it('is fenced by its payment once it is two days old and the inbox does not know it, before that it is an alarm', async () => {
    for (const [event, reason] of [
      [eventOf('order.placed', samples['order.placed'], old), undefined],
      [
        eventOf(
          'order.placed',
          { ...samples['order.placed'], orderId: samples['order.placed'].orderId.replace(/.$/, '0') },
          young,
        ),
        'contradictory',
      ],
    ] as const) {
      expect(await reasonOf(payments, event)).to.equal(undefined);
      deleteFromInbox(payments, event);
      expect(await reasonOf(payments, event), event.time).to.equal(reason);
    }
    expect(await balanceOf(userId)).to.equal(balance - 2 * total);
  });

  it('is fenced after its customer was erased, too, and is an alarm when it is over another amount than was charged', async () => {
    const event = eventOf('order.placed', samples['order.placed'], old);
    await payments.consume(event);
    await erase(payments, userId);
    deleteFromInbox(payments, event);
    expect(await reasonOf(payments, { ...event, data: { ...event.data, total: total + 1 } })).to.equal('contradictory');
    expect(await reasonOf(payments, event)).to.equal(undefined);
    expect(await balanceOf(pseudonym)).to.equal(balance - total);
  });

  it('does not take its Idempotency-Key from a new order', async () => {
    const idempotency = { key: 'ab'.repeat(32), request: 'cd'.repeat(32) };
    const first = eventOf('order.placed', { ...samples['order.placed'], idempotency }, old);
    await payments.consume(first);
    deleteFromInbox(payments, first);
    // Keys are kept for a day.
    payments.db.exec('DELETE FROM order_keys');
    expect(await reasonOf(payments, first)).to.equal(undefined);
    const orderId = samples['order.placed'].orderId.replace(/.$/, '0');
    await payments.consume(eventOf('order.placed', { ...samples['order.placed'], orderId, idempotency }));
    expect((await payments.get(`/payments/${orderId}`)).body.status).to.equal('completed');
  });
});

describe('P6 Once: to payment-service, an old refusal of stock', () => {
  let payments: Served;
  beforeEach(async () => {
    payments = await servePayments();
  });
  afterEach(() => payments.close());

  it('for an order that was deleted is compensated already: nothing is retried, and nobody is refunded', async () => {
    const { orderId } = samples['inventory.rejected'];
    const placedBefore = isoTime(Date.now() - 31 * dayMs);
    expect((await payments.post('/deletions', { placedBefore, orderIds: [orderId] })).status).to.equal(200);
    expect(await reasonOf(payments, eventOf('inventory.rejected'))).to.equal(undefined);
    const { outcomes } = payments.node.handler.tally;
    expect(Object.fromEntries(outcomes)).to.deep.equal({ 'inventory.rejected -> compensated': 1 });
  });
});

describe('P6 Once: to inventory-service, an old payment.completed', () => {
  let inventory: Served;
  beforeEach(async () => {
    inventory = await serveInventory();
  });
  afterEach(() => inventory.close());

  it('is fenced by its reservation once it is two days old and the inbox does not know it; for other goods it is an alarm', async () => {
    await inventory.put(`/products/${productId}`, { name: 'Cup', unitPrice: 1500, stock: 10 });
    const items = [{ ...line, unitPrice: 1500 }];
    const first = eventOf('payment.completed', { ...samples['payment.completed'], items }, old);
    const orderId = first.data.orderId.replace(/.$/, '0');
    const later = eventOf('payment.completed', { ...first.data, orderId }, young);
    for (const event of [first, later]) {
      await inventory.consume(event);
      deleteFromInbox(inventory, event);
    }
    expect(await reasonOf(inventory, later)).to.equal('contradictory');
    const others = { ...first, data: { ...first.data, items: [{ ...line, qty: 3 }] } };
    expect(await reasonOf(inventory, others)).to.equal('contradictory');
    expect(await reasonOf(inventory, first)).to.equal(undefined);
    expect((await inventory.get(`/products/${productId}`)).body.stock).to.equal(6);
  });
});

describe('P6 Once: to order-service, an old event', () => {
  let orders: Served;
  let orderId: string;
  let amount: number;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
    ({ orderId, total: amount } = (await orders.post('/ann/orders', line)).body);
  });
  afterEach(() => orders.close());

  const paid = () => eventOf('payment.completed', { orderId, userId: 'ann', amount, items: [line] }, old);
  const reserved = (time: object) => eventOf('inventory.reserved', { orderId, items: [line] }, time);

  for (const [what, prepare] of [
    ['is known to the inbox', () => {}],
    ['is not known to the inbox any more', (event: AnyEvent) => deleteFromInbox(orders, event)],
  ] as const)
    it(`about the payment of a customer who was erased since, and which ${what}, changes nothing`, async () => {
      const payment = paid();
      for (const event of [payment, reserved(old)]) expect(await reasonOf(orders, event)).to.equal(undefined);
      expect((await erase(orders, 'ann')).status).to.equal(200);
      const facts = () => orders.stored()['facts'];
      const before = facts();
      prepare(payment);
      expect(await reasonOf(orders, payment)).to.equal(undefined);
      expect(facts()).to.deep.equal(before);
    });

  it('about the success of an order that is confirmed is noted once it is two days old, before that it is an alarm', async () => {
    for (const [time, reason] of [
      [old, undefined],
      [young, 'contradictory'],
    ] as const) {
      const event = reserved(time);
      orders.db.exec("DELETE FROM facts WHERE type = 'inventory.reserved'; UPDATE orders SET status = 'pending'");
      expect(await reasonOf(orders, event)).to.equal(undefined);
      deleteFromInbox(orders, event);
      expect(await reasonOf(orders, event), time.time).to.equal(reason);
    }
  });
});
