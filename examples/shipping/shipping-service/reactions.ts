// What shipping-service does when something happens elsewhere. The screen to read first.
import { ContradictoryEventError } from '../../../shared/runtime/messaging/reaction.ts';
import { emit } from '../choreography.ts';
import type { Reactions } from '../saga.ts';
import type { ShippingStore } from './store.ts';

export function shippingReactions(store: ShippingStore): Reactions<'shipping-service'> {
  return {
    /** Ships the order. The inbox has already recognised a redelivery, so a second confirmation contradicts the first. */
    'order.confirmed': ({ data: { orderId, userId } }, at) => {
      if (store.shipment(orderId)) throw new ContradictoryEventError(`order ${orderId} has been shipped already`);
      store.insert({ orderId, userId, dispatchedAtMs: at.nowMs });
      return emit('shipment.dispatched', { orderId, userId });
    },
  };
}
