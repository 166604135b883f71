// What the routes of each service answer when all is well.
import { expect } from 'chai';
import { eventOf, samples } from '../support/events.ts';
import { expectProblem, type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const unknownOrder = '01900000-0000-7000-8000-0000000000ff';
const productId = samples['product.updated'].productId;

describe('order-service over HTTP', () => {
  let orders: Served;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
  });
  afterEach(() => orders.close());

  const place = (body: object = {}, headers = {}) =>
    orders.post('/orders', { userId: 'ann', items: [{ productId, qty: 2 }], ...body }, headers);

  it('accepts an order, answers where to look, and publishes order.placed', async () => {
    const placed = await place();
    expect(placed.status).to.equal(202);
    expect(placed.headers.location).to.equal(`/orders/${placed.body.orderId}`);
    expect(placed.body).to.include({ userId: 'ann', status: 'pending', total: 3000 });
    expect(placed.body.waitsFor).to.deep.include.members([
      {
        service: 'payment-service',
        events: ['payment.completed', 'payment.failed'],
        since: placed.body.placedAt,
      },
    ]);
    expect((await orders.get(placed.headers.location ?? '')).body).to.deep.equal(placed.body);
    expect(orders.published().map(({ type, subject }) => [type, subject])).to.deep.equal([
      ['order.placed', placed.body.orderId],
    ]);
  });

  it('accepts the short form, alone and below its own name, with a Location below the same', async () => {
    const short = await orders.post('/ann/orders', { productId, qty: 10, unitPrice: 1500 });
    const prefixed = await orders.post('/order-service/ann/orders', { productId, qty: 1 });
    expect([short.status, prefixed.status]).to.deep.equal([202, 202]);
    expect(prefixed.headers.location).to.equal(`/order-service/orders/${prefixed.body.orderId}`);
    expect((await orders.get(prefixed.headers.location ?? '')).status).to.equal(200);
    for (const path of ['/ann/orders', '/order-service/ann/orders', '/orders?userId=ann'])
      expect((await orders.get(path)).body.orders, path).to.have.lengthOf(2);
    expect((await orders.get('/order-service/orders?userId=ann')).body.orders).to.have.lengthOf(2);
  });

  it('tells the status and timeline of an order that was confirmed, with the cause of each event', async () => {
    const { orderId } = (await place()).body;
    const paid = eventOf('payment.completed', { ...samples['payment.completed'], orderId });
    await orders.consume(paid);
    await orders.consume(eventOf('inventory.reserved', { ...samples['inventory.reserved'], orderId }));
    const order = (await orders.get(`/orders/${orderId}`)).body;
    expect(order).to.deep.include({ status: 'confirmed', waitsFor: [] });
    const { status, events } = (await orders.get(`/orders/${orderId}/timeline`)).body;
    expect(status).to.equal('confirmed');
    const causes = Object.fromEntries(
      events.map((event: { type: string; cause: string }) => [event.type, event.cause]),
    );
    expect(causes).to.include({ 'order.placed': 'request', 'order.confirmed': 'inventory.reserved' });
    expect(events).to.have.lengthOf(4);
  });

  it('cancels a pending order, the same when asked twice, and no confirmed one', async () => {
    const { orderId } = (await place()).body;
    const first = await orders.post(`/orders/${orderId}/cancel`);
    expect(first.status).to.equal(202);
    expect(first.body).to.include({ status: 'cancelling', reason: 'customer' });
    const again = await orders.post(`/orders/${orderId}/cancel`);
    expect(again.body).to.deep.equal(first.body);
    expect(orders.published().map(({ type }) => type)).to.deep.equal(['order.placed', 'order.withdrawn']);

    const confirmed = (await place()).body.orderId;
    await orders.consume(eventOf('inventory.reserved', { ...samples['inventory.reserved'], orderId: confirmed }));
    expectProblem(await orders.post(`/orders/${confirmed}/cancel`), 409, 'order-confirmed');
  });

  it('knows no order that was never placed', async () => {
    for (const path of [`/orders/${unknownOrder}`, `/orders/${unknownOrder}/timeline`])
      expectProblem(await orders.get(path), 404, 'no-such-order');
    expectProblem(await orders.post(`/orders/${unknownOrder}/cancel`), 404, 'no-such-order');
  });

  it('answers with the outcome when asked to wait for it', async () => {
    const waiting = place({}, { prefer: 'wait=10' });
    // The order is there when order.placed has reached the broker.
    const event = await orders.bus.next('order.placed');
    const orderId = event.subject;
    await orders.consume(eventOf('payment.failed', { ...samples['payment.failed'], orderId }));
    const answer = await waiting;
    expect(answer.status).to.equal(200);
    expect(answer.headers['preference-applied']).to.equal('wait=10');
    expect(answer.body).to.include({ status: 'cancelled', reason: 'insufficient_funds' });
  });

  it('waits for 30 seconds at most, whatever is preferred, and answers as soon as the order ends', async () => {
    const waiting = place({}, { prefer: 'wait=31' });
    const { subject } = await orders.bus.next('order.placed');
    await orders.consume(eventOf('payment.failed', { ...samples['payment.failed'], orderId: subject }));
    expect((await waiting).headers['preference-applied']).to.equal('wait=30');
    // This request is given up after ten seconds.
    const ended = await orders.post(`/orders/${subject}/cancel`, undefined, { prefer: 'wait=30' });
    expect([ended.status, ended.body.status]).to.deep.equal([200, 'cancelled']);
  });

  it('answers with what is known when the outcome does not come in time, here at once', async () => {
    const answer = await place({}, { prefer: 'respond-async, wait=0' });
    expect(answer.status).to.equal(202);
    expect(answer.body.status).to.equal('pending');
  });

  it('walks through 45 orders in pages of 20, newest first, none twice, none missing', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 45; count += 1) ids.push((await place()).body.orderId);
    await place({ userId: 'bob' });
    const seen: string[][] = [];
    let before = '';
    do {
      const { body } = await orders.get(`/ann/orders?limit=20${before}`);
      seen.push(body.orders.map(({ orderId }: { orderId: string }) => orderId));
      // One that is placed meanwhile disturbs no later page.
      await place();
      before = body.next ? `&before=${body.next}` : '';
    } while (before !== '');
    expect(seen.map(({ length }) => length)).to.deep.equal([20, 20, 5]);
    expect(seen.flat()).to.deep.equal(ids.reverse());
  });

  it('has no next page when the last one is exactly full', async () => {
    for (let count = 0; count < 2; count += 1) await place();
    expect((await orders.get('/ann/orders?limit=2')).body).to.not.have.property('next');
    expect((await orders.get('/ann/orders?limit=1')).body).to.have.property('next');
  });

  it('lists the orders of all users in the order of their ids when no user is named', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.push((await place()).body.orderId);
    const first = (await orders.get('/orders?limit=2')).body;
    expect(first.orders.map(({ orderId }: { orderId: string }) => orderId)).to.deep.equal(ids.slice(0, 2));
    const second = (await orders.get(`/orders?limit=2&after=${first.next}`)).body;
    expect(second.orders.map(({ orderId }: { orderId: string }) => orderId)).to.deep.equal(ids.slice(2));
    expect(second).to.not.have.property('next');
  });

  it('refuses page limits 0, 101 and others that are no number from 1 to 100', async () => {
    for (const limit of ['0', '101', '-1', '1.5', 'all', '', '1&limit=2'])
      expectProblem(await orders.get(`/ann/orders?limit=${limit}`), 400, 'invalid-request');
    expectProblem(await orders.get('/ann/orders?before=yesterday'), 400, 'invalid-request');
    expectProblem(await orders.get('/ann/orders?page=2'), 400, 'invalid-request');
    expectProblem(await orders.get('/orders?userId='), 400, 'invalid-request');
  });

  it('refuses to go on from an order that is not there, or is of somebody else', async () => {
    const { orderId } = (await place()).body;
    const unknown = '01890000-0000-7000-8000-000000000000';
    for (const path of [`/ann/orders?before=${unknown}`, `/bob/orders?before=${orderId}`]) {
      const answer = await orders.get(path);
      expectProblem(answer, 400, 'invalid-request');
      expect(answer.body.detail).to.match(/^query.before: .* has no order/);
    }
    expect((await orders.get('/bob/orders')).body).to.deep.equal({ orders: [] });
  });

  it('lists its copy of the catalogue and its totals', async () => {
    await orders.consumeProduct({ productId: 'CATALOG-002' });
    await place();
    const catalogue = (await orders.get(`/products?limit=1&after=${productId}`)).body.products;
    const [{ asOf, ...entry }] = catalogue;
    expect(entry).to.deep.equal({ ...samples['product.updated'], productId: 'CATALOG-002' });
    expect(asOf).to.equal(eventOf('product.updated').time);
    expect((await orders.get('/totals')).body.pending).to.deep.equal({ orders: 1, total: 3000 });
  });

  it('tells both prices when the price has changed, and takes none of it', async () => {
    const answer = await place({ items: [{ productId, qty: 1, unitPrice: 1 }] });
    expectProblem(answer, 409, 'price-changed');
    expect(answer.body).to.include({ unitPriceSeen: 1, unitPrice: 1500 });
    expectProblem(await place({ items: [{ productId: 'nothing', qty: 1 }] }), 422, 'unknown-product');
  });
});

