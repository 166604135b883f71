// Events as they come in: a sample of each type of the contract, and the envelope around it.
import { v7 as uuidv7 } from 'uuid';
import { choreography, type DataOf, type EventOf, type EventType } from '../../shared/contract/choreography.ts';
import { type CloudEvent, createEvent } from '../../shared/contract/cloud-event.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';

export const orderId = '01900000-0000-7000-8000-00000000a11c';
export const userId = 'ann';

const party = { orderId, userId };
const items = [{ productId: 'CATALOG-001', qty: 2 }];

/** One valid `data` of every event in the contract. A new event in the contract does not compile without one here. */
export const samples: { readonly [T in EventType]: DataOf<T> } = {
  'order.placed': {
    ...party,
    items: [{ productId: 'CATALOG-001', qty: 2, unitPrice: 1500 }],
    total: 3000,
    deadlineAt: '2030-01-01T00:00:30.000Z',
  },
  'order.withdrawn': { ...party, reason: 'customer' },
  'order.confirmed': { ...party, total: 3000 },
  'order.cancelled': { ...party, reason: 'out_of_stock' },
  'payment.completed': { ...party, amount: 3000, items },
  'payment.failed': { ...party, amount: 3000, reason: 'insufficient_funds' },
  'payment.refunded': { ...party, amount: 3000, because: 'order.withdrawn' },
  'payment.voided': { orderId },
  'inventory.reserved': { orderId, items },
  'inventory.rejected': { orderId, shortages: [{ productId: 'CATALOG-001', wanted: 2, available: 1 }] },
  'inventory.released': { orderId, items },
  'inventory.voided': { orderId },
  'order.cancel-requested': { ...party },
  'instance.adopted': { instance: 'order-service.a', by: 'order-service.b' },
  'product.updated': { productId: 'CATALOG-001', name: 'Berlin', unitPrice: 1500, available: true, version: 1 },
};

export const eventTypes = Object.keys(samples) as EventType[];

/** What a test may want otherwise in an envelope. */
type Changes = Partial<Omit<CloudEvent, 'type' | 'data'>> & { readonly position?: number };

/** An event with everything around it that its publisher would have put there. */
export function eventOf<T extends EventType>(
  type: T,
  data: DataOf<T> = samples[type],
  { position, ...changes }: Changes = {},
): EventOf<T> {
  const event = createEvent(
    choreography,
    { type, data },
    {
      id: uuidv7(),
      source: choreography.events[type].by,
      time: isoTime(Date.UTC(2030, 0, 1)),
      causationId: uuidv7(),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      ...(position === undefined ? {} : { position }),
    },
  );
  return { ...event, ...changes, type, data };
}
