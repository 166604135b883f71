// Every way in which a saga can go, as the set of facts that order-service ends up with.
import type { OrderStatus } from '../../order-service/order.ts';
import type { ConsumedBy, EventType } from '../../shared/contract/choreography.ts';

export type Consumed = Exclude<ConsumedBy<'order-service'>, 'product.updated'>;

interface Ending {
  readonly withdrawn: boolean;
  /** What order-service consumes, in the usual order. */
  readonly consumed: readonly Consumed[];
  /** The same with its own facts. */
  readonly facts: readonly EventType[];
  readonly end: OrderStatus;
}

const straight: readonly (readonly [OrderStatus, readonly Consumed[]])[] = [
  ['confirmed', ['payment.completed', 'inventory.reserved']],
  ['cancelled', ['payment.failed']],
  ['cancelled', ['payment.completed', 'inventory.rejected', 'payment.refunded']],
];

/** A withdrawal meets payment-service and inventory-service each before or after their own step. */
const withdrawn: readonly (readonly Consumed[])[] = [
  ['payment.voided', 'inventory.voided'],
  ['payment.failed', 'inventory.voided'],
  ['payment.completed', 'payment.refunded', 'inventory.voided'],
  ['payment.completed', 'payment.refunded', 'inventory.reserved', 'inventory.released'],
  ['payment.completed', 'payment.refunded', 'inventory.rejected'],
];

export const endings: readonly Ending[] = [
  ...straight.map(
    ([end, consumed]): Ending => ({ withdrawn: false, consumed, facts: ['order.placed', ...consumed], end }),
  ),
  ...withdrawn.map(
    (consumed): Ending => ({
      withdrawn: true,
      consumed,
      facts: ['order.placed', 'order.withdrawn', ...consumed],
      end: 'cancelled',
    }),
  ),
];

/**
 * The sets of facts that can be known on the way to these, in any order of arrival. Order-service knows first of all
 * that it was placed; and of a withdrawal before anything that would have ended the order's pending.
 */
export function possibleSubsets(facts: readonly EventType[]): EventType[][] {
  const others = facts.filter((type) => type !== 'order.placed');
  const subsets = Array.from({ length: 2 ** others.length }, (_, bits): EventType[] => [
    'order.placed',
    ...others.filter((_type, index) => (bits >> index) & 1),
  ]);
  if (!facts.includes('order.withdrawn')) return subsets;
  return subsets.filter(
    (subset) =>
      subset.includes('order.withdrawn') ||
      subset.every((type) => type === 'order.placed' || type === 'payment.completed'),
  );
}
