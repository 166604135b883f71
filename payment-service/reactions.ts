// What payment-service does when something happens elsewhere. The screen to read first.
import { type EventOf, emit, isEvent } from '../shared/contract/choreography.ts';
import type { CloudEvent } from '../shared/contract/cloud-event.ts';
import { areDifferentUsers } from '../shared/contract/pseudonym.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../shared/runtime/messaging/reaction.ts';
import { mayHaveLeftInbox } from '../shared/runtime/storage/inbox.ts';
import type { Reactions } from '../shared/saga.ts';
import { type Charge, type Payment, refusalOf } from './payment.ts';
import type { PaymentStore } from './store.ts';

export function paymentReactions(store: PaymentStore): Reactions<'payment-service'> {
  return {
    /** Takes the money, or refuses with a reason. A withdrawal that came first has left a fence: then nothing. */
    'order.placed': (event, at) => {
      const { orderId, userId, items, total: amount, idempotency } = event.data;
      const known = store.payment(orderId);
      // An order that is over claims no key: it may be another order's by now.
      if (known ? mayHaveLeftInbox(event, at.nowMs) && agrees(known, event) : store.deleted.includes(orderId, at.nowMs))
        return 'fenced';
      const first = idempotency ? store.claimKey(idempotency.key, orderId, at.nowMs) : orderId;
      if (known?.status === 'voided') return 'fenced';
      if (known)
        throw new ContradictoryEventError(`order ${orderId} is placed, but its payment is ${known.status} already`);
      if (first !== orderId) {
        // Two instances have accepted the same request: one of its orders is charged, and this is the other.
        const reason = 'duplicate_request';
        store.putPayment({ status: 'failed', orderId, userId, amount, reason }, at.nowMs);
        return emit('payment.failed', { orderId, userId, amount, items, reason, duplicateOf: first });
      }
      const reason = refusalOf(store.account(userId), amount);
      if (reason) {
        store.putPayment({ status: 'failed', orderId, userId, amount, reason }, at.nowMs);
        return emit('payment.failed', { orderId, userId, amount, items, reason });
      }
      store.enter(userId, 'charge', -amount, orderId, at.nowMs);
      store.putPayment({ status: 'completed', orderId, userId, amount }, at.nowMs);
      return emit('payment.completed', { orderId, userId, amount, items });
    },

    /** Gives the money back. */
    'inventory.rejected': ({ data: { orderId } }, at) => {
      const known = store.payment(orderId);
      if (known ? known.status === 'refunded' : store.deleted.includes(orderId, at.nowMs)) return 'compensated';
      // Its order.placed is on its way: this database was put back. To give up here would leave the customer charged.
      if (!known)
        throw new UnknownSubjectError(`stock was refused for order ${orderId}, whose payment is not known here`);
      if (known.status !== 'completed') {
        throw new ContradictoryEventError(`stock was refused for order ${orderId}, but its payment is ${known.status}`);
      }
      return refund(store, known, 'inventory.rejected', at.nowMs);
    },

    /** Gives back what was taken, or makes sure that nothing ever will be. */
    'order.withdrawn': ({ source, data: { orderId, attempt } }, at) => {
      if (store.isAdopted(source)) return 'overruled';
      const known = store.payment(orderId);
      if (!known) {
        // Of a deleted order, the fence is that it is deleted.
        if (!store.deleted.includes(orderId, at.nowMs)) store.putPayment({ status: 'voided', orderId }, at.nowMs);
        return emit('payment.voided', { orderId });
      }
      if (known.status !== 'completed') return attempt === undefined ? 'compensated' : recorded(known);
      return refund(store, known, 'order.withdrawn', at.nowMs);
    },

    /** A fence: should that instance come back, it withdraws nothing any more. */
    'instance.adopted': ({ data: { instance, by } }) => {
      store.adopt(instance, by);
      return 'noted';
    },
  };
}

/**
 * An order that was handled before must be of the same customer and over the same amount as it was then.
 * @throws ContradictoryEventError when it is not
 */
export function checkRepeated(store: PaymentStore, event: CloudEvent): void {
  if (!isEvent(event, 'order.placed')) return;
  const { orderId, userId, total } = event.data;
  const known = store.payment(orderId);
  if (!known || known.status === 'voided' || agrees(known, event)) return;
  throw new ContradictoryEventError(
    `order ${orderId} was handled before, of ${known.userId} over ${known.amount}; now it is of ${userId} over ${total}`,
  );
}

/** Whether the payment is what came of this order, as far as it can be compared. */
function agrees(known: Payment, { data: { userId, total } }: EventOf<'order.placed'>): boolean {
  return known.status === 'voided' || (!areDifferentUsers(known.userId, userId) && known.amount === total);
}

/** The answer that was given before, for an order that has missed it. */
function recorded(payment: Exclude<Payment, { status: 'completed' }>) {
  const { orderId } = payment;
  if (payment.status !== 'refunded') return emit('payment.voided', { orderId });
  const { userId, amount } = payment;
  return emit('payment.refunded', { orderId, userId, amount, because: 'order.withdrawn' });
}

function refund(store: PaymentStore, taken: Charge, because: 'inventory.rejected' | 'order.withdrawn', nowMs: number) {
  const { orderId, userId, amount } = taken;
  store.enter(userId, 'refund', amount, orderId, nowMs);
  store.putPayment({ status: 'refunded', orderId, userId, amount }, nowMs);
  return emit('payment.refunded', { orderId, userId, amount, because });
}
