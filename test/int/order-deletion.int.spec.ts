// Orders that ended long ago are deleted, and stay over: books balance, and nothing that is still said about them has an effect.
import { expect } from 'chai';
import { z } from 'zod';
import {
  inventorySumsDisagreement,
  ledgerDisagreement,
  paymentSumsDisagreement,
} from '../../local/audit/totals-rules.ts';
import { deleteOrders } from '../../local/order-deletion.ts';
import { uuidTimeMs } from '../../shared/contract/event-id.ts';
import type { Clock } from '../../shared/runtime/environment/clock.ts';
import { systemClock } from '../../shared/runtime/environment/clock.ts';
import { eventOf, samples } from '../support/events.ts';
import { expectProblem, type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const dayMs = 86_400_000;
/** The default of JOURNAL_RETENTION_MS, and a day. */
const keptDaysMin = 31;
const qty = 2;
const unitPrice = samples['product.updated'].unitPrice;
const total = qty * unitPrice;
const { productId } = samples['product.updated'];
const items = [{ productId, qty, unitPrice }];

/** Ids of orders that were placed so many days ago, in this order. */
function oldId(days: number, n = 0): string {
  const hex = (Date.now() - days * dayMs + n).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

function daysAgo(days: number): string {
  return new Date(Date.now() - days * dayMs).toISOString();
}

function deletion(served: Served, orderIds: readonly string[], days = keptDaysMin) {
  return served.post('/deletions', { placedBefore: daysAgo(days), orderIds });
}

function placed(orderId: string) {
  return eventOf('order.placed', {
    ...samples['order.placed'],
    ...{ orderId, userId: 'ann', items, total },
  });
}

describe('deleting old orders from payment-service', () => {
  const PaymentTotals = z.object({
    accounts: z.int(),
    balances: z.int(),
    paidIn: z.int(),
    charged: z.int(),
    refunded: z.int(),
  });
  const [confirmed, withdrawn, kept] = [oldId(100, 1), oldId(100, 2), oldId(20, 3)];
  let payments: Served;
  before(async () => {
    payments = await servePayments();
    await payments.put('/accounts/ann', { balance: 10 * total });
    for (const orderId of [confirmed, withdrawn, kept]) await payments.consume(placed(orderId));
    await payments.consume(eventOf('order.withdrawn', { orderId: withdrawn, userId: 'ann', reason: 'customer' }));
  });
  after(() => payments.close());

  const totals = async () => PaymentTotals.parse((await payments.get('/totals')).body);

  it(`refuses a day that is less than ${keptDaysMin} days ago, and an order that was placed later`, async () => {
    expectProblem(await deletion(payments, [confirmed], keptDaysMin - 1), 409, 'orders-too-young');
    expectProblem(await deletion(payments, [kept]), 400, 'invalid-request');
    expect((await payments.get(`/payments/${confirmed}`)).status).to.equal(200);
  });

  it('leaves balances, ledger and the rules of the totals as they were, however often it is asked', async () => {
    const before = await payments.get('/accounts/ann');
    for (const deleted of [2, 0]) {
      expect((await deletion(payments, [confirmed, withdrawn])).body).to.deep.equal({ deleted });
      expect((await payments.get('/accounts/ann')).body).to.deep.equal(before.body);
      const sums = await totals();
      expect(paymentSumsDisagreement(sums)).to.equal(undefined);
      expect(ledgerDisagreement(sums, total)).to.equal(undefined);
    }
    expect((await payments.get(`/payments/${confirmed}`)).status).to.equal(404);
    expect((await payments.get(`/payments/${kept}`)).body).to.include({ status: 'completed' });
  });

  it('charges a deleted order no second time, and voids it when it is withdrawn once more', async () => {
    const before = await totals();
    const already = payments.published().length;
    await payments.consume(placed(confirmed));
    await payments.consume(placed(oldId(90, 9)));
    expect(payments.published().slice(already)).to.deep.equal([]);
    await payments.consume(
      eventOf('order.withdrawn', { orderId: withdrawn, userId: 'ann', reason: 'customer', attempt: 2 }),
    );
    const [voided, ...others] = payments.published().slice(already);
    expect(others).to.deep.equal([]);
    expect(voided).to.deep.include({ type: 'payment.voided', subject: withdrawn });
    expect(await totals()).to.deep.equal(before);
  });
});

describe('deleting old orders from inventory-service', () => {
  const InventoryTotals = z.object({
    products: z.int(),
    stock: z.int(),
    broughtIn: z.int(),
    reserved: z.int(),
    released: z.int(),
  });
  const [confirmed, withdrawn] = [oldId(100, 1), oldId(100, 2)];
  let inventory: Served;
  before(async () => {
    inventory = await serveInventory();
    await inventory.put(`/products/${productId}`, { name: 'Cup', unitPrice, stock: 50 });
    for (const orderId of [confirmed, withdrawn]) await inventory.consume(paid(orderId));
    await inventory.consume(eventOf('order.withdrawn', { orderId: withdrawn, userId: 'ann', reason: 'customer' }));
  });
  after(() => inventory.close());

  const paid = (orderId: string) =>
    eventOf('payment.completed', { ...samples['payment.completed'], orderId, userId: 'ann', amount: total, items });

  it('leaves the stock as it was, and reserves nothing for a deleted order again', async () => {
    expect((await deletion(inventory, [confirmed, withdrawn])).body).to.deep.equal({ deleted: 2 });
    const after = InventoryTotals.parse((await inventory.get('/totals')).body);
    expect(after).to.include({ stock: 50 - qty, reserved: 0, released: 0 });
    expect(inventorySumsDisagreement(after)).to.equal(undefined);
    await inventory.consume({ ...paid(confirmed), id: systemClock.newId() });
    expect((await inventory.get('/totals')).body).to.deep.equal(after);
  });
});

describe('deleting old orders from order-service', () => {
  let oldMs: number | undefined = Date.now() - 100 * dayMs;
  const now = () => oldMs ?? Date.now();
  const clock: Clock = {
    ...systemClock,
    nowMs: now,
    newId: () => {
      const id = systemClock.newId().replaceAll('-', '');
      const hex = now().toString(16).padStart(12, '0') + id.slice(12);
      if (oldMs !== undefined) oldMs += 1;
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
  let orders: Served;
  let ids: string[];
  before(async () => {
    orders = await serveOrders({ clock });
    await orders.consumeProduct();
    ids = [];
    for (let n = 0; n < 4; n += 1) {
      const { body } = await orders.post('/ann/orders', { productId, qty: 1 });
      const { orderId } = z.object({ orderId: z.string() }).parse(body);
      ids.push(orderId);
      const failed = { orderId, userId: 'ann', amount: unitPrice, items: [{ productId, qty: 1, unitPrice }] };
      if (n < 3) await orders.consume(eventOf('payment.failed', { ...failed, reason: 'insufficient_funds' }));
    }
    oldMs = undefined;
  });
  after(() => orders.close());

  const listed = async () =>
    z.object({ orders: z.array(z.unknown()) }).parse((await orders.get('/ann/orders')).body).orders.length;

  it('refuses an order that has not ended, and one before an older one of its customer; nothing is deleted then', async () => {
    expectProblem(await deletion(orders, [...ids]), 409, 'order-open');
    expectProblem(await deletion(orders, ids.slice(1, 2)), 409, 'older-order-kept');
    expect(await listed()).to.equal(4);
  });

  it('deletes the older ones with their facts; the list of the customer ends with those that are left', async () => {
    expect((await deletion(orders, ids.slice(0, 2))).body).to.deep.equal({ deleted: 2 });
    expect((await orders.get(`/orders/${ids[0]}`)).status).to.equal(404);
    expect(await listed()).to.equal(2);
    expect(
      orders.db.prepare('SELECT count(*) FROM facts WHERE order_id IN (?, ?)').pluck().get(ids[0], ids[1]),
    ).to.equal(0);
    expect((await orders.get('/totals')).body).to.deep.include({ cancelled: { orders: 1, total: unitPrice } });
  });

  it('takes what is still said about them for old news', async () => {
    const [orderId = ''] = ids;
    expect(uuidTimeMs(orderId)).to.be.lessThan(Date.now() - keptDaysMin * dayMs);
    const before = orders.stored();
    await orders.consume(
      eventOf('payment.completed', {
        ...samples['payment.completed'],
        orderId,
        userId: 'ann',
        amount: unitPrice,
        items,
      }),
    );
    const after = orders.stored();
    expect([after['orders'], after['facts']]).to.deep.equal([before['orders'], before['facts']]);
  });

  it('by the command: asks all services, ends at an order that has not ended, and refuses what is too young', async () => {
    const others = await Promise.all([servePayments(), serveInventory()]);
    const [payments, inventory] = others;
    const urls = { 'order-service': orders.url, 'payment-service': payments.url, 'inventory-service': inventory.url };
    try {
      const young = Date.now() - (keptDaysMin - 1) * dayMs;
      const refused = await deleteOrders(urls, young, () => {}).catch(String);
      expect(refused).to.match(/answered 409: .* is less than 31 days ago/);
      expect(await listed()).to.equal(2);
      const old = Date.now() - keptDaysMin * dayMs;
      expect(await deleteOrders(urls, old, () => {})).to.deep.equal({ deleted: 1, open: ids[3] });
      expect(await deleteOrders(urls, old, () => {})).to.deep.equal({ deleted: 0, open: ids[3] });
      expect(await listed()).to.equal(1);
    } finally {
      for (const other of others) await other.close();
    }
  });
});
