// What inventory-service is made of: tables and reactions.
import { choreography } from '../shared/contract/choreography.ts';
import { idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../shared/runtime/node/runtime-schema.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/saga.ts';
import { migrations } from './migrations.ts';
import { checkRepeated, inventoryReactions } from './reactions.ts';
import { InventoryStore } from './store.ts';

export interface InventoryParts extends ServiceParts<'inventory-service'> {
  readonly store: InventoryStore;
}

const [tables, movements, severalOrderInstances, deletedOrders, productTimes] = migrations;

export const inventoryService: ServiceDefinition<'inventory-service', InventoryParts> = {
  contract: choreography,
  name: 'inventory-service',
  port: 3003,
  migrations: [
    runtimeSchema.inboxAndOutbox,
    idempotencySchema,
    tables,
    movements,
    runtimeSchema.journal,
    severalOrderInstances,
    deletedOrders,
    productTimes,
    runtimeSchema.reconciledTime,
  ],
  build(db) {
    const store = new InventoryStore(db);
    return {
      store,
      reactions: inventoryReactions(store),
      repeated: (event) => checkRepeated(store, event),
      deleteOrders: (orderIds, beforeMs) => store.deleteReservations(orderIds, beforeMs),
    };
  },
};