describe('payment-service over HTTP', () => {
  let payments: Served;
  beforeEach(async () => {
    payments = await servePayments();
  });
  afterEach(() => payments.close());

  it('opens an account, changes it, takes deposits, and shows the ledger in pages, newest first', async () => {
    expect((await payments.put('/accounts/ann', {})).status).to.equal(201);
    expect((await payments.put('/accounts/ann', { balance: 5 })).body).to.include({ balance: 5, blocked: false });
    const paid = await payments.post('/accounts/ann/deposits', { amount: 2 });
    expect([paid.status, paid.body.balance]).to.deep.equal([201, 7]);
    const page = (await payments.get('/accounts/ann?limit=1')).body;
    expect(page.entries).to.have.lengthOf(1);
    expect(page.entries[0]).to.include({ kind: 'deposit', amount: 2, balanceAfter: 7 });
    const rest = (await payments.get(`/accounts/ann?limit=1&before=${page.next}`)).body;
    expect(rest.entries.map(({ kind }: { kind: string }) => kind)).to.deep.equal(['adjustment']);
    expect(rest).to.not.have.property('next');
    await payments.put('/accounts/bob', { balance: 1 });
    for (const path of [`/accounts/bob?before=${page.next}`, '/accounts/ann?before=99'])
      expectProblem(await payments.get(path), 400, 'invalid-request');
    await payments.put('/accounts/bob', { balance: 0 });
    expect((await payments.get('/totals')).body).to.deep.equal({
      accounts: 2,
      balances: 7,
      paidIn: 7,
      charged: 0,
      refunded: 0,
    });
  });

  it('tells what became of a payment: completed, failed, voided', async () => {
    await payments.put('/accounts/ann', { balance: 3000 });
    const [one, two] = [1, 2].map((n) => ({ ...samples['order.placed'], orderId: `${unknownOrder.slice(0, -1)}${n}` }));
    if (!one || !two) return expect.fail('no orders');
    await payments.consume(eventOf('order.placed', one));
    await payments.consume(eventOf('order.placed', two));
    await payments.consume(eventOf('order.withdrawn', { ...samples['order.withdrawn'], orderId: unknownOrder }));
    const of = async (orderId: string) => (await payments.get(`/payments/${orderId}`)).body;
    expect(await of(one.orderId)).to.include({ status: 'completed', amount: 3000, userId: 'ann' });
    expect(await of(two.orderId)).to.include({ status: 'failed', reason: 'insufficient_funds' });
    expect(await of(unknownOrder))
      .to.include({ status: 'voided' })
      .and.not.have.property('amount');
  });

  it('knows no account and no payment that was never there', async () => {
    expectProblem(await payments.get('/accounts/nobody'), 404, 'no-such-account');
    expectProblem(await payments.post('/accounts/nobody/deposits', { amount: 1 }), 404, 'no-such-account');
    expectProblem(await payments.get(`/payments/${unknownOrder}`), 404, 'no-such-payment');
  });
});

