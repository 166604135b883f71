// The rules that an order must keep in all three services. Pure: what is held and the time go in, what is broken comes out.
import type { HeldByAll, HeldLine, HeldOrder } from './answers.ts';
import type { Broken, ReconciliationState } from './finding.ts';
import * as repair from './order-repairs.ts';

export interface JudgedAt {
  readonly nowMs: number;
  readonly graceMs: number;
  readonly reconciliation: ReconciliationState;
}

interface Rule extends Pick<Broken, 'rule' | 'promise'> {
  breaks(held: HeldByAll, at: JudgedAt): boolean;
  text(held: HeldByAll, at: JudgedAt): string;
  repair(held: HeldByAll, at: JudgedAt): string;
  readonly repairable?: true;
}

const rules: readonly Rule[] = [
  {
    rule: 'unknown-order',
    promise: 'P5',
    breaks: ({ order }) => !order,
    text: ({ payment, reservation }) => {
      const knows =
        payment && reservation
          ? 'payment-service and inventory-service know'
          : `${payment ? 'payment' : 'inventory'}-service knows`;
      return `${knows} an order that order-service does not know.`;
    },
    repair: repair.unknownOrder,
  },
  {
    rule: 'user-differs',
    promise: 'P3',
    breaks: ({ order, payment }) =>
      order !== undefined && payment?.userId !== undefined && payment.userId !== order.userId,
    text: ({ order, payment }) => `The payment is of ${payment?.userId}, but the order is of ${order?.userId}.`,
    repair: repair.contradiction,
  },
  {
    rule: 'amount-differs',
    promise: 'P3',
    breaks: ({ order, payment }) =>
      order !== undefined && payment?.amount !== undefined && payment.amount !== order.total,
    text: ({ order, payment }) =>
      `The payment is over ${payment?.amount}, but the total of the order is ${order?.total}.`,
    repair: repair.contradiction,
  },
  {
    rule: 'items-differ',
    promise: 'P4',
    breaks: ({ order, reservation }) =>
      order !== undefined && reservation?.items !== undefined && !sameLines(order.items, reservation.items),
    text: () => 'The reservation is of other products or quantities than the order.',
    repair: repair.contradiction,
  },
  {
    rule: 'confirmed-not-paid',
    promise: 'P5',
    breaks: ({ order, payment }) => order?.status === 'confirmed' && payment?.status !== 'completed',
    text: ({ payment }) =>
      `The order is confirmed, so its payment must be completed; it is ${payment?.status ?? 'missing'}.`,
    repair: repair.confirmedNotPaid,
  },
  {
    rule: 'confirmed-not-reserved',
    promise: 'P5',
    breaks: ({ order, reservation }) => order?.status === 'confirmed' && reservation?.status !== 'reserved',
    text: ({ reservation }) =>
      `The order is confirmed, so its stock must be reserved; the reservation is ${reservation?.status ?? 'missing'}.`,
    repair: repair.confirmedNotReserved,
  },
  {
    rule: 'cancelled-charged',
    promise: 'P3',
    breaks: ({ order, payment }) => order?.status === 'cancelled' && payment?.status === 'completed',
    text: () => 'The order is cancelled, so it must cost nothing; its payment is completed and not refunded.',
    repair: repair.cancelledCharged,
  },
  {
    rule: 'cancelled-payment-missing',
    promise: 'P5',
    breaks: ({ order, payment }) => order?.status === 'cancelled' && !payment,
    text: () => 'The order is cancelled, so its payment must be failed, refunded or voided; it is missing.',
    repair: repair.cancelledPaymentMissing,
  },
  {
    rule: 'cancelled-reserved',
    promise: 'P4',
    breaks: ({ order, reservation }) => order?.status === 'cancelled' && reservation?.status === 'reserved',
    text: () => 'The order is cancelled, so it must hold no stock; its reservation is reserved and not released.',
    repair: repair.cancelledReserved,
  },
  {
    rule: 'cancelled-reservation-missing',
    promise: 'P5',
    // Without money taken, inventory-service was never asked.
    breaks: ({ order, payment, reservation }) =>
      order?.status === 'cancelled' &&
      !reservation &&
      (payment?.status === 'refunded' || payment?.status === 'completed'),
    text: () =>
      'The order was paid for and is cancelled, so its reservation must be rejected, released or voided; it is missing.',
    repair: repair.cancelledReservationMissing,
  },
  {
    rule: 'stuck',
    promise: 'P2',
    breaks: ({ order }, { nowMs, graceMs }) => order !== undefined && (openSinceMs(order) ?? nowMs) + graceMs < nowMs,
    text: ({ order }, { nowMs }) => (order ? stuckText(order, nowMs) : ''),
    repair: repair.stuck,
    repairable: true,
  },
];

/** The rules that this order breaks now; none: the services agree, or still may. */
export function brokenBy(held: HeldByAll, at: JudgedAt): Broken[] {
  // Read when it was there, and looked for when it was not: nobody holds anything.
  if (!held.order && !held.payment && !held.reservation) return [];
  return rules
    .filter(({ breaks }) => breaks(held, at))
    .map(({ rule, promise, text, repair, repairable }) => ({
      rule,
      promise,
      text: text(held, at),
      repair: repair(held, at),
      repairable: repairable ?? false,
    }));
}

export const orderRuleNames: readonly string[] = rules.map(({ rule }) => rule);

/** From when on the order should have ended: its deadline, or the time since when it is being cancelled. */
function openSinceMs({ status, deadlineAt, waitsFor }: HeldOrder): number | undefined {
  if (status === 'pending') return Date.parse(deadlineAt);
  if (status === 'cancelling')
    return Math.min(Date.parse(deadlineAt), ...waitsFor.map(({ since }) => Date.parse(since)));
  return undefined;
}

function stuckText(order: HeldOrder, nowMs: number): string {
  const { status, deadlineAt, waitsFor } = order;
  const forText = duration(nowMs - (openSinceMs(order) ?? nowMs));
  const waits = waitsFor.map(({ service, events, since }) => `${events.join(' or ')} of ${service}, since ${since}`);
  const missing = waits.length > 0 ? ` It waits for ${waits.join('; and for ')}.` : '';
  return status === 'pending'
    ? `The order is still pending ${forText} after its deadline, ${deadlineAt}.${missing}`
    : `The order has been cancelling for ${forText}.${missing}`;
}

/** The same products in the same quantities, in whatever order. */
function sameLines(a: readonly HeldLine[], b: readonly HeldLine[]): boolean {
  const inOrder = (lines: readonly HeldLine[]) => lines.map(({ productId, qty }) => `${productId} ${qty}`).sort();
  const [left, right] = [inOrder(a), inOrder(b)];
  return left.length === right.length && left.every((line, index) => line === right[index]);
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}
