// Is it alive, can it take work; and what it answers when it cannot.
import { expect } from 'chai';
import { TransientError } from '../../shared/runtime/storage/database.ts';
import { samples } from '../support/events.ts';
import { expectProblem, type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const line = { productId: samples['product.updated'].productId, qty: 1 };

for (const [name, serve] of [
  ['order-service', serveOrders],
  ['payment-service', servePayments],
  ['inventory-service', serveInventory],
] as const)
  describe(`the health of ${name}`, () => {
    let served: Served;
    before(async () => {
      served = await serve();
    });
    after(() => served.close());

    for (const prefix of ['', `/${name}`])
      it(`is answered by ${prefix}/health_check, ${prefix}/livez and ${prefix}/readyz`, async () => {
        expect((await served.get(`${prefix}/health_check`)).body).to.deep.equal({ status: 'ok', service: name });
        expect((await served.get(`${prefix}/livez`)).body).to.deep.equal({ status: 'alive' });
        const ready = await served.get(`${prefix}/readyz`);
        expect(ready.status).to.equal(200);
        expect(ready.body).to.include({ status: 'ready', service: name, database: 'ok' });
      });

    it('is ready without a broker: what it accepts waits', async () => {
      served.bus.disconnect();
      const ready = await served.get('/readyz');
      served.bus.connect();
      expect(ready.status).to.equal(200);
      expect(ready.body.broker).to.include({ publisher: 'connecting' });
    });

    it('is not ready after a write that failed, but alive; and ready again after one that did not', async () => {
      const write = () => served.node.transact(() => served.db.exec('DELETE FROM suspects'), served.node.newCause());
      served.db.pragma('query_only = 1');
      const failure = await write().catch((error: unknown) => error);
      const during = await served.get('/readyz');
      const alive = await served.get('/livez');
      served.db.pragma('query_only = 0');
      expect(failure).to.be.instanceOf(TransientError);
      expect([during.status, during.body.database, alive.status]).to.deep.equal([503, 'unavailable', 200]);
      expect(during.body.warnings.join()).to.match(/the database cannot be written: .*readonly/);
      await write();
      expect((await served.get('/readyz')).status).to.equal(200);
    });

    it('warns of what the broker does not do, and of dead letters, as long as that is so', async () => {
      const warnings = async () => (await served.get('/readyz')).body.warnings.join('; ') as string;
      const quiet = await warnings();
      served.bus.disconnect();
      served.bus.deadLettersWaiting = 3;
      served.bus.confirmsNothing = true;
      const loud = await warnings();
      served.bus.deadLettersWaiting = 0;
      served.bus.confirmsNothing = false;
      served.bus.connect();
      expect(loud).to.include('no events are consumed').and.include('no events are published');
      expect(loud).to.include('the broker takes messages and confirms none').and.include('restart it');
      expect(loud).to.include('3 dead letters wait');
      expect(await warnings()).to.equal(quiet);
    });

    it('echoes the id of a request, and gives one to a request that has none', async () => {
      const given = await served.get('/livez', { headers: { 'x-request-id': 'abc-1.2_3' } });
      expect(given.headers['x-request-id']).to.equal('abc-1.2_3');
      expect((await served.get('/livez')).headers['x-request-id']).to.match(/^[0-9a-f]{8}-/);
    });
  });

describe('order-service when it cannot take an order on', () => {
  let orders: Served;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
  });
  afterEach(() => orders.close());

  const place = (headers: Readonly<Record<string, string>> = {}) => orders.post('/ann/orders', line, headers);

  it('answers so while the database cannot be written, stores nothing, still answers reads, and recovers', async () => {
    const { orderId } = (await place()).body;
    await orders.bus.next('order.placed', orderId);
    const before = orders.stored()['orders'];
    orders.db.pragma('query_only = 1');
    const refused = await place({ 'idempotency-key': 'k' });
    const read = await orders.get(`/orders/${orderId}`);
    orders.db.pragma('query_only = 0');
    expectProblem(refused, 503, 'storage-unavailable');
    expect(refused.headers['retry-after']).to.equal('2');
    expect(read.status).to.equal(200);
    expect(orders.stored()['orders']).to.deep.equal(before);
    expect((await place({ 'idempotency-key': 'k' })).status, 'the same key once it works').to.equal(202);
  });

  it('accepts while the broker is away until the outbox is full, then answers when to try again, and recovers', async () => {
    orders.bus.disconnect();
    for (let count = 0; count <= 50; count += 1) expect((await place()).status, `order ${count}`).to.equal(202);
    const refused = await place();
    expectProblem(refused, 503, 'outbox-full');
    expect(Number(refused.headers['retry-after'])).to.be.greaterThan(0);
    expect((await orders.get('/ann/orders?limit=1')).status, 'reads go on').to.equal(200);
    const ready = await orders.get('/readyz');
    expect([ready.status, ready.body.outbox.waiting]).to.deep.equal([503, 51]);
    expect(orders.stored()['orders']).to.have.lengthOf(51);

    orders.bus.connect();
    await orders.drained();
    expect((await place()).status).to.equal(202);
    expect(orders.published()).to.have.lengthOf(52);
  });

  it('counts the messages that nobody has a queue for', async () => {
    orders.bus.autoAnswer = 'unroutable';
    await place();
    await orders.bus.next('order.placed');
    await orders.bus.answered();
    expect((await orders.get('/readyz')).body.outbox).to.deep.equal({
      waiting: 1,
      unroutable: { 'order.placed': 1 },
    });
  });

  it('is stopping: it is not ready, closes its connections, and lets nobody wait for an outcome any longer', async () => {
    const waiting = place({ prefer: 'wait=30' });
    await orders.bus.next('order.placed');
    orders.stopping.abort();
    const answer = await waiting;
    expect([answer.status, answer.body.status]).to.deep.equal([202, 'pending']);
    const ready = await orders.get('/readyz');
    expect([ready.status, ready.headers.connection]).to.deep.equal([503, 'close']);
  });
});

describe('the trace of a request', () => {
  it('is carried into the event, and the id of the request is its cause', async () => {
    const orders = await serveOrders();
    try {
      await orders.consumeProduct();
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      await orders.post('/ann/orders', line, { traceparent, 'x-request-id': 'request-7' });
      const event = await orders.bus.next('order.placed');
      expect(event).to.include({ traceparent, causationid: 'request-7' });
    } finally {
      await orders.close();
    }
  });
});