describe('inventory-service over HTTP', () => {
  let inventory: Served;
  beforeEach(async () => {
    inventory = await serveInventory();
  });
  afterEach(() => inventory.close());

  it('creates a product, announces it, changes and restocks it', async () => {
    const created = await inventory.put('/products/berlin', { name: 'Berlin', unitPrice: 1500, stock: 3 });
    expect(created.status).to.equal(201);
    expect(created.body).to.include({ stock: 3, version: 1, available: true });
    expect((await inventory.put('/products/berlin', { name: 'Berlin', unitPrice: 1501 })).body.version).to.equal(2);
    const restocked = await inventory.post('/products/berlin/restocks', { qty: 2 });
    expect([restocked.status, restocked.body.stock]).to.deep.equal([201, 5]);
    expect((await inventory.get('/products/berlin')).body.stock).to.equal(5);
    expect(inventory.published().map(({ type }) => type)).to.deep.equal(['product.updated', 'product.updated']);
  });

  it('lists products in pages in the order of their ids', async () => {
    for (const id of ['c', 'a', 'b']) await inventory.put(`/products/${id}`, { name: id, unitPrice: 1 });
    const first = (await inventory.get('/products?limit=2')).body;
    expect(first.products.map((product: { productId: string }) => product.productId)).to.deep.equal(['a', 'b']);
    const second = (await inventory.get(`/products?limit=2&after=${first.next}`)).body;
    expect(second.products.map((product: { productId: string }) => product.productId)).to.deep.equal(['c']);
    expect(second).to.not.have.property('next');
  });

  it('tells what became of a reservation: reserved, rejected, voided', async () => {
    await inventory.put(`/products/${productId}`, { name: 'Berlin', unitPrice: 1, stock: 2 });
    const [one, two] = [1, 2].map((n) => ({
      ...samples['payment.completed'],
      orderId: `${unknownOrder.slice(0, -1)}${n}`,
    }));
    if (!one || !two) return expect.fail('no orders');
    await inventory.consume(eventOf('payment.completed', one));
    await inventory.consume(eventOf('payment.completed', two));
    await inventory.consume(eventOf('order.withdrawn', { ...samples['order.withdrawn'], orderId: unknownOrder }));
    const of = async (orderId: string) => (await inventory.get(`/reservations/${orderId}`)).body;
    expect((await of(one.orderId)).status).to.equal('reserved');
    expect((await of(two.orderId)).shortages).to.deep.equal([{ productId, wanted: 2, available: 0 }]);
    expect((await of(unknownOrder)).status).to.equal('voided');
    expect((await inventory.get('/totals')).body).to.include({ stock: 0, broughtIn: 2, reserved: 2, released: 0 });
  });

  it('knows no product and no reservation that was never there', async () => {
    expectProblem(await inventory.get('/products/nothing'), 404, 'no-such-product');
    expectProblem(await inventory.post('/products/nothing/restocks', { qty: 1 }), 404, 'no-such-product');
    expectProblem(await inventory.get(`/reservations/${unknownOrder}`), 404, 'no-such-reservation');
  });
});
