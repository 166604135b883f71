// Several instances of order-service, each with its own database: they answer the same, and one decides about each order.
import { expect } from 'chai';
import { balance, OrderInstances, users } from '../support/order-instances.ts';
import { expectProblem } from '../support/serve.ts';

const unknownOrder = '01900000-0000-7000-8000-0000000000ff';

describe('several instances of order-service', function () {
  this.timeout(60_000);
  let instances: OrderInstances;
  beforeEach(async () => {
    instances = await OrderInstances.start();
  });
  afterEach(() => instances.close());
  const order = (name: string) => instances.saga.order(name);

  it('answer every read the same, byte for byte, when it is quiet', async () => {
    for (let n = 0; n < 12; n += 1)
      await instances.place('abc'[n % 3] ?? 'a', users[n % 2], { qty: n === 5 ? 5_000 : 1 });
    const text = await instances.same();
    expect(text).to.match(/"confirmed":{"orders":11,/);
    expect(text).to.match(/"reason":"out_of_stock"/);
  });

  it('decide once about each order: only the instance that accepted it publishes its end', async () => {
    const { orderId } = (await instances.place('b')).body;
    await instances.same();
    expect(instances.published('b')).to.deep.equal(['order.placed', 'order.confirmed']);
    expect([...instances.published('a'), ...instances.published('c')]).to.deep.equal([]);
    const { body } = await order('c').get(`/orders/${orderId}/timeline`);
    expect(body.events.map(({ source }: { source: string }) => source)).to.include('order-service.b');
  });

  it('keep what comes before its order, and show no end that is not decided', async () => {
    const { saga } = instances;
    saga.holds = ({ queue, event }) => queue === 'order-service.c' && event.type.startsWith('order.');
    const { orderId } = (await instances.place('a')).body;
    await instances.has(orderId, 'confirmed', ['a']);
    expect((await order('c').get(`/orders/${orderId}`)).status).to.equal(404);
    saga.holds = () => false;
    saga.release('order-service.c', (events) => events.reverse());
    expect(await instances.same()).to.match(/"confirmed":{"orders":1,/);
  });

  it('show an order as pending that others would confirm, until its own instance does', async () => {
    const { saga } = instances;
    saga.holds = ({ queue, event }) => queue === 'order-service.c' && event.type === 'order.confirmed';
    const { orderId } = (await instances.place('a')).body;
    await instances.has(orderId, 'confirmed', ['a', 'b']);
    await instances.know(
      ({ body }) => body.events.some(({ type }: { type: string }) => type === 'inventory.reserved'),
      `/orders/${orderId}/timeline`,
      ['c'],
    );
    await instances.has(orderId, 'pending', ['c']);
    saga.release('order-service.c');
    await instances.same();
  });

  it('cancel at any instance: the one that accepted the order withdraws it, and the wish is in its timeline', async () => {
    const { saga } = instances;
    saga.holds = ({ queue }) => queue === 'inventory-service';
    const { orderId } = (await instances.place('a')).body;
    await instances.knowOrder(orderId);
    const asked = await order('c').post(`/orders/${orderId}/cancel`);
    expect(asked.status).to.equal(202);
    expect(asked.headers['saga-version']).to.equal(`${orderId}:order.cancel-requested`);
    await instances.has(orderId, 'cancelling');
    saga.holds = () => false;
    saga.release('inventory-service');
    const text = await instances.same();
    expect(text)
      .to.match(/"reason":"customer"/)
      .and.match(/order.cancel-requested/);
    expectProblem(await order('b').post(`/orders/${unknownOrder}/cancel`), 404, 'no-such-order');
  });

  it('answer a cancellation elsewhere with the outcome, when the request prefers to wait', async () => {
    const { saga } = instances;
    saga.holds = ({ queue, event }) => queue === 'inventory-service' && event.type === 'payment.completed';
    const { orderId } = (await instances.place('a')).body;
    await instances.knowOrder(orderId);
    const cancelled = await order('b').post(`/orders/${orderId}/cancel`, undefined, { prefer: 'wait=10' });
    expect([cancelled.status, cancelled.body.status]).to.deep.equal([200, 'cancelled']);
    saga.release('inventory-service');
  });

  it('refuse to cancel a confirmed order, wherever it was placed', async () => {
    const { orderId } = (await instances.place('a')).body;
    await instances.has(orderId, 'confirmed');
    expectProblem(await order('b').post(`/orders/${orderId}/cancel`), 409, 'order-confirmed');
  });

  describe('Idempotency-Key', () => {
    const headers = { 'idempotency-key': 'k-1' };

    it('gets the first answer from every instance that knows the order', async () => {
      const first = await instances.place('a', 'ann', { headers });
      await instances.same();
      const again = await instances.place('b', 'ann', { headers });
      expect([again.status, again.text]).to.deep.equal([first.status, first.text]);
      expect(again.headers['saga-version']).to.equal(first.headers['saga-version']);
      expectProblem(await instances.place('c', 'ann', { headers, qty: 2 }), 422, 'idempotency-key-reused');
      expect(await instances.same()).to.match(/"confirmed":{"orders":1,/);
    });

    it('is charged once when two accept it before they know of each other; the other order names the first', async () => {
      const { saga } = instances;
      saga.holds = ({ queue, event }) => queue.startsWith('order-service.') && event.type === 'order.placed';
      const orders = await Promise.all(['a', 'b'].map((name) => instances.place(name, 'ann', { headers })));
      saga.holds = () => false;
      for (const name of instances.names) saga.release(`order-service.${name}`);
      await instances.same();
      const views = await Promise.all(orders.map(({ body }) => order('c').get(`/orders/${body.orderId}`)));
      const [charged, duplicate] = views
        .map(({ body }) => body)
        .sort((one, other) => (one.status > other.status ? -1 : other.status > one.status ? 1 : 0));
      expect([charged.status, duplicate.status]).to.deep.equal(['confirmed', 'cancelled']);
      expect(duplicate).to.include({ reason: 'duplicate_request', duplicateOf: charged.orderId });
      expect((await saga.at('payment-service').get('/accounts/ann')).body.balance).to.equal(balance - 1_500);
    });

    it('of one customer is not that of another, also when two instances get both at once', async () => {
      const { saga } = instances;
      saga.holds = ({ queue, event }) => queue.startsWith('order-service.') && event.type === 'order.placed';
      await Promise.all([instances.place('a', 'ann', { headers }), instances.place('b', 'bob', { headers })]);
      saga.holds = () => false;
      for (const name of instances.names) saga.release(`order-service.${name}`);
      expect(await instances.same()).to.match(/"confirmed":{"orders":2,/);
    });

    it('holds while the instance that accepted the order is away', async () => {
      const first = await instances.place('a', 'ann', { headers });
      await instances.same();
      await instances.saga.down('order-service.a');
      expect((await instances.place('b', 'ann', { headers })).text).to.equal(first.text);
    });
  });

  describe('Saga-Minimum-Version', () => {
    it('waits until the write is known, and answers it', async () => {
      const { saga } = instances;
      saga.holds = ({ queue, event }) => queue === 'order-service.b' && event.type === 'order.placed';
      const placed = await instances.place('a');
      const version = String(placed.headers['saga-version']);
      expect(version).to.equal(`${placed.body.orderId}:order.placed`);
      expect((await order('b').get('/ann/orders')).body.orders).to.deep.equal([]);
      const reading = order('b').get('/ann/orders', {
        headers: { 'saga-minimum-version': version, prefer: 'wait=10' },
      });
      saga.release('order-service.b');
      expect((await reading).body.orders).to.have.lengthOf(1);
    });

    it('is 503 with Retry-After when the write does not come in time, and 400 when it is none', async () => {
      const version = `${unknownOrder}:order.placed`;
      const late = await order('b').get('/ann/orders', {
        headers: { prefer: 'wait=0', 'saga-minimum-version': version },
      });
      expectProblem(late, 503, 'version-not-known');
      expect(late.headers['retry-after']).to.equal('1');
      for (const wrong of ['x', `${version},`, `${unknownOrder}:no.event`]) {
        const answer = await order('b').get('/totals', { headers: { 'saga-minimum-version': wrong } });
        expectProblem(answer, 400, 'invalid-version');
      }
    });
  });
});
