// What payment-service is made of: tables and reactions.
import { choreography } from '../shared/contract/choreography.ts';
import { idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../shared/runtime/node/runtime-schema.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/saga.ts';
import { eraseAccount, erasePayments } from './erasure.ts';
import { migrations } from './migrations.ts';
import { checkRepeated, paymentReactions } from './reactions.ts';
import { PaymentStore } from './store.ts';

export interface PaymentParts extends ServiceParts<'payment-service'> {
  readonly store: PaymentStore;
}

const [tables, entriesOfAccount, severalOrderInstances, deletedOrders] = migrations;

export const paymentService: ServiceDefinition<'payment-service', PaymentParts> = {
  contract: choreography,
  name: 'payment-service',
  port: 3002,
  migrations: [
    runtimeSchema.inboxAndOutbox,
    idempotencySchema,
    tables,
    entriesOfAccount,
    runtimeSchema.journal,
    severalOrderInstances,
    deletedOrders,
    runtimeSchema.reconciledTime,
  ],
  build(db) {
    const store = new PaymentStore(db);
    return {
      store,
      reactions: paymentReactions(store),
      repeated: (event) => checkRepeated(store, event),
      deleteOrders: (orderIds, beforeMs) => store.deletePayments(orderIds, beforeMs),
      erasing: [eraseAccount(db), erasePayments(db)],
    };
  },
};
