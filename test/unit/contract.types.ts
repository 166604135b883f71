// What the compiler must refuse, pinned: it checks this file with the rest and nothing ever runs it. Where an expected
// error stops being one, the line above it becomes the error.
import {
  type ConsumedBy,
  type DataOf,
  type Emission,
  emit,
  type Outcome,
  type PublishedBy,
  type ServiceName,
} from '../../shared/contract/choreography.ts';
import type { Reactions } from '../../shared/saga.ts';

declare const refunded: DataOf<'payment.refunded'>;
declare const completed: DataOf<'payment.completed'>;
declare const confirmed: DataOf<'order.confirmed'>;
declare const whole: Reactions<'payment-service'>;

// Every reaction is there, with an outcome that the contract declares.
export const complete: Reactions<'payment-service'> = {
  'order.placed': (event) => emit('payment.completed', { ...completed, userId: event.data.userId }),
  'inventory.rejected': () => emit('payment.refunded', refunded),
  'order.withdrawn': () => 'compensated',
  'instance.adopted': () => 'noted',
};

// A missing reaction: 'order.withdrawn'.
// @ts-expect-error
export const missingReaction: Reactions<'payment-service'> = {
  'order.placed': () => 'fenced',
  'inventory.rejected': () => 'compensated',
  'instance.adopted': () => 'noted',
};

export const undeclaredEvent: Reactions<'payment-service'> = {
  ...whole,
  // An event that payment-service may publish, but not because of this one.
  // @ts-expect-error
  'order.placed': () => emit('payment.refunded', refunded),
};

export const foreignEvent: Reactions<'payment-service'> = {
  ...whole,
  // An event that only another service may publish.
  // @ts-expect-error
  'order.placed': () => emit('order.confirmed', confirmed),
};

export const undeclaredSilentOutcome: Reactions<'payment-service'> = {
  ...whole,
  // A silent outcome that the contract does not declare for this reaction.
  // @ts-expect-error
  'order.placed': () => 'noted',
};

export const noOutcome: Reactions<'payment-service'> = {
  ...whole,
  // No outcome at all: to ignore something is an outcome too, and has a name.
  // @ts-expect-error
  'order.placed': () => undefined,
};

export const asyncReaction: Reactions<'payment-service'> = {
  ...whole,
  // An async reaction: its transaction would be committed before it is done.
  // @ts-expect-error
  'order.placed': async () => 'fenced',
};

export const notConsumed: Reactions<'payment-service'> = {
  ...whole,
  // An event that payment-service does not subscribe to.
  // @ts-expect-error
  'order.confirmed': () => 'noted',
};

// Data without one of its fields.
// @ts-expect-error
emit('payment.refunded', { orderId: refunded.orderId, userId: refunded.userId, amount: refunded.amount });

// Data with a word that the schema does not list.
// @ts-expect-error
emit('payment.refunded', { ...refunded, because: 'no reason' });

// The data of another event.
// @ts-expect-error
emit('payment.refunded', completed);

// An event that is not in the contract.
// @ts-expect-error
emit('payment.reversed', refunded);

export const wrongData: Reactions<'payment-service'> = {
  ...whole,
  // The right event with the wrong data, without the help of emit().
  // @ts-expect-error
  'inventory.rejected': () => ({ type: 'payment.refunded', data: { orderId: 'x' } }),
};

export const wrongField: Reactions<'payment-service'> = {
  ...whole,
  'inventory.rejected': (event) => {
    // A field that the event does not have.
    // @ts-expect-error
    event.data.amount;
    return 'compensated';
  },
};

// An event published of one's own accord that belongs to another service.
// @ts-expect-error
export const stolen: Emission<PublishedBy<'payment-service'>> = emit('order.confirmed', confirmed);

// A service that the contract does not name.
// @ts-expect-error
export const unknownService: ServiceName = 'nobody-service';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

// And what it derives, exactly: none of these may widen to `string` or `any`.
export const exactly: [
  Same<string extends ServiceName ? 'any string' : 'names', 'names'>,
  Same<ConsumedBy<'payment-service'>, 'order.placed' | 'inventory.rejected' | 'order.withdrawn' | 'instance.adopted'>,
  Same<PublishedBy<'payment-service'>, 'payment.completed' | 'payment.failed' | 'payment.refunded' | 'payment.voided'>,
  Same<Outcome<'order-service', 'payment.completed'>, 'noted' | 'recovered' | 'waits'>,
  Same<Outcome<'order-service', 'payment.failed'>, Emission<'order.cancelled'> | 'ended' | 'noted' | 'waits'>,
] = [true, true, true, true, true];
