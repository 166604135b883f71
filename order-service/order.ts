// What an order is. Its status is a function of the facts known about it: the same set of facts gives the same status,
// in whatever order and however often they arrived. Pure: no database, no clock, no events.
import type { z } from 'zod';
import {
  choreography,
  type DataOf,
  type EventType,
  type PublishedBy,
  type ServiceName,
} from '../shared/contract/choreography.ts';
import type { CancelReason, PricedLine } from '../shared/contract/event-data.ts';
import { isSilent } from '../shared/contract/language.ts';

export type OrderStatus = 'pending' | 'cancelling' | 'confirmed' | 'cancelled';
export type Reason = z.output<typeof CancelReason>;
export type OrderItem = z.output<typeof PricedLine>;

export interface Order {
  readonly orderId: string;
  readonly userId: string;
  readonly status: OrderStatus;
  /** Why it is being cancelled, or was; as far as it is known yet. */
  readonly reason: Reason | undefined;
  readonly items: readonly OrderItem[];
  /** Minor units. */
  readonly total: number;
  readonly placedAtMs: number;
  readonly deadlineAtMs: number;
}

/** Something that happened to an order: an event that order-service published or consumed. At most one of each type. */
export interface Fact {
  readonly type: EventType;
  readonly eventId: string;
  readonly source: string;
  /** When the event was written by its service, ISO 8601 UTC. */
  readonly time: string;
  readonly causationId: string;
  readonly data: unknown;
}

export type FactTypes = ReadonlySet<EventType>;

/** The services that hold something for an order until it is confirmed or given back. */
type Participant = Exclude<ServiceName, 'order-service'>;

/** A participant is closed when any of these is known: it holds nothing of this order and never will. */
const closedBy: { readonly [S in Participant]: readonly PublishedBy<S>[] } = {
  'payment-service': ['payment.failed', 'payment.refunded', 'payment.voided'],
  'inventory-service': ['inventory.rejected', 'inventory.released', 'inventory.voided'],
};
const participants = Object.keys(closedBy) as Participant[];

function isClosed(service: Participant, facts: FactTypes): boolean {
  // Without a payment, inventory-service is never asked.
  if (service === 'inventory-service' && facts.has('payment.failed')) return true;
  return closedBy[service].some((type) => facts.has(type));
}

/** Each of these is published only because of a withdrawal, whether or not that is known here. */
const impliesWithdrawal: readonly EventType[] = [
  'order.withdrawn',
  'payment.voided',
  'inventory.released',
  'inventory.voided',
];

/**
 * A withdrawal can only become a fact while the order is pending, so a set that holds both it and `inventory.reserved`
 * means that the withdrawal came first.
 */
export function statusOf(facts: FactTypes): OrderStatus {
  const withdrawn = impliesWithdrawal.some((type) => facts.has(type));
  // Stock was reserved and yet the money went back: only a withdrawal does that.
  if (facts.has('inventory.reserved') && !withdrawn && !facts.has('payment.refunded')) return 'confirmed';
  const failed =
    withdrawn || facts.has('payment.failed') || facts.has('inventory.rejected') || facts.has('payment.refunded');
  if (!failed) return 'pending';
  return participants.every((service) => isClosed(service, facts)) ? 'cancelled' : 'cancelling';
}

export function hasEnded(status: OrderStatus): boolean {
  return status === 'confirmed' || status === 'cancelled';
}

/** Why an order is not confirmed. Its withdrawal, if there is one, counts more than a refusal that it crossed. */
export function reasonOf(facts: readonly Pick<Fact, 'type' | 'data'>[]): Reason | undefined {
  const find = (type: EventType) => facts.find((fact) => fact.type === type);
  const withdrawn = find('order.withdrawn')?.data as DataOf<'order.withdrawn'> | undefined;
  // A withdrawal that only asked again for what was missing is not the reason.
  if (withdrawn && withdrawn.attempt === undefined) return withdrawn.reason;
  const failed = find('payment.failed')?.data as DataOf<'payment.failed'> | undefined;
  if (failed) return failed.reason;
  const refunded = find('payment.refunded')?.data as DataOf<'payment.refunded'> | undefined;
  if (find('inventory.rejected') || refunded?.because === 'inventory.rejected') return 'out_of_stock';
  if (withdrawn) return withdrawn.reason;
  return impliesWithdrawal.some(find) || refunded ? 'customer' : undefined;
}

/** Something that an order cannot go on without. */
export interface Awaited {
  readonly service: ServiceName;
  /** Any one of these will do. */
  readonly events: readonly EventType[];
  /** Time of the event that the service has to react to. */
  readonly since: string;
}

/** What an order waits for: the events that would move it on. */
export function awaitedBy(facts: readonly Pick<Fact, 'type' | 'time'>[]): Awaited[] {
  const types: FactTypes = new Set(facts.map(({ type }) => type));
  const status = statusOf(types);
  if (hasEnded(status)) return [];
  return status === 'pending' ? awaitedWhilePending(facts, types) : awaitedWhileCancelling(facts, types);
}

/** The reactions that the contract promises to what has happened. */
function awaitedWhilePending(facts: readonly Pick<Fact, 'type' | 'time'>[], types: FactTypes): Awaited[] {
  return facts.flatMap(({ type, time }) =>
    Object.entries(choreography.events[type].reactions).flatMap(([service, outcomes]) => {
      const events = (outcomes as readonly string[]).filter((outcome) => !isSilent(outcome)) as EventType[];
      if (service === 'order-service' || events.length === 0 || events.some((event) => types.has(event))) return [];
      return [{ service: service as ServiceName, events, since: time }];
    }),
  );
}

/** From everyone who is not closed, whatever would close it. */
function awaitedWhileCancelling(facts: readonly Pick<Fact, 'type' | 'time'>[], types: FactTypes): Awaited[] {
  const began = facts.filter(({ type }) => type !== 'order.placed' && type !== 'payment.completed');
  const since = began.map(({ time }) => time).reduce((a, b) => (a < b ? a : b));
  return participants
    .filter((service) => !isClosed(service, types))
    .map((service) => ({ service, events: closedBy[service], since }));
}
