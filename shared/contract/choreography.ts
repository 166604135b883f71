// The whole choreography on one screen: every event, who publishes it, who reacts with which possible outcomes, what
// compensates what. It is a contract, not a coordinator: nothing reads it at run time to decide what happens next. The
// types of the reactions, the validation of messages, the RabbitMQ topology, the diagrams and the static checks follow
// from it.
import type { CloudEvent } from './cloud-event.ts';
import * as data from './event-data.ts';
import {
  type ConsumedIn,
  type DataIn,
  defineChoreography,
  type EmissionIn,
  type OutcomeIn,
  type PublishedIn,
  type ServiceIn,
  type TypeIn,
} from './language.ts';

const order = 'order-service';
const payment = 'payment-service';
const inventory = 'inventory-service';

// biome-ignore format: a table is read by its columns
export const choreography = defineChoreography({
  starts: 'order.placed',
  withdrawal: 'order.withdrawn',
  events: {
    // forward
    'order.placed':       { by: order,     data: data.OrderPlaced,       subject: 'orderId', trigger: 'a customer places an order',
      reactions: { [payment]:   ['payment.completed', 'payment.failed', 'fenced'] } },
    'payment.completed':  { by: payment,   data: data.PaymentCompleted,  subject: 'orderId',
      reactions: { [inventory]: ['inventory.reserved', 'inventory.rejected', 'fenced'], [order]: ['noted', 'recovered'] } },
    'inventory.reserved': { by: inventory, data: data.InventoryReserved, subject: 'orderId',
      reactions: { [order]:     ['order.confirmed', 'withdrawn'] } },
    'order.confirmed':    { by: order,     data: data.OrderConfirmed,    subject: 'orderId', final: 'confirmed', reactions: {} },

    // refusals
    'payment.failed':     { by: payment,   data: data.PaymentFailed,     subject: 'orderId',
      reactions: { [order]:     ['order.cancelled', 'ended'] } },
    'inventory.rejected': { by: inventory, data: data.InventoryRejected, subject: 'orderId',
      reactions: { [payment]:   ['payment.refunded', 'compensated'], [order]: ['order.cancelled', 'waits', 'ended'] } },

    // the customer changes their mind, or the deadline passes
    'order.withdrawn':    { by: order,     data: data.OrderWithdrawn,    subject: 'orderId', trigger: 'the customer cancels, or the deadline passes, while the order is pending',
      reactions: { [payment]:   ['payment.refunded', 'payment.voided', 'compensated'],
                   [inventory]: ['inventory.released', 'inventory.voided', 'compensated'] } },

    // undoing
    'payment.refunded':   { by: payment,   data: data.PaymentRefunded,   subject: 'orderId', compensates: 'payment.completed',
      reactions: { [order]:     ['order.cancelled', 'waits', 'ended'] } },
    'payment.voided':     { by: payment,   data: data.PaymentVoided,     subject: 'orderId',
      reactions: { [order]:     ['order.cancelled', 'waits', 'ended'] } },
    'inventory.released': { by: inventory, data: data.InventoryReleased, subject: 'orderId', compensates: 'inventory.reserved',
      reactions: { [order]:     ['order.cancelled', 'waits', 'ended'] } },
    'inventory.voided':   { by: inventory, data: data.InventoryVoided,   subject: 'orderId',
      reactions: { [order]:     ['order.cancelled', 'waits', 'ended'] } },
    'order.cancelled':    { by: order,     data: data.OrderCancelled,    subject: 'orderId', final: 'cancelled', reactions: {} },

    // beside the saga
    'product.updated':    { by: inventory, data: data.ProductUpdated,    subject: 'productId', trigger: 'name, price or availability of a product changes', standalone: true,
      reactions: { [order]:     ['noted', 'outdated'] } },
  },
});

type C = typeof choreography;
export type EventType = TypeIn<C>;
export type ServiceName = ServiceIn<C>;
export type DataOf<T extends EventType> = DataIn<C, T>;
/** An event of type T in its envelope. */
export type EventOf<T extends EventType> = CloudEvent<T, DataOf<T>>;
/** An event of any type, as a union that narrows on `type`. */
export type AnyEvent = { [T in EventType]: EventOf<T> }[EventType];
/** The event types that a service reacts to. */
export type ConsumedBy<S extends ServiceName> = ConsumedIn<C, S>;
/** The event types that a service may publish. */
export type PublishedBy<S extends ServiceName> = PublishedIn<C, S>;
/** An event to be emitted, without its envelope. */
export type Emission<T extends EventType = EventType> = EmissionIn<C, T>;
/** What the reaction of service S to event type T may return. */
export type Outcome<S extends ServiceName, T extends EventType> = OutcomeIn<C, S, T>;

/** An event to be published. The runtime adds the envelope, commits it with the state change, and publishes it. */
export function emit<T extends EventType>(type: T, data: DataOf<T>): { readonly type: T; readonly data: DataOf<T> } {
  return { type, data };
}

/** Whether an event that was read by the contract is of this type. */
export function isEvent<T extends EventType>(event: CloudEvent, type: T): event is EventOf<T> {
  return event.type === type;
}
