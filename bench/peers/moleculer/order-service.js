// order-service with moleculer, moleculer-web and @moleculer/channels.
import { openDatabase } from '../shop/database.js';
import { ordersIn, schema } from '../shop/orders.js';
import { httpService } from './http.js';
import { channelsOf, publish, startNode } from './node.js';

const orders = ordersIn(openDatabase(schema));

const orderService = {
  name: 'orders',
  actions: {
    place: {
      params: {
        userId: 'string',
        items: {
          type: 'array',
          min: 1,
          items: { type: 'object', props: { productId: 'string', qty: 'number|integer|positive' } },
        },
      },
      async handler(context) {
        const order = orders.place(context.params);
        context.meta.$statusCode = order ? 202 : 404;
        if (!order) return { error: 'unknown product' };
        const { orderId, userId, items, total } = order;
        await publish(this.broker, { type: 'order.placed', data: { orderId, userId, items, total } });
        return order;
      },
    },
    find(context) {
      const order = orders.find(context.params.orderId);
      if (!order) context.meta.$statusCode = 404;
      return order ?? { error: 'unknown order' };
    },
  },
  channels: channelsOf('order-service', orders.reactions),
};

await startNode('order-service', [
  orderService,
  httpService({ 'POST /orders': 'orders.place', 'GET /orders/:orderId': 'orders.find' }),
]);
