// Orders as the HTTP interface shows them.
import { z } from 'zod';
import type { DataOf } from '../shared/contract/choreography.ts';
import { CancelReason, Money, Name, OrderId, PricedLine } from '../shared/contract/event-data.ts';
import { isoTime } from '../shared/runtime/environment/clock.ts';
import { awaitedBy, type Fact, type Order, type OrderStatus } from './order.ts';

export const OrderView = z.object({
  orderId: OrderId,
  userId: Name,
  status: z.enum(['pending', 'cancelling', 'confirmed', 'cancelled']),
  reason: CancelReason.optional().describe('Why the order is being cancelled, or was cancelled.'),
  duplicateOf: OrderId.optional().describe(
    'For `duplicate_request`: the order that was placed with the same Idempotency-Key.',
  ),
  items: z.array(PricedLine),
  total: Money.describe('Minor units.'),
  placedAt: z.iso.datetime(),
  deadlineAt: z.iso.datetime(),
  waitsFor: z
    .array(z.object({ service: z.string(), events: z.array(z.string()), since: z.iso.datetime() }))
    .describe(
      'The services that the order waits for. Any one of the events of a service will do. Empty once the order has ended.',
    ),
});

export const OrderPage = z.object({
  orders: z.array(OrderView),
  next: OrderId.optional().describe('The `before` or `after` of the next page, if there is one.'),
});

export const Timeline = z.object({
  orderId: OrderId,
  status: OrderView.shape.status,
  events: z.array(
    z.object({
      time: z.iso.datetime(),
      type: z.string(),
      source: z.string(),
      eventId: z.string(),
      causationId: z.string().describe('The event, or the request, that this one follows from.'),
      cause: z.string().describe('The type of that event, or `request`.'),
      data: z.unknown(),
    }),
  ),
});

/** @param facts those of the order; none are needed for one that has ended, except as a duplicate */
export function viewOf(
  order: Order,
  facts: readonly (Pick<Fact, 'type' | 'time'> & Partial<Pick<Fact, 'data'>>)[],
): z.output<typeof OrderView> {
  const duplicateOf = order.reason === 'duplicate_request' ? duplicatedBy(facts) : undefined;
  return {
    orderId: order.orderId,
    userId: order.userId,
    status: order.status,
    ...(order.reason ? { reason: order.reason } : {}),
    ...(duplicateOf ? { duplicateOf } : {}),
    items: [...order.items],
    total: order.total,
    placedAt: isoTime(order.placedAtMs),
    deadlineAt: isoTime(order.deadlineAtMs),
    waitsFor: awaitedBy(facts).map((awaited) => ({ ...awaited, events: [...awaited.events] })),
  };
}

function duplicatedBy(facts: readonly { readonly type: string; readonly data?: unknown }[]): string | undefined {
  const failed = facts.find(({ type }) => type === 'payment.failed')?.data as DataOf<'payment.failed'> | undefined;
  return failed?.duplicateOf;
}

export function timelineOf(orderId: string, status: OrderStatus, facts: readonly Fact[]): z.output<typeof Timeline> {
  const typeOf = new Map(facts.map(({ eventId, type }) => [eventId, type]));
  const events = inCausalOrder(facts).map((fact) => ({ ...fact, cause: typeOf.get(fact.causationId) ?? 'request' }));
  return { orderId, status, events };
}

/** Each after its cause, then by time: the clocks of two services differ, and a step can take less than a millisecond. */
function inCausalOrder(facts: readonly Fact[]): Fact[] {
  const byId = new Map(facts.map((fact) => [fact.eventId, fact]));
  const placeOf = (fact: Fact): { readonly time: string; readonly depth: number } => {
    const cause = byId.get(fact.causationId);
    if (!cause || cause === fact) return { time: fact.time, depth: 0 };
    const { time, depth } = placeOf(cause);
    return { time: time > fact.time ? time : fact.time, depth: depth + 1 };
  };
  const placed = facts.map((fact) => ({ fact, ...placeOf(fact) }));
  placed.sort((a, b) => (a.time === b.time ? a.depth - b.depth : a.time < b.time ? -1 : 1));
  return placed.map(({ fact }) => fact);
}
