// Erasing a person: the id is in no table and no journal any more, and the totals still balance.
import { expect } from 'chai';
import { eraseStepRows } from '../../shared/runtime/node/erasure.ts';
import { eventOf, samples } from '../support/events.ts';
import { expectProblem, type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

const line = { productId: samples['product.updated'].productId, qty: 2 };
const pseudonym = 'erased-1';

/** Everything that a service keeps, as text. Answers to idempotency keys expire by themselves within a day. */
function kept(served: Served): string {
  const { idempotency_keys: _, ...tables } = served.stored();
  const text = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value));
  return Object.values(tables)
    .flat()
    .flatMap((row) => Object.values(row as object).map(text))
    .join('\n')
    .replaceAll('\\', '');
}

const erase = (served: Served, userId: string) => served.post('/erasures', { userId, pseudonym });

describe('erasing a customer from order-service', () => {
  let orders: Served;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
  });
  afterEach(() => orders.close());

  const placed = async (userId: string): Promise<string> => (await orders.post(`/${userId}/orders`, line)).body.orderId;
  const end = (orderId: string, userId: string) =>
    orders.consume(
      eventOf('payment.failed', { orderId, userId, amount: 3000, items: [line], reason: 'insufficient_funds' }),
    );

  it('leaves the id nowhere, and the orders under the pseudonym, with those of others as they were', async () => {
    const [first, second, other] = [await placed('ann'), await placed('ann'), await placed('anna')];
    await end(first, 'ann');
    await end(second, 'ann');
    const before = await orders.get('/totals');
    expect(kept(orders)).to.include('"ann"').and.include('"userId":"ann"');
    expect((await erase(orders, 'ann')).status).to.equal(200);
    const after = kept(orders);
    expect(after).to.not.include('"ann"');
    const ids = async (userId: string) =>
      (await orders.get(`/${userId}/orders`)).body.orders.map(({ orderId }: { orderId: string }) => orderId);
    expect(await ids('ann')).to.deep.equal([]);
    expect(await ids(pseudonym)).to.deep.equal([second, first]);
    expect(await ids('anna')).to.deep.equal([other]);
    expect((await orders.get('/totals')).body).to.deep.equal(before.body);
    expect((await orders.get(`/orders/${first}/timeline`)).body.events[0].data.userId).to.equal(pseudonym);
  });

  it('leaves the journal as others compare it, and every event a valid one', async () => {
    await end(await placed('ann'), 'ann');
    const range = 'after=0&until=100&types=order.placed,order.cancelled&consumer=test';
    const before = await orders.get(`/events/digests?${range}`);
    await erase(orders, 'ann');
    expect((await orders.get(`/events/digests?${range}`)).body).to.deep.equal(before.body);
    const events = (await orders.get('/events')).body;
    expect(events.map(({ data }: { data: { userId: string } }) => data.userId)).to.deep.equal([pseudonym, pseudonym]);
  });

  it('is refused while an order is open, and changes nothing', async () => {
    await end(await placed('ann'), 'ann');
    await placed('ann');
    const before = kept(orders);
    expectProblem(await erase(orders, 'ann'), 409, 'order-open');
    expect(kept(orders)).to.equal(before);
  });

  it('takes several steps for many orders, again when asked again, and nothing for a stranger', async () => {
    const count = eraseStepRows + 1;
    orders.node.submit(
      (tx) => {
        const { store } = orders.node.parts as unknown as { store: { insert(order: object): void } };
        for (let n = 0; n < count; n += 1)
          store.insert({ orderId: tx.newId(), userId: 'ann', items: [], total: 0, placedAtMs: 0, deadlineAtMs: 0 });
        orders.db.exec("UPDATE orders SET status = 'cancelled', due_at_ms = NULL");
      },
      orders.node.newCause(),
      () => {},
    );
    for (const userId of ['ann', 'ann', 'nobody']) expect((await erase(orders, userId)).status).to.equal(200);
    const users = orders.db.prepare('SELECT user_id, count(*) AS n FROM orders GROUP BY user_id').all();
    expect(users).to.deep.equal([{ user_id: pseudonym, n: count }]);
    expect(orders.stored()['customers']).to.have.lengthOf(1);
  });

  it('is refused without a pseudonym, or with the user id as one', async () => {
    for (const body of [{ userId: 'ann' }, { userId: 'ann', pseudonym: 'ann' }])
      expectProblem(await orders.post('/erasures', body), 400, 'invalid-request');
  });
});

describe('erasing a customer from payment-service', () => {
  it('leaves the id nowhere, and totals that balance as before', async () => {
    const payments = await servePayments();
    await payments.put('/accounts/ann', { balance: 10_000 });
    await payments.put('/accounts/bob', { balance: 5_000 });
    const order = (orderId: string, userId: string, total: number) =>
      payments.consume(eventOf('order.placed', { ...samples['order.placed'], orderId, userId, total }));
    const id = (n: number) => `01900000-0000-7000-8000-00000000000${n}`;
    await order(id(1), 'ann', 3_000);
    await order(id(2), 'ann', 1_000_000);
    await order(id(3), 'bob', 1_000);
    await payments.consume(eventOf('inventory.rejected', { ...samples['inventory.rejected'], orderId: id(1) }));
    const before = (await payments.get('/totals')).body;
    expect((await erase(payments, 'ann')).status).to.equal(200);
    expect((await erase(payments, 'ann')).status, 'again').to.equal(200);
    const after = kept(payments);
    expect(after).to.not.include('"ann"');
    expect((await payments.get('/totals')).body).to.deep.equal(before);
    expect((await payments.get('/accounts/ann')).status).to.equal(404);
    const { balance, blocked, entries } = (await payments.get(`/accounts/${pseudonym}`)).body;
    expect([balance, blocked, entries.length]).to.deep.equal([10_000, true, 3]);
    expect((await payments.get(`/payments/${id(2)}`)).body).to.include({ userId: pseudonym, status: 'failed' });
    expect((await payments.get('/accounts/bob')).body.balance).to.equal(4_000);
    await payments.close();
  });
});

describe('erasing a customer from inventory-service', () => {
  it('takes the id out of dead letters in its journal, also of those that are no JSON', async () => {
    const inventory = await serveInventory();
    const body = Buffer.concat([Buffer.from('{"userId":"ann","x":'), Buffer.from([0xff, 0xfe])]);
    inventory.bus.deliver(body);
    await eventually(
      'the dead letter to be stored',
      () => inventory.stored()['journal']?.length,
      (length) => length === 1,
    );
    await erase(inventory, 'ann');
    const [letter] = inventory.db.prepare<[], Buffer>('SELECT body FROM journal').pluck().all();
    expect(
      letter?.equals(Buffer.concat([Buffer.from(`{"userId":"${pseudonym}","x":`), Buffer.from([0xff, 0xfe])])),
    ).to.equal(true);
    await inventory.close();
  });
});
