// What a named instance does with the events of its peers: it records them, so that it can answer for every order. It decides
// nothing, except what a peer asks of the one that decides.
import { type EventOf, emit } from '../shared/contract/choreography.ts';
import type { PeerReactions } from '../shared/saga.ts';
import { firstAskAgainMs } from './commands.ts';
import { adoptionOf } from './instances.ts';
import { noteFact, refreshStatus } from './reactions.ts';
import type { OrderStore } from './store.ts';

export function peerReactions(store: OrderStore): PeerReactions<'order-service'> {
  const { instances } = store;
  return {
    /** Facts about the order may have come before it; they count now. */
    'order.placed': (event) => {
      // Stryker disable next-line LogicalOperator: a fact about an order that is known never waits
      if (store.order(event.subject)) return noteFact(store, event) && 'noted';
      if (store.deleted.includes(event.subject)) return 'noted';
      insertPlaced(store, event);
      noteFact(store, event);
      // It is an order of an instance that this one has adopted, or its own from before its database was lost.
      if (instances.isDeciderOf(event.source)) store.setDueIfOpen(event.subject);
      return 'noted';
    },

    'order.withdrawn': (event) => noteFact(store, event),
    'order.confirmed': (event) => noteFact(store, event),
    'order.cancelled': (event) => noteFact(store, event),

    /** A customer has cancelled at another instance. Too late: the order has ended, or is being cancelled. */
    'order.cancel-requested': (event, at) => {
      if (noteFact(store, event) === 'waits') return 'waits';
      const order = store.order(event.subject);
      if (order?.status !== 'pending') return 'noted';
      if (!instances.decides(order.origin)) {
        if (instances.isDeciderOf(order.origin)) store.setDueIfOpen(order.orderId);
        return 'noted';
      }
      const { orderId, userId } = order;
      store.setDue(orderId, at.nowMs + firstAskAgainMs, 1);
      return emit('order.withdrawn', { orderId, userId, reason: 'customer' });
    },

    /**
     * Its own adoption takes effect when it comes back through the queue: by then, everything that the adopted instance
     * has ever published has come, too.
     */
    'instance.adopted': (event) => {
      const adoption = adoptionOf(event);
      instances.noteAdoption(adoption);
      if (instances.isDeciderOf(adoption.instance)) store.makeDue(adoption.instance);
      return 'noted';
    },
  };
}

function insertPlaced(store: OrderStore, { source, time, data }: EventOf<'order.placed'>): void {
  const { orderId, userId, items, total, deadlineAt, idempotency } = data;
  const placedAtMs = Date.parse(time);
  store.insert({ orderId, userId, items, total, placedAtMs, deadlineAtMs: Date.parse(deadlineAt), origin: source });
  if (idempotency) store.putKey(idempotency, orderId, placedAtMs);
}

/** An order's own instance has withdrawn it, in this transaction. */
export function noteOwnWithdrawal(store: OrderStore, orderId: string): void {
  const order = store.order(orderId);
  if (order) refreshStatus(store, order);
}
