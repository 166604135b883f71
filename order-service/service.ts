// What order-service is made of: tables, reactions, the facts it records of its own events, and the deadlines of orders.
import { choreography } from '../shared/contract/choreography.ts';
import { idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../shared/runtime/node/runtime-schema.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/saga.ts';
import { meetDeadline } from './commands.ts';
import { orderReactions } from './reactions.ts';
import { migrations, OrderStore } from './store.ts';

export interface OrderParts extends ServiceParts<'order-service'> {
  readonly store: OrderStore;
}

const [tables, ordersOfUser, dueOrders] = migrations;

export const orderService: ServiceDefinition<'order-service', OrderParts> = {
  contract: choreography,
  name: 'order-service',
  port: 3001,
  migrations: [runtimeSchema.inboxAndOutbox, idempotencySchema, tables, ordersOfUser, runtimeSchema.journal, dueOrders],
  build(db) {
    const store = new OrderStore(db);
    return {
      store,
      reactions: orderReactions(store),
      // For the timeline, which shows an order's own events beside those of others.
      published: (event) => void store.addFact(event),
      deadlines: {
        nextAtMs: () => store.nextDueAtMs(),
        due: (nowMs, limit) => store.due(nowMs, limit),
        meet: (orderId, tx, unreachable) => meetDeadline(store, tx, orderId, unreachable),
      },
    };
  },
};
