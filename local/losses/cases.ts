// What can be lost, each as a case: it damages a system while customers order, and ends when the faults stop.

import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { eventually } from '../eventually.ts';
import {
  consumedAgain,
  corruptMessages,
  type Damage,
  deleteAllQueues,
  deleteQueues,
  loseMessages,
  queueHolds,
  removeBinding,
} from './broker-losses.ts';
import type { Customers } from './customers.ts';
import { comparedBeyond, headOf } from './healing.ts';
import { mustSend } from './http.ts';
import { copyOf, cutAtDelivery, keepRunning, killAtDelivery, loggedError, putBack } from './process-losses.ts';
import type { Stage } from './stage.ts';

/** How much of it. */
export interface Extent {
  readonly ordersPerS: number;
  readonly kills: number;
  readonly cuts: number;
  /** Orders accepted between the copy of a database and the moment at which it is put back. */
  readonly ordersAfterCopy: number;
}

export interface LossCase {
  readonly name: string;
  /** Settings of the services. */
  readonly env?: Readonly<Record<string, string>>;
  readonly mains?: Readonly<Partial<Record<ServiceName, string>>>;
  /** Resolves when the faults have stopped. */
  damage(stage: Stage, customers: Customers, extent: Extent): Promise<void>;
}

/** A message for each event: then a full prefetch is in hand when the consumer is lost. */
const oneEventAMessage = { EVENT_BATCH_MAX: '1' };

/** Where a byte of an `order.placed` is damaged: it is no JSON any more, or of another type, or about another order. */
export const damages: readonly (Damage & { readonly reason: string })[] = [
  { after: '', reason: 'not-json' },
  { after: '"type":"order.', reason: 'unknown-type' },
  { after: '"subject":"0', reason: 'wrong-data' },
  { after: '"dataschema":"urn:', reason: 'not-a-cloudevent' },
];

export const crashingUser = 'crash';

export const firstNewPrice = 123;

/** How often queues are deleted, and orders accepted before each. */
const rounds = 3;
const ordersBetween = 50;

const consumer = 'payment-service';

function databasePutBack(service: ServiceName): LossCase {
  return {
    name: `database of ${service} put back`,
    damage: async (stage, customers, { ordersAfterCopy }) => {
      const copy = await copyOf(stage, service);
      const head = await headOf(stage, service);
      await customers.more(ordersAfterCopy);
      await comparedBeyond(stage, service, head);
      await putBack(stage, service, copy);
      await loggedError(stage, service, 'this database was put back to an earlier state');
    },
  };
}

export const lossCases = {
  kills: {
    name: 'consumer killed at delivery',
    env: oneEventAMessage,
    damage: (stage, _customers, { kills }) => killAtDelivery(stage, consumer, kills),
  },
  cuts: {
    name: 'connection cut at delivery',
    env: oneEventAMessage,
    damage: (stage, _customers, { cuts }) => cutAtDelivery(stage, consumer, cuts),
  },
  binding: {
    name: 'bindings removed',
    damage: async (stage) => {
      // Its only binding, and one of two: the publisher notices only the first.
      await removeBinding(stage, 'payment.failed', 'order-service');
      await removeBinding(stage, 'payment.completed', 'inventory-service');
    },
  },
  queue: {
    name: 'queue of payment-service deleted',
    damage: async (stage, customers) => {
      for (let round = 1; round <= rounds; round += 1) {
        await customers.more(ordersBetween);
        await deleteQueues(stage, ['payment-service']);
      }
    },
  },
  queues: {
    name: 'all queues deleted',
    damage: async (stage, customers) => {
      for (let round = 1; round <= rounds; round += 1) {
        await customers.more(ordersBetween);
        await deleteAllQueues(stage, serviceNames);
      }
    },
  },
  wipe: {
    name: "broker's data wiped",
    damage: async (stage) => {
      await stage.wipeBroker();
      await consumedAgain(stage, serviceNames);
    },
  },
  corrupt: {
    name: 'messages corrupted',
    env: oneEventAMessage,
    damage: async (stage) => {
      const service = stage.service(consumer);
      await service.kill();
      await queueHolds(stage, consumer, damages.length);
      await corruptMessages(stage, consumer, damages);
      await service.start();
    },
  },
  paymentFailed: {
    name: 'payment.failed lost, with others',
    damage: (stage) => loseMessages(stage, 'order-service', 'payment.failed', 20),
  },
  price: {
    name: 'product.updated lost',
    damage: async (stage, customers) => {
      const lost = loseMessages(stage, 'order-service', 'product.updated', 1);
      // Half of the messages go to the service itself: the price is changed until a change is lost.
      for (let unitPrice = firstNewPrice; ; unitPrice += 1) {
        const product = { name: 'PEN', unitPrice, stock: 1_000_000 };
        await mustSend('PUT', `${stage.urls['inventory-service']}/products/PEN`, product);
        const arrived = eventually(
          'order-service to get the price, or for it to be lost',
          async () => (await customers.priceOf('PEN')) === unitPrice,
        );
        if (await Promise.race([lost.then(() => true), arrived.then(() => false)])) return;
      }
    },
  },
  paymentPutBack: databasePutBack('payment-service'),
  inventoryPutBack: databasePutBack('inventory-service'),
  orderPutBack: databasePutBack('order-service'),
  poison: {
    name: 'message that crashes the process',
    env: { ...oneEventAMessage, CRASHING_USER: crashingUser, ORDER_DEADLINE_MS: '8000' },
    mains: { 'payment-service': 'local/losses/crashing-payment-service.js' },
    damage: async (stage, customers) => {
      keepRunning(stage, consumer);
      await customers.order(crashingUser, 'PEN');
      await loggedError(stage, consumer, 'dead-lettered');
    },
  },
} satisfies Readonly<Record<string, LossCase>>;
