// What an order is. Its status is a function of the facts known about it: the same set of facts gives the same status,
// in whatever order and however often they arrived. Pure: no database, no clock, no events.
import type { z } from 'zod';
import { choreography, type EventType, type ServiceName } from '../shared/contract/choreography.ts';
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

/** Something that happened to an order: an event that order-service said or heard about it. At most one of each type. */
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

/** Payment-service holds no money of this order and never will. */
function paymentClosed(facts: FactTypes): boolean {
  return facts.has('payment.failed') || facts.has('payment.refunded') || facts.has('payment.voided');
}

/** Inventory-service holds no stock for this order and never will. Without a payment it is never asked. */
function inventoryClosed(facts: FactTypes): boolean {
  return (
    facts.has('inventory.rejected') ||
    facts.has('inventory.released') ||
    facts.has('inventory.voided') ||
    facts.has('payment.failed')
  );
}

/**
 * A withdrawal can only become a fact while the order is pending, so a set that holds both it and `inventory.reserved`
 * says that the withdrawal came first.
 */
export function statusOf(facts: FactTypes): OrderStatus {
  const withdrawn = facts.has('order.withdrawn');
  if (facts.has('inventory.reserved') && !withdrawn) return 'confirmed';
  const failed =
    withdrawn || facts.has('payment.failed') || facts.has('inventory.rejected') || facts.has('payment.refunded');
  if (!failed) return 'pending';
  return paymentClosed(facts) && inventoryClosed(facts) ? 'cancelled' : 'cancelling';
}

/** Why an order does not come about. The withdrawal, if there is one, counts more than a refusal that met it. */
export function reasonOf(facts: readonly Pick<Fact, 'type' | 'data'>[]): Reason | undefined {
  const find = (type: EventType) => facts.find((fact) => fact.type === type);
  const withdrawn = find('order.withdrawn') ?? find('payment.failed');
  if (withdrawn) return (withdrawn.data as { reason: Reason }).reason;
  return find('inventory.rejected') || find('payment.refunded') ? 'out_of_stock' : undefined;
}

/** Something that an order can't go on without. */
export interface Awaited {
  readonly service: ServiceName;
  /** Any one of these will do. */
  readonly events: readonly EventType[];
  /** Time of the event that the service has to react to. */
  readonly since: string;
}

/** What an order waits for: the reactions that the contract promises and that have not been heard of yet. */
export function awaitedBy(facts: readonly Pick<Fact, 'type' | 'time'>[]): Awaited[] {
  const types: FactTypes = new Set(facts.map(({ type }) => type));
  const status = statusOf(types);
  if (status === 'confirmed' || status === 'cancelled') return [];
  const closed: Partial<Record<ServiceName, boolean>> = {
    'payment-service': paymentClosed(types),
    'inventory-service': inventoryClosed(types),
  };
  // After a withdrawal only its own undoing is waited for.
  const relevant = types.has('order.withdrawn')
    ? facts.filter(({ type }) => type === 'order.withdrawn')
    : [...facts, ...overtaken(facts, types)];
  return relevant.flatMap(({ type, time }) =>
    Object.entries(choreography.events[type].reactions).flatMap(([service, outcomes]) => {
      const events = (outcomes as readonly string[]).filter((outcome) => !isSilent(outcome)) as EventType[];
      if (service === 'order-service' || events.length === 0 || closed[service as ServiceName]) return [];
      if (events.some((event) => types.has(event))) return [];
      return [{ service: service as ServiceName, events, since: time }];
    }),
  );
}

/** What an undoing that came early says has happened: a refund, that there was a payment. */
function overtaken(facts: readonly Pick<Fact, 'type' | 'time'>[], types: FactTypes): Pick<Fact, 'type' | 'time'>[] {
  return facts.flatMap(({ type, time }) => {
    const spec = choreography.events[type];
    return 'compensates' in spec && !types.has(spec.compensates) ? [{ type: spec.compensates, time }] : [];
  });
}
