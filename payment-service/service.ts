// What payment-service is made of: tables and reactions.
import { IdempotencyKeys, idempotencySchema } from '../shared/idempotency.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/service-node.ts';
import { migrations, PaymentStore } from './payment-store.ts';
import { paymentReactions } from './reactions.ts';

export interface PaymentParts extends ServiceParts<'payment-service'> {
  readonly store: PaymentStore;
  readonly keys: IdempotencyKeys;
}

export const paymentService: ServiceDefinition<'payment-service', PaymentParts> = {
  name: 'payment-service',
  migrations: [idempotencySchema, ...migrations],
  build(db) {
    const store = new PaymentStore(db);
    return { store, keys: new IdempotencyKeys(db), reactions: paymentReactions(store) };
  },
};
