// What inventory-service is made of: tables and reactions.
import { IdempotencyKeys, idempotencySchema } from '../shared/idempotency.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/service-node.ts';
import { InventoryStore, migrations } from './inventory-store.ts';
import { inventoryReactions } from './reactions.ts';

export interface InventoryParts extends ServiceParts<'inventory-service'> {
  readonly store: InventoryStore;
  readonly keys: IdempotencyKeys;
}

export const inventoryService: ServiceDefinition<'inventory-service', InventoryParts> = {
  name: 'inventory-service',
  migrations: [idempotencySchema, ...migrations],
  build(db) {
    const store = new InventoryStore(db);
    return { store, keys: new IdempotencyKeys(db), reactions: inventoryReactions(store) };
  },
};
