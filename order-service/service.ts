// What order-service is made of: tables, reactions, the facts it records of its own events, and the deadlines of orders.
import { choreography, type EventType } from '../shared/contract/choreography.ts';
import { idempotencySchema } from '../shared/runtime/http/idempotency.ts';
import { runtimeSchema } from '../shared/runtime/node/runtime-schema.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/saga.ts';
import { CatchUp } from './catch-up.ts';
import { meetDeadline } from './commands.ts';
import { orderDeletion } from './deletion.ts';
import { eraseCustomer } from './erasure.ts';
import { migrations } from './migrations.ts';
import { OrderStatistics } from './order-statistics.ts';
import { noteOwnWithdrawal, peerReactions } from './peer-reactions.ts';
import { checkRepeated, orderReactions } from './reactions.ts';
import { OrderStore } from './store.ts';

export interface OrderParts extends ServiceParts<'order-service'> {
  readonly store: OrderStore;
  readonly statistics: OrderStatistics;
  /** Why a named instance cannot take part yet; undefined: it can. */
  notReady(): string | undefined;
}

const [tables, ordersOfUser, dueOrders, endedOrders, severalInstances, deletedOrders, catalogueTimes, openElsewhere] =
  migrations;

function isAboutOrder(type: string): boolean {
  return Object.hasOwn(choreography.events, type) && choreography.events[type as EventType].subject === 'orderId';
}

export const orderService: ServiceDefinition<'order-service', OrderParts> = {
  contract: choreography,
  name: 'order-service',
  port: 3001,
  migrations: [
    runtimeSchema.inboxAndOutbox,
    idempotencySchema,
    tables,
    ordersOfUser,
    runtimeSchema.journal,
    dueOrders,
    endedOrders,
    severalInstances,
    deletedOrders,
    catalogueTimes,
    openElsewhere,
    runtimeSchema.reconciledTime,
  ],
  build(db, member) {
    const store = new OrderStore(db, member);
    const { instances } = store;
    let catchUp: CatchUp | undefined;
    return {
      store,
      notReady: () => (catchUp ? catchUp.notReady : instances.named ? 'it has not started' : undefined),
      join: (tools) => {
        catchUp = new CatchUp(store, tools);
        return catchUp;
      },
      statistics: new OrderStatistics(db),
      reactions: orderReactions(store),
      // For the timeline, which shows an order's own events beside those of others.
      published: (event) => {
        if (event.type === 'instance.adopted') return;
        store.addFact(event);
        if (instances.named && event.type === 'order.withdrawn') noteOwnWithdrawal(store, event.subject);
      },
      peerReactions: peerReactions(store),
      handlesOwn: ['instance.adopted'],
      repeated: (event) => {
        checkRepeated(store, event);
        // Two instances may have decided the same: that is one event, of which all keep the same copy.
        if (instances.named && isAboutOrder(event.type)) store.addFact(event);
      },
      deleteOrders: orderDeletion(db, store),
      erasing: [eraseCustomer(db)],
      deadlines: {
        nextAtMs: () => (instances.ready ? store.nextDueAtMs() : undefined),
        due: (nowMs, limit) => store.due(nowMs, limit),
        meet: (orderId, tx, publishers) => meetDeadline(store, tx, orderId, publishers),
      },
    };
  },
};
