// What order-service is made of: tables, reactions, the facts it records of its own events, and the deadlines of orders.
import { choreography } from '../shared/contract/choreography.ts';
import { idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../shared/runtime/node/runtime-schema.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/saga.ts';
import { meetDeadline } from './commands.ts';
import { eraseCustomer } from './erasure.ts';
import { OrderStatistics } from './order-statistics.ts';
import { checkRepeated, orderReactions } from './reactions.ts';
import { migrations, OrderStore } from './store.ts';

export interface OrderParts extends ServiceParts<'order-service'> {
  readonly store: OrderStore;
  readonly statistics: OrderStatistics;
}

const [tables, ordersOfUser, dueOrders, endedOrders] = migrations;

export const orderService: ServiceDefinition<'order-service', OrderParts> = {
  contract: choreography,
  name: 'order-service',
  port: 3001,
  migrations: [
    runtimeSchema.inboxAndOutbox,
    idempotencySchema,
    tables,
    ordersOfUser,
    runtimeSchema.journal,
    dueOrders,
    endedOrders,
  ],
  build(db) {
    const store = new OrderStore(db);
    return {
      store,
      statistics: new OrderStatistics(db),
      reactions: orderReactions(store),
      // For the timeline, which shows an order's own events beside those of others.
      published: (event) => void store.addFact(event),
      repeated: (event) => checkRepeated(store, event),
      erasing: [eraseCustomer(db)],
      deadlines: {
        nextAtMs: () => store.nextDueAtMs(),
        due: (nowMs, limit) => store.due(nowMs, limit),
        meet: (orderId, tx, unreachable) => meetDeadline(store, tx, orderId, unreachable),
      },
    };
  },
};
