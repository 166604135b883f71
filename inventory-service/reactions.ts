// What inventory-service does when something happens elsewhere. The screen to read first.
import { emit } from '../shared/contract/choreography.ts';
import type { Reactions } from '../shared/runtime/node/service-node.ts';
import { shortagesOf } from './reservation.ts';
import type { InventoryStore } from './store.ts';

export function inventoryReactions(store: InventoryStore): Reactions<'inventory-service'> {
  return {
    /** Sets every line aside, or none and says what is short. A withdrawal that came first has left a fence: then nothing. */
    'payment.completed': ({ data: { orderId, items } }, at) => {
      const known = store.reservation(orderId);
      if (known?.status === 'voided') return 'fenced';
      if (known) throw new Error(`order ${orderId} is paid, but its reservation is ${known.status} already`);
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
    'order.withdrawn': ({ data: { orderId } }, at) => {
      const known = store.reservation(orderId);
      if (!known) {
        store.putReservation({ status: 'voided', orderId }, at.nowMs);
        return emit('inventory.voided', { orderId });
      }
      if (known.status !== 'reserved') return 'compensated';
      const { items } = known;
      for (const { productId, qty } of items) store.move(productId, 'release', qty, orderId, at.nowMs);
      store.putReservation({ status: 'released', orderId, items }, at.nowMs);
      return emit('inventory.released', { orderId, items: [...items] });
    },
  };
}
