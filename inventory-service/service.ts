// What inventory-service is made of: tables and reactions.
import { IdempotencyKeys, idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/runtime/node/service-node.ts';
import { inventoryReactions } from './reactions.ts';
import { InventoryStore, migrations } from './store.ts';

export interface InventoryParts extends ServiceParts<'inventory-service'> {
  readonly store: InventoryStore;
  readonly keys: IdempotencyKeys;
}

export const inventoryService: ServiceDefinition<'inventory-service', InventoryParts> = {
  name: 'inventory-service',
  port: 3003,
  migrations: [idempotencySchema, ...migrations],
  build(db) {
    const store = new InventoryStore(db);
    return { store, keys: new IdempotencyKeys(db), reactions: inventoryReactions(store) };
  },
};
