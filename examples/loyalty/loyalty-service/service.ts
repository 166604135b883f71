// What loyalty-service is made of: tables and reactions.
import { idempotencySchema } from '../../../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../../../shared/runtime/node/runtime-schema.ts';
import { choreography } from '../choreography.ts';
import type { ServiceDefinition, ServiceParts } from '../saga.ts';
import { loyaltyReactions } from './reactions.ts';
import { LoyaltyStore, migrations } from './store.ts';

export interface LoyaltyParts extends ServiceParts<'loyalty-service'> {
  readonly store: LoyaltyStore;
}

export const loyaltyService: ServiceDefinition<'loyalty-service', LoyaltyParts> = {
  contract: choreography,
  name: 'loyalty-service',
  port: 3004,
  migrations: [
    runtimeSchema.inboxAndOutbox,
    idempotencySchema,
    runtimeSchema.journal,
    ...migrations,
    runtimeSchema.reconciledTime,
  ],
  build(db) {
    const store = new LoyaltyStore(db);
    return { store, reactions: loyaltyReactions(store) };
  },
};
