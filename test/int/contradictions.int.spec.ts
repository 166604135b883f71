// P10: what contradicts what a service knows is a dead letter with an alarm, and changes nothing.
import { expect } from 'chai';
import { reasonOf } from '../support/dead-letter-reason.ts';
import { eventOf, samples } from '../support/events.ts';
import { type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const line = { productId: samples['product.updated'].productId, qty: 2 };

async function alarms(served: Served): Promise<number> {
  const { text } = await served.get('/metrics');
  const counts = text.matchAll(/^saga_events_dead_lettered_total\{.*reason="contradictory".*\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

describe('P10 Bad input: to order-service, an event', () => {
  let orders: Served;
  let orderId: string;
  let total: number;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
    ({ orderId, total } = (await orders.post('/ann/orders', line)).body);
  });
  afterEach(() => orders.close());

  const completed = (change: object = {}) =>
    eventOf('payment.completed', { orderId, userId: 'ann', amount: total, items: [line], ...change });
  const statusNow = async () => (await orders.get(`/orders/${orderId}`)).body.status;

  for (const [what, change] of [
    ['amount', { amount: 1 }],
    ['customer', { userId: 'eve' }],
    ['number of items', { items: [{ ...line, qty: 3 }] }],
    ['product', { items: [{ ...line, productId: 'OTHER' }] }],
    ['additional item', { items: [line, { productId: 'OTHER', qty: 1 }] }],
  ] as const)
    it(`about a payment with another ${what} is dead-lettered, raises an alarm, and is no fact`, async () => {
      expect(await reasonOf(orders, completed(change))).to.equal('contradictory');
      expect(await alarms(orders)).to.equal(1);
      const { events } = (await orders.get(`/orders/${orderId}/timeline`)).body;
      expect(events.map(({ type }: { type: string }) => type)).to.deep.equal(['order.placed']);
    });

  it('about a payment that agrees is a fact; a second time it is a duplicate, also from a newer version', async () => {
    const event = completed();
    expect(await reasonOf(orders, event)).to.equal(undefined);
    expect(
      await reasonOf(orders, { ...event, data: { ...event.data, items: [{ ...line, unitPrice: 1500 }] } }),
    ).to.equal(undefined);
    expect(orders.node.handler.tally.duplicates).to.equal(1);
  });

  it('that was handled before with other data is dead-lettered, and what was known stays', async () => {
    const event = completed();
    await reasonOf(orders, event);
    expect(await reasonOf(orders, { ...event, data: { ...event.data, amount: 1 } })).to.equal('contradictory');
    expect(await reasonOf(orders, event), 'the true one once more').to.equal(undefined);
    expect(await alarms(orders)).to.equal(1);
  });

  it('about the refund of a confirmed order is dead-lettered, and the order stays confirmed', async () => {
    await reasonOf(orders, completed());
    await reasonOf(orders, eventOf('inventory.reserved', { orderId, items: [line] }));
    expect(await statusNow()).to.equal('confirmed');
    const refunded = eventOf('payment.refunded', { orderId, userId: 'ann', amount: total, because: 'order.withdrawn' });
    expect(await reasonOf(orders, refunded)).to.equal('contradictory');
    expect(await statusNow()).to.equal('confirmed');
  });
});

describe('P10 Bad input: an order, or a payment, that was handled before with other data', () => {
  it('is dead-lettered by payment-service, and takes no money', async () => {
    const payments = await servePayments();
    await payments.put('/accounts/ann', { balance: 10_000 });
    const placed = eventOf('order.placed');
    expect(await reasonOf(payments, placed)).to.equal(undefined);
    for (const change of [{ total: 1 }, { userId: 'eve' }])
      expect(await reasonOf(payments, { ...placed, data: { ...placed.data, ...change } })).to.equal('contradictory');
    expect(await reasonOf(payments, placed)).to.equal(undefined);
    expect((await payments.get('/accounts/ann')).body.balance).to.equal(10_000 - placed.data.total);
    await payments.close();
  });

  it('is dead-lettered by inventory-service, and sets nothing aside', async () => {
    const inventory = await serveInventory();
    const { productId } = line;
    await inventory.put(`/products/${productId}`, { name: 'Pen', unitPrice: 1500, stock: 10 });
    const completed = eventOf('payment.completed');
    expect(await reasonOf(inventory, completed)).to.equal(undefined);
    const items = [{ productId, qty: 9 }];
    expect(await reasonOf(inventory, { ...completed, data: { ...completed.data, items } })).to.equal('contradictory');
    expect(await reasonOf(inventory, completed)).to.equal(undefined);
    expect((await inventory.get(`/products/${productId}`)).body.stock).to.equal(8);
    await inventory.close();
  });

  it('is a duplicate where it was fenced off, whatever it says, since nothing came of it', async () => {
    const payments = await servePayments();
    const inventory = await serveInventory();
    for (const [served, event] of [
      [payments, eventOf('order.placed')],
      [inventory, eventOf('payment.completed')],
    ] as const) {
      expect(await reasonOf(served, eventOf('order.withdrawn'))).to.equal(undefined);
      for (let time = 1; time <= 2; time += 1)
        expect(await reasonOf(served, event), `${served.name}, time ${time}`).to.equal(undefined);
      expect(served.node.handler.tally.duplicates, served.name).to.equal(1);
      await served.close();
    }
  });

  it('is looked for among orders and payments only: any other event that comes twice is a duplicate', async () => {
    const payments = await servePayments();
    const inventory = await serveInventory();
    for (const [served, first] of [
      [payments, eventOf('order.placed')],
      [inventory, eventOf('payment.completed')],
    ] as const) {
      await served.consume(first);
      const withdrawn = eventOf('order.withdrawn');
      for (let time = 1; time <= 2; time += 1)
        expect(await reasonOf(served, withdrawn), `${served.name}, time ${time}`).to.equal(undefined);
      await served.close();
    }
  });

  it('is a duplicate to inventory-service when only the order of its lines differs', async () => {
    const inventory = await serveInventory();
    const completed = eventOf('payment.completed');
    const items = ['b', 'a', 'c'].map((productId) => ({ productId, qty: 1 }));
    await inventory.consume({ ...completed, data: { ...completed.data, items } });
    const turned = { ...completed, data: { ...completed.data, items: items.toReversed() } };
    expect(await reasonOf(inventory, turned)).to.equal(undefined);
    expect(inventory.node.handler.tally.duplicates).to.equal(1);
    await inventory.close();
  });
});
