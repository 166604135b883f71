// Settings do what they say, each at a value that is not its default.
import { expect } from 'chai';
import { samples } from '../support/events.ts';
import { expectProblem, serveInventory, serveOrders } from '../support/serve.ts';

const line = { productId: samples['product.updated'].productId, qty: 1 };

describe('a setting', () => {
  it('OUTBOX_MAX=2: three events may wait, and then requests that change something are refused, and no others', async () => {
    const orders = await serveOrders({ settings: { OUTBOX_MAX: '2' } });
    try {
      await orders.consumeProduct();
      orders.bus.disconnect();
      const place = () => orders.post('/ann/orders', line);
      for (let count = 1; count <= 3; count += 1) expect((await place()).status, `order ${count}`).to.equal(202);
      expectProblem(await place(), 503, 'outbox-full');
      expect((await orders.get('/ann/orders')).body.orders).to.have.lengthOf(3);
      orders.bus.connect();
      await orders.drained();
      expect((await place()).status).to.equal(202);
    } finally {
      await orders.close();
    }
  });

  for (const [value, sizes] of [
    ['3', [3, 2]],
    ['1', [1, 1, 1, 1, 1]],
  ] as const) {
    it(`EVENT_BATCH_MAX=${value}: five events that waited for the broker go out ${sizes.join(' + ')}`, async () => {
      const inventory = await serveInventory({ settings: { EVENT_BATCH_MAX: value } });
      try {
        inventory.bus.disconnect();
        for (let count = 1; count <= 5; count += 1)
          await inventory.put(`/products/p${count}`, { name: 'A product', unitPrice: 1 });
        inventory.bus.connect();
        await inventory.drained();
        const bodies = inventory.bus.published.map(({ message }) => JSON.parse(message.body.toString()) as unknown);
        expect(bodies.map((body) => (Array.isArray(body) ? body.length : 1))).to.deep.equal(sizes);
      } finally {
        await inventory.close();
      }
    });
  }

  it('ORDER_DEADLINE_MS=5000: an order that asks for no deadline has that one, in its answer and in its event', async () => {
    const orders = await serveOrders({ settings: { ORDER_DEADLINE_MS: '5000' } });
    try {
      await orders.consumeProduct();
      const { body } = await orders.post('/ann/orders', line);
      expect(Date.parse(body.deadlineAt) - Date.parse(body.placedAt)).to.equal(5_000);
      const { data } = await orders.bus.next('order.placed', body.orderId);
      expect(data).to.include({ deadlineAt: body.deadlineAt });
      const items = [line];
      const asked = (await orders.post('/orders', { userId: 'ann', items, deadlineMs: 700 })).body;
      expect(Date.parse(asked.deadlineAt) - Date.parse(asked.placedAt)).to.equal(700);
    } finally {
      await orders.close();
    }
  });
});
