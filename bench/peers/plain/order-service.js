// order-service with express and amqplib.
import express from 'express';
import { openDatabase } from '../shop/database.js';
import { ordersIn, schema } from '../shop/orders.js';
import { startBus } from './bus.js';
import { listen } from './listen.js';

const orders = ordersIn(openDatabase(schema));
const bus = await startBus('order-service', orders.reactions);

const app = express();
app.use(express.json());

app.post('/orders', (request, response) => {
  const { userId, items } = request.body ?? {};
  if (typeof userId !== 'string' || !isLines(items)) return response.status(400).json({ error: 'invalid order' });
  const order = orders.place({ userId, items });
  if (!order) return response.status(404).json({ error: 'unknown product' });
  const { orderId, total } = order;
  bus.publish({ type: 'order.placed', data: { orderId, userId, items, total } });
  response.status(202).location(`/orders/${orderId}`).json(order);
});

app.get('/orders/:orderId', (request, response) => {
  const order = orders.find(request.params.orderId);
  if (order) response.json(order);
  else response.status(404).json({ error: 'unknown order' });
});

listen(app);

function isLines(items) {
  return (
    Array.isArray(items) &&
    items.length > 0 &&
    items.every(({ productId, qty }) => typeof productId === 'string' && Number.isSafeInteger(qty) && qty > 0)
  );
}
