// What payment-service is made of: tables and reactions.
import { IdempotencyKeys, idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/runtime/node/service-node.ts';
import { paymentReactions } from './reactions.ts';
import { migrations, PaymentStore } from './store.ts';

export interface PaymentParts extends ServiceParts<'payment-service'> {
  readonly store: PaymentStore;
  readonly keys: IdempotencyKeys;
}

export const paymentService: ServiceDefinition<'payment-service', PaymentParts> = {
  name: 'payment-service',
  port: 3002,
  migrations: [idempotencySchema, ...migrations],
  build(db) {
    const store = new PaymentStore(db);
    return { store, keys: new IdempotencyKeys(db), reactions: paymentReactions(store) };
  },
};
