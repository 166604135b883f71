// The contract with shipping-service: this saga's table with one more subscriber and one more event. In a project of your
// own these are lines of shared/contract/choreography.ts.
import { choreography as saga } from '../../shared/contract/choreography.ts';
import { type DataIn, defineChoreography, type TypeIn } from '../../shared/contract/language.ts';
import * as data from './event-data.ts';

const shipping = 'shipping-service';

// biome-ignore format: a table is read by its columns
export const choreography = defineChoreography({
  ...saga,
  events: {
    ...saga.events,
    // A final event may have subscribers: what they do no longer belongs to the saga.
    'order.confirmed':     { ...saga.events['order.confirmed'],
      reactions: { [shipping]: ['shipment.dispatched'] } },
    'shipment.dispatched': { by: shipping, data: data.ShipmentDispatched, subject: 'orderId', standalone: true, reactions: {} },
  },
});

type C = typeof choreography;

export function emit<T extends TypeIn<C>>(
  type: T,
  data: DataIn<C, T>,
): { readonly type: T; readonly data: DataIn<C, T> } {
  return { type, data };
}
