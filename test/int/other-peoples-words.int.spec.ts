// What people write in another way than the services do is understood, or refused with a clear error.
import { expect } from 'chai';
import { samples } from '../support/events.ts';
import { type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const line = { productId: samples['product.updated'].productId, qty: 1 };

describe('a request', () => {
  let orders: Served;
  before(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
  });
  after(() => orders.close());

  for (const target of ['http://[::1', 'http://', 'http://a:b', '//'])
    it(`for GET ${target} is answered 400 or 404, not 500`, async () => {
      const answer = await orders.raw(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, target);
      expect(answer).to.match(/^HTTP\/1.1 40[04] /);
      expect(answer).to.include('application/problem+json');
    });

  it('finds an order by its id in capitals', async () => {
    const { orderId } = (await orders.post('/ann/orders', line)).body;
    for (const path of [`/orders/${orderId.toUpperCase()}`, `/orders/${orderId.toUpperCase()}/timeline`])
      expect((await orders.get(path)).body.orderId, path).to.equal(orderId);
    const cancelled = await orders.post(`/orders/${orderId.toUpperCase()}/cancel`);
    expect(cancelled.body.orderId).to.equal(orderId);
    expect((await orders.get(`/ann/orders?before=${orderId.toUpperCase()}`)).status).to.equal(200);
  });

  for (const [userId, path] of [
    ['orders', '/orders/orders'],
    ['orders', '/order-service/orders/orders'],
    ['order-service', '/order-service/order-service/orders'],
    ['products', '/products/orders'],
  ] as const)
    it(`for the orders of a user called ${userId} gets them at ${path}`, async () => {
      const { orderId } = (await orders.post('/orders', { userId, items: [line] })).body;
      const list = await orders.get(path);
      expect([list.status, list.body.orders?.[0]?.orderId]).to.deep.equal([200, orderId]);
    });

  it('with a key that another customer has used places an order of its own', async () => {
    const place = (userId: string, form: 'long' | 'short') =>
      form === 'long'
        ? orders.post('/orders', { userId, items: [line] }, { 'idempotency-key': 'same' })
        : orders.post(`/${userId}/orders`, line, { 'idempotency-key': 'same' });
    const ids = [];
    for (const [userId, form] of [
      ['cid', 'long'],
      ['dan', 'long'],
      ['eve', 'short'],
      ['cid', 'short'],
    ] as const) {
      const { status, body } = await place(userId, form);
      expect([status, body.userId]).to.deep.equal([202, userId]);
      ids.push(body.orderId);
    }
    expect(new Set(ids).size, 'both forms of an order share their keys').to.equal(3);
  });
});

describe('an answer', () => {
  it('ends with a newline, whatever it says', async () => {
    for (const serve of [serveOrders, servePayments, serveInventory]) {
      const served = await serve();
      for (const path of ['/livez', '/readyz', '/totals', '/openapi.json', '/metrics', '/events', '/nowhere'])
        expect((await served.get(path)).text, path).to.match(/[^\n]\n$/);
      await served.close();
    }
  });
});
