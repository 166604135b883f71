// Instances of order-service that join, lose their database, or go for good.
import { expect } from 'chai';
import { newDatabasePath } from '../support/files.ts';
import { OrderInstances, users } from '../support/order-instances.ts';
import { isOf } from '../support/saga-in-process.ts';
import { expectProblem, serveOrders } from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

describe('instances of order-service', function () {
  this.timeout(60_000);
  let instances: OrderInstances;
  afterEach(() => instances.close());
  const order = (name: string) => instances.saga.order(name);

  it('that join have everything before they answer, orders of an instance that is gone included', async () => {
    instances = await OrderInstances.start(['a', 'b']);
    const { saga } = instances;
    for (let n = 0; n < 8; n += 1) await instances.place('ab'[n % 2] ?? 'a', users[n % 2]);
    const before = await instances.same(['a', 'b']);
    await saga.add('c');
    const ready = await order('c').get('/readyz');
    expect(ready.status).to.equal(503);
    expect(ready.body.warnings.join()).to.match(/order-service\.c is catching up: /);
    expectProblem(await order('c').get('/ann/orders'), 503, 'not-ready');
    expectProblem(await instances.place('c'), 503, 'not-ready');
    await saga.ready('c');
    expect(await instances.same(['a', 'b', 'c'])).to.equal(before);
    expect((await instances.place('c')).status).to.equal(202);
    await instances.same(['a', 'b', 'c']);
  });

  it('whose database was deleted have all back, their own orders included, and end those that were open', async () => {
    instances = await OrderInstances.start();
    const { saga } = instances;
    await instances.place('a');
    await instances.same();
    // Reserved, but not decided: the instance is lost before it confirms.
    saga.holds = ({ queue, event }) => queue === 'order-service.a' && event.type === 'inventory.reserved';
    const { orderId } = (await instances.place('a')).body;
    await instances.know(({ body }) => body.events.length >= 3, `/orders/${orderId}/timeline`, ['b', 'c']);
    await saga.down('order-service.a');
    saga.holds = () => false;
    saga.held.delete('order-service.a');
    saga.deleteDatabase('order-service.a');
    await saga.boot('order-service.a');
    await saga.ready('a');
    expect(await instances.same()).to.match(/"confirmed":{"orders":2,/);
    expect(instances.published('a')).to.deep.equal(['order.confirmed']);
  });

  it('whose database was deleted end an order of theirs that a peer gets to know only after that', async () => {
    instances = await OrderInstances.start();
    const { saga } = instances;
    await instances.place('a');
    await instances.same();
    // It has been published, and is on its way to everybody when its instance loses it.
    saga.holds = isOf('order.placed');
    const { orderId } = (await instances.place('a', 'ann', { deadlineMs: 1_000 })).body;
    await saga.down('order-service.a');
    saga.held.delete('order-service.a');
    saga.deleteDatabase('order-service.a');
    await saga.boot('order-service.a');
    await saga.ready('a');
    saga.holds = () => false;
    for (const queue of ['order-service.b', 'order-service.c', 'payment-service']) saga.release(queue);
    await instances.has(orderId, 'confirmed');
    expect(await instances.same()).to.match(/"confirmed":{"orders":2,/);
    expect(instances.published('a')).to.deep.equal(['order.confirmed']);
  });

  it('refuse a database that is that of another instance', async () => {
    instances = await OrderInstances.start(['a']);
    const path = newDatabasePath();
    await (await serveOrders({ path, settings: { INSTANCE: 'x' } })).close();
    for (const settings of [{ INSTANCE: 'y' }, {}]) {
      let error: unknown;
      await serveOrders({ path, settings }).catch((thrown: unknown) => {
        error = thrown;
      });
      expect(String(error)).to.match(/this database is that of order-service\.x, .* set INSTANCE=x/);
    }
  });

  it('that had no name keep their orders when they get one, and decide about those that are open', async () => {
    const path = newDatabasePath();
    instances = await OrderInstances.start(['a']);
    const alone = await serveOrders({ path });
    await alone.consumeProduct();
    const placed = await alone.post('/orders', {
      userId: 'ann',
      items: [{ productId: 'CATALOG-001', qty: 1 }],
      deadlineMs: 100,
    });
    await alone.close();
    const named = await serveOrders({ path, settings: { INSTANCE: 'x' } });
    // The adoption of its own unnamed past takes effect when it comes back.
    const adopted = await named.bus.next('instance.adopted');
    await named.consume(adopted as never);
    await eventually(
      'its order to be withdrawn at its deadline',
      () => named.get(`/orders/${placed.body.orderId}`),
      ({ body }) => body.status === 'cancelling',
    );
    expect((await named.get('/ann/orders')).body.orders).to.have.lengthOf(1);
    await named.close();
  });

  describe('adoption', () => {
    /** An order of a, which has seen everything up to the reservation, and is gone before it has confirmed. */
    async function goneBeforeItsDecision(...unaware: readonly string[]): Promise<string> {
      instances = await OrderInstances.start();
      const { saga } = instances;
      const held = ['order-service.a', ...unaware];
      saga.holds = ({ queue, event }) => held.includes(queue) && event.type === 'inventory.reserved';
      const { orderId } = (await instances.place('a')).body;
      await instances.know(
        ({ body }) => body.events.length >= 3,
        `/orders/${orderId}/timeline`,
        unaware.length > 0 ? ['c'] : ['b', 'c'],
      );
      return orderId;
    }

    const adopt = (by: string, instance = 'order-service.a') => order(by).post(`/instances/${instance}/adoption`);

    it('lets exactly one other instance decide about the open orders of one that is gone', async () => {
      const orderId = await goneBeforeItsDecision();
      await instances.saga.down('order-service.a');
      expect((await adopt('b')).status).to.equal(202);
      await instances.has(orderId, 'confirmed', ['b', 'c']);
      await instances.same(['b', 'c']);
      expect(instances.published('b')).to.deep.equal(['instance.adopted', 'order.confirmed']);
      expect(instances.published('c')).to.deep.equal([]);
      expect((await adopt('b')).body.state).to.equal('adopted');
      expectProblem(await adopt('c'), 409, 'adopted-already');
      expectProblem(await adopt('b', 'order-service.b'), 409, 'own-instance');
      expectProblem(await adopt('b', 'order-service.unheard-of'), 404, 'no-such-instance');
    });

    it('is final: the instance decides nothing and answers nothing when it comes back', async () => {
      const orderId = await goneBeforeItsDecision();
      await instances.saga.down('order-service.a');
      await adopt('b');
      await instances.has(orderId, 'confirmed', ['b', 'c']);
      await instances.saga.boot('order-service.a');
      await eventually(
        'a to say that it was adopted',
        () => order('a').get('/readyz'),
        ({ body }) => /order-service.b has adopted the orders of order-service.a/.test(body.warnings.join()),
      );
      expectProblem(await instances.place('a'), 503, 'not-ready');
      expect(instances.published('a').filter((type) => type !== 'order.placed')).to.deep.equal([]);
    });

    it('comes to the same end when the old instance had decided the same, and its event arrives late', async () => {
      const orderId = await goneBeforeItsDecision();
      const { saga } = instances;
      // a confirms, but its event is held up on the way to everybody.
      saga.holds = ({ event }) => event.source === 'order-service.a';
      saga.release('order-service.a');
      await instances.has(orderId, 'confirmed', ['a']);
      await saga.down('order-service.a');
      await adopt('b');
      await instances.has(orderId, 'confirmed', ['b', 'c']);
      const ids = new Set(
        ['order-service.b', 'order-service.c'].flatMap((queue) => saga.held.get(queue) ?? []).map(({ id }) => id),
      );
      expect(
        ids.has(
          order('b')
            .published()
            .find(({ type }) => type === 'order.confirmed')?.id ?? '',
        ),
      ).to.equal(true);
      for (const queue of ['order-service.b', 'order-service.c']) saga.release(queue);
      await instances.same(['b', 'c']);
    });

    it('lets what the adopter has decided count, where the old instance had confirmed and nobody knew', async () => {
      const orderId = await goneBeforeItsDecision('order-service.a', 'order-service.b');
      const { saga } = instances;
      saga.holds = ({ event }) => event.source === 'order-service.a';
      saga.release('order-service.a');
      await instances.has(orderId, 'confirmed', ['a']);
      await saga.down('order-service.a');
      expect((await adopt('b')).status).to.equal(202);
      await instances.know(({ body }) => body.adoptions.length === 1, '/instances', ['b', 'c']);
      // Its customer cancels before the adopter hears of the reservation, and of the confirmation.
      expect((await order('b').post(`/orders/${orderId}/cancel`)).body.status).to.equal('cancelling');
      for (const queue of ['order-service.c', 'order-service.b']) saga.release(queue);
      expect(await instances.same(['b', 'c'])).to.match(/"cancelled":{"orders":1,/);
    });

    it('makes payment and inventory ignore a withdrawal that the old instance publishes when it comes back', async () => {
      const orderId = await goneBeforeItsDecision();
      const { saga } = instances;
      saga.holds = ({ event }) => event.type === 'order.withdrawn';
      expect((await order('a').post(`/orders/${orderId}/cancel`)).body.status).to.equal('cancelling');
      await saga.down('order-service.a');
      await adopt('b');
      await instances.has(orderId, 'confirmed', ['b', 'c']);
      saga.holds = () => false;
      for (const queue of ['order-service.b', 'order-service.c', 'payment-service', 'inventory-service'])
        saga.release(queue);
      await instances.same(['b', 'c']);
      await instances.has(orderId, 'confirmed', ['b', 'c']);
      const { body } = await saga.at('payment-service').get(`/payments/${orderId}`);
      expect(body.status).to.equal('completed');
    });
  });
});
