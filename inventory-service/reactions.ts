// What inventory-service does when something happens elsewhere. The screen to read first.
import { emit, isEvent } from '../shared/contract/choreography.ts';
import type { CloudEvent } from '../shared/contract/cloud-event.ts';
import { ContradictoryEventError } from '../shared/runtime/messaging/reaction.ts';
import { mayHaveLeftInbox } from '../shared/runtime/storage/inbox.ts';
import type { Reactions } from '../shared/saga.ts';
import { type Reservation, shortagesOf } from './reservation.ts';
import type { InventoryStore } from './store.ts';

export function inventoryReactions(store: InventoryStore): Reactions<'inventory-service'> {
  return {
    /** Sets every line aside, or none and says what is short. A withdrawal that came first has left a fence: then nothing. */
    'payment.completed': (event, at) => {
      const { orderId, items: passed } = event.data;
      const items = passed.map(({ productId, qty }) => ({ productId, qty }));
      const known = store.reservation(orderId);
      if (known?.status === 'voided' || (!known && store.deleted.includes(orderId, at.nowMs))) return 'fenced';
      if (known && mayHaveLeftInbox(event, at.nowMs) && lines(known.items) === lines(items)) return 'fenced';
      if (known)
        throw new ContradictoryEventError(`order ${orderId} is paid, but its reservation is ${known.status} already`);
      const shortages = shortagesOf(items, (productId) => store.stockOf(productId));
      if (shortages.length > 0) {
        store.putReservation({ status: 'rejected', orderId, items, shortages }, at.nowMs);
        return emit('inventory.rejected', { orderId, shortages });
      }
      for (const { productId, qty } of items) store.move(productId, 'reserve', -qty, orderId, at.nowMs);
      store.putReservation({ status: 'reserved', orderId, items }, at.nowMs);
      return emit('inventory.reserved', { orderId, items });
    },

    /** Puts back what was set aside, or makes sure that nothing ever will be. */
    'order.withdrawn': ({ source, data: { orderId, attempt } }, at) => {
      if (store.isAdopted(source)) return 'overruled';
      const known = store.reservation(orderId);
      if (!known) {
        // Of a deleted order, the fence is that it is deleted.
        if (!store.deleted.includes(orderId, at.nowMs)) store.putReservation({ status: 'voided', orderId }, at.nowMs);
        return emit('inventory.voided', { orderId });
      }
      if (known.status !== 'reserved') return attempt === undefined ? 'compensated' : recorded(known);
      const { items } = known;
      for (const { productId, qty } of items) store.move(productId, 'release', qty, orderId, at.nowMs);
      store.putReservation({ status: 'released', orderId, items }, at.nowMs);
      return emit('inventory.released', { orderId, items: [...items] });
    },

    /** A fence: should that instance come back, it withdraws nothing any more. */
    'instance.adopted': ({ data: { instance, by } }) => {
      store.adopt(instance, by);
      return 'noted';
    },
  };
}

/**
 * A payment that was handled before must be for the same goods as it was then.
 * @throws ContradictoryEventError when it is not
 */
export function checkRepeated(store: InventoryStore, event: CloudEvent): void {
  if (!isEvent(event, 'payment.completed')) return;
  const { orderId, items } = event.data;
  const known = store.reservation(orderId);
  if (!known || known.status === 'voided' || lines(known.items) === lines(items)) return;
  throw new ContradictoryEventError(`the payment of order ${orderId} was handled before, for other items`);
}

function lines(items: readonly { readonly productId: string; readonly qty: number }[]): string {
  return JSON.stringify(items.map(({ productId, qty }) => [productId, qty]).sort());
}

/** The answer that was given before, for an order that has missed it. */
function recorded(reservation: Exclude<Reservation, { status: 'reserved' }>) {
  const { orderId } = reservation;
  if (reservation.status !== 'released') return emit('inventory.voided', { orderId });
  return emit('inventory.released', { orderId, items: [...reservation.items] });
}
