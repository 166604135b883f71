// What order-service does when something happens elsewhere. The screen to read first.
// Every event becomes a fact about its order; what follows is read off the set of facts.
import { type Emission, emit } from '../shared/contract/choreography.ts';
import type { AnyEvent } from '../shared/contract/cloud-event.ts';
import type { Reactions } from '../shared/runtime/node/service-node.ts';
import { type Order, type OrderStatus, reasonOf, statusOf } from './order.ts';
import type { OrderStore } from './store.ts';

export function orderReactions(store: OrderStore): Reactions<'order-service'> {
  /** The undoing, or the refusal, that may have been the last thing missing. An order does not end before it. */
  const cancelOrWait = (event: SagaEvent): Emission<'order.cancelled'> | 'waits' => {
    const change = learn(store, event);
    const { orderId } = change.order;
    if (change.before === 'cancelled') throw new Error(`order ${orderId} was cancelled before ${event.type}`);
    return cancelledNow(change) ?? 'waits';
  };

  return {
    'payment.completed': (event) => {
      learn(store, event);
      return 'noted';
    },

    /** Nothing was taken, so nothing has to be undone. */
    'payment.failed': (event) => {
      const change = learn(store, event);
      const cancelled = cancelledNow(change);
      if (!cancelled)
        throw new Error(`payment failed for order ${change.order.orderId}, which is ${change.order.status} already`);
      return cancelled;
    },

    'inventory.reserved': (event) => {
      const { order, before } = learn(store, event);
      if (order.status === 'confirmed' && before !== 'confirmed') {
        return emit('order.confirmed', { orderId: order.orderId, userId: order.userId, total: order.total });
      }
      if (order.status === 'confirmed') throw new Error(`order ${order.orderId} is confirmed already`);
      return 'withdrawn';
    },

    'inventory.rejected': cancelOrWait,
    'payment.refunded': cancelOrWait,
    'payment.voided': cancelOrWait,
    'inventory.released': cancelOrWait,

    /** A withdrawal that met a failed payment: the order had ended without waiting for inventory-service. */
    'inventory.voided': (event) => {
      const change = learn(store, event);
      if (change.before === 'cancelled') return 'ended';
      return cancelledNow(change) ?? 'waits';
    },

    'product.updated': ({ data }) => (store.putEntry(data) ? 'noted' : 'outdated'),
  };
}

type SagaEvent = Exclude<AnyEvent, { type: 'product.updated' }>;

interface Change {
  readonly before: OrderStatus;
  /** As it is now. */
  readonly order: Order;
}

/** Adds the event to the facts and brings the order's status in line with them. */
export function learn(store: OrderStore, event: SagaEvent): Change {
  const order = store.order(event.subject);
  if (!order) throw new Error(`'${event.type}' is about order ${event.subject}, which was never placed here`);
  store.addFact(event);
  const status = statusOf(store.factTypes(order.orderId));
  const reason = status === 'pending' || status === 'confirmed' ? undefined : reasonOf(store.facts(order.orderId));
  if (status !== order.status || reason !== order.reason) store.setStatus(order.orderId, status, reason);
  return { before: order.status, order: { ...order, status, reason } };
}

function cancelledNow({ before, order }: Change): Emission<'order.cancelled'> | undefined {
  if (order.status !== 'cancelled' || before === 'cancelled') return undefined;
  const { orderId, userId, reason } = order;
  if (!reason) throw new Error(`order ${orderId} is cancelled for no reason`);
  return emit('order.cancelled', { orderId, userId, reason });
}
