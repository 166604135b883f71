// The contract with shipping-service: this saga's table with one more subscriber and one more event. In a project of your
// own these are lines of shared/contract/choreography.ts, and the types below exist already.
import { z } from 'zod';
import { choreography as saga } from '../../shared/contract/choreography.ts';
import { Name, OrderId } from '../../shared/contract/event-data.ts';
import { type DataIn, defineChoreography, type TypeIn } from '../../shared/contract/language.ts';
import type { ReactionsIn, ServiceDefinitionIn, ServicePartsIn } from '../../shared/runtime/node/typed-service.ts';

const shipping = 'shipping-service';

const ShipmentDispatched = z.object({ orderId: OrderId, userId: Name });

// biome-ignore format: a table is read by its columns
export const choreography = defineChoreography({
  ...saga,
  events: {
    ...saga.events,
    // A final event may have subscribers: what they do no longer belongs to the saga.
    'order.confirmed':     { ...saga.events['order.confirmed'],
      reactions: { [shipping]: ['shipment.dispatched'] } },
    'shipment.dispatched': { by: shipping, data: ShipmentDispatched, subject: 'orderId', standalone: true, reactions: {} },
  },
});

type C = typeof choreography;
export type Reactions = ReactionsIn<C, typeof shipping>;
export type ServiceParts = ServicePartsIn<C, typeof shipping>;
export type ServiceDefinition<P extends ServiceParts> = ServiceDefinitionIn<C, typeof shipping, P>;

export function emit<T extends TypeIn<C>>(
  type: T,
  data: DataIn<C, T>,
): { readonly type: T; readonly data: DataIn<C, T> } {
  return { type, data };
}
