// What loyalty-service does when something happens elsewhere. The screen to read first.
import { ContradictoryEventError } from '../../../shared/runtime/messaging/reaction.ts';
import { emit } from '../choreography.ts';
import type { Reactions } from '../saga.ts';
import { type Credit, type Points, pointsFor, pointsMax } from './credit.ts';
import type { LoyaltyStore } from './store.ts';

export function loyaltyReactions(store: LoyaltyStore): Reactions<'loyalty-service'> {
  return {
    /** Credits the points, or refuses with a reason. A withdrawal that came first has left a fence: then nothing. */
    'payment.completed': ({ data: { orderId, userId, amount, items } }) => {
      const known = store.credit(orderId);
      if (known?.status === 'voided') return 'fenced';
      if (known)
        throw new ContradictoryEventError(`order ${orderId} is paid, but its points are ${known.status} already`);
      const points = pointsFor(amount);
      if (store.pointsOf(userId) + points > pointsMax) {
        store.putCredit({ status: 'refused', orderId, userId, points });
        return emit('points.refused', { orderId, userId, reason: 'points_limit_reached' });
      }
      store.putCredit({ status: 'credited', orderId, userId, points });
      return emit('points.credited', { orderId, userId, points, items });
    },

    /** Takes the points back, unless a withdrawal has already done so. */
    'inventory.rejected': ({ data: { orderId } }) => {
      const known = store.credit(orderId);
      if (known?.status === 'taken-back') return 'compensated';
      if (known?.status !== 'credited') {
        throw new ContradictoryEventError(
          `stock was refused for order ${orderId}, but its points are ${known?.status ?? 'unknown'}`,
        );
      }
      return takeBack(store, known, 'inventory.rejected');
    },

    /** Takes the points back, or makes sure that none are ever credited. */
    'order.withdrawn': ({ data: { orderId, attempt } }) => {
      const known = store.credit(orderId);
      if (!known) {
        store.putCredit({ status: 'voided', orderId });
        return emit('points.voided', { orderId });
      }
      if (known.status !== 'credited') return attempt === undefined ? 'compensated' : recorded(known);
      return takeBack(store, known, 'order.withdrawn');
    },
  };
}

/** The answer that was given before, for an order that has missed it. */
function recorded(credit: Exclude<Credit, { status: 'credited' }>) {
  const { orderId } = credit;
  if (credit.status !== 'taken-back') return emit('points.voided', { orderId });
  const { userId, points } = credit;
  return emit('points.taken-back', { orderId, userId, points, because: 'order.withdrawn' });
}

function takeBack(store: LoyaltyStore, credited: Points, because: 'inventory.rejected' | 'order.withdrawn') {
  const { orderId, userId, points } = credited;
  store.putCredit({ status: 'taken-back', orderId, userId, points });
  return emit('points.taken-back', { orderId, userId, points, because });
}
