// What shipping-service is made of: tables and reactions.
import { idempotencySchema } from '../../../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../../../shared/runtime/node/runtime-schema.ts';
import { choreography } from '../choreography.ts';
import type { ServiceDefinition, ServiceParts } from '../saga.ts';
import { shippingReactions } from './reactions.ts';
import { migrations, ShippingStore } from './store.ts';

export interface ShippingParts extends ServiceParts<'shipping-service'> {
  readonly store: ShippingStore;
}

export const shippingService: ServiceDefinition<'shipping-service', ShippingParts> = {
  contract: choreography,
  name: 'shipping-service',
  port: 3004,
  migrations: [
    runtimeSchema.inboxAndOutbox,
    idempotencySchema,
    runtimeSchema.journal,
    ...migrations,
    runtimeSchema.reconciledTime,
  ],
  build(db) {
    const store = new ShippingStore(db);
    return { store, reactions: shippingReactions(store) };
  },
};
