// What order-service is made of: tables, reactions, the facts it records of its own events, and the deadline.
import { IdempotencyKeys, idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/runtime/node/service-node.ts';
import { expireOrders } from './commands.ts';
import { learn, orderReactions } from './reactions.ts';
import { migrations, OrderStore } from './store.ts';

export interface OrderParts extends ServiceParts<'order-service'> {
  readonly store: OrderStore;
  readonly keys: IdempotencyKeys;
}

export const orderService: ServiceDefinition<'order-service', OrderParts> = {
  name: 'order-service',
  port: 3001,
  migrations: [idempotencySchema, ...migrations],
  build(db) {
    const store = new OrderStore(db);
    return {
      store,
      keys: new IdempotencyKeys(db),
      reactions: orderReactions(store),
      record: (event) => {
        // Of what the service says itself, only a withdrawal changes an order: the others tell of a change already made.
        if (event.type === 'order.withdrawn') learn(store, event);
        else store.addFact(event);
      },
      alarm: { nextAtMs: () => store.nextDueAtMs(), ring: (tx) => expireOrders(store, tx) },
    };
  },
};
