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
import { uuidTimeMs } from '../shared/contract/event-id.ts';
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
  /** The named instance that accepted it, `order-service.a`; undefined: it had no name. */
  readonly origin?: string;
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

type Events = (typeof choreography)['events'];
type Having<Property> = { [T in EventType]: Events[T] extends Property ? T : never }[EventType];

/** The services that may hold something for an order: all that subscribe to its withdrawal. */
export type Participant = keyof Events['order.withdrawn']['reactions'];
/** The steps of the saga: the events that another event compensates. */
type Step = Extract<Events[Having<{ compensates: string }>], { compensates: string }>['compensates'];
/** The other events of participants about an order: refusals and compensations. */
export type ClosingEvent = Exclude<PublishedBy<Participant>, Step | Having<{ standalone: true }>>;

/**
 * The participants that hold nothing of an order, and never will, once an event is known. An event closes its publisher,
 * and a refusal also those that are never asked because of it. An event of the contract that is missing here does not
 * compile, and a test holds each line to the contract.
 */
export const closes: { readonly [T in ClosingEvent]: readonly Participant[] } = {
  'payment.failed': ['payment-service', 'inventory-service'],
  'payment.refunded': ['payment-service'],
  'payment.voided': ['payment-service'],
  'inventory.rejected': ['inventory-service'],
  'inventory.released': ['inventory-service'],
  'inventory.voided': ['inventory-service'],
};
const closingEvents = Object.keys(closes) as ClosingEvent[];
/** The services that a saga needs: those that an order can wait for. */
export const participants = [...new Set(Object.values(closes).flat())];

function isClosed(service: Participant, facts: FactTypes): boolean {
  return closingEvents.some((type) => facts.has(type) && closes[type].includes(service));
}

/** Whether an order of which this is known can only be cancelled. A compensation can arrive before what caused it. */
export function isFailure(type: EventType): boolean {
  return type === 'order.withdrawn' || Object.hasOwn(closes, type);
}

/**
 * The refusal that a step contradicts: its service has refused, or was never to be asked, and says now that it has done it. Only
 * a service whose database was put back decides twice. After a withdrawal it is no contradiction: what was done is undone.
 */
export function refusalAgainst(step: Step, facts: FactTypes): Refusal | undefined {
  if (facts.has('order.withdrawn')) return undefined;
  const service = choreography.events[step].by;
  return refusals.find((refusal) => facts.has(refusal) && closes[refusal].includes(service));
}

/** The facts by which the instance that decides about an order says what it has decided. */
type Decision = 'order.confirmed' | 'order.cancelled' | 'order.withdrawn';

/**
 * How the order has ended, as its decider has said; undefined: it has not said so. Facts that contradict each other can
 * only come from an instance that went on after its orders had been adopted: what its adopter has decided counts.
 * @param deciderSaid whether this decision is the decider's own; asked only where there is a contradiction
 */
export function decidedStatus(
  facts: FactTypes,
  deciderSaid: (decision: Decision) => boolean,
): 'confirmed' | 'cancelled' | undefined {
  const cancelled = facts.has('order.cancelled');
  if (!facts.has('order.confirmed')) return cancelled ? 'cancelled' : undefined;
  if (!cancelled && !facts.has('order.withdrawn')) return 'confirmed';
  if (deciderSaid('order.confirmed')) return 'confirmed';
  const overruled = (cancelled && deciderSaid('order.cancelled')) || deciderSaid('order.withdrawn');
  return overruled ? (cancelled ? 'cancelled' : undefined) : 'confirmed';
}

/** What others may say of an order that its decider has not ended yet. */
export function undecidedStatus(facts: FactTypes): 'pending' | 'cancelling' {
  return [...facts].some(isFailure) ? 'cancelling' : 'pending';
}

/**
 * A withdrawal can only become a fact while the order is pending, so a set that holds both it and `inventory.reserved`
 * means that the withdrawal came first.
 */
export function statusOf(facts: FactTypes): OrderStatus {
  if (![...facts].some(isFailure)) return facts.has('inventory.reserved') ? 'confirmed' : 'pending';
  return participants.every((service) => isClosed(service, facts)) ? 'cancelled' : 'cancelling';
}

/**
 * An order that was rebuilt after this database had been put back: its deadline is not known any more. Orders that customers
 * place have some time.
 */
export function isRebuilt({ placedAtMs, deadlineAtMs }: Pick<Order, 'placedAtMs' | 'deadlineAtMs'>): boolean {
  return deadlineAtMs === placedAtMs;
}

/** Order ids are UUID v7. */
export const placedAtMsOf = uuidTimeMs;

export function hasEnded(status: OrderStatus): boolean {
  return status === 'confirmed' || status === 'cancelled';
}

/** The closing events that do not answer a withdrawal. */
type Refusal = Exclude<ClosingEvent, Events['order.withdrawn']['reactions'][Participant][number]>;

/** The reason that a refusal gives; its data is undefined while only a compensation that names the refusal is known. */
const reasons: { readonly [T in Refusal]: (data: DataOf<T> | undefined) => Reason | undefined } = {
  // Stryker disable next-line OptionalChaining: no compensation names a failed payment, so its own data is known
  'payment.failed': (data) => data?.reason,
  'inventory.rejected': () => 'out_of_stock',
};

const refusals = Object.keys(reasons) as Refusal[];

/** Why an order is not confirmed. Its withdrawal, if there is one, counts more than a refusal that it crossed. */
export function reasonOf(facts: readonly Pick<Fact, 'type' | 'data'>[]): Reason | undefined {
  const dataOf = <T extends EventType>(type: T) =>
    facts.find((fact) => fact.type === type)?.data as DataOf<T> | undefined;
  const withdrawn = dataOf('order.withdrawn');
  // A withdrawal that only asked again for what was missing is not the reason.
  if (withdrawn && withdrawn.attempt === undefined) return withdrawn.reason;
  const reasonGivenBy = <T extends Refusal>(refusal: T) => reasons[refusal](dataOf(refusal));
  const refusal = refusals.find((type) => facts.some((fact) => shows(fact, type)));
  if (refusal) return reasonGivenBy(refusal);
  if (withdrawn) return withdrawn.reason;
  return facts.some(({ type }) => isFailure(type)) ? 'customer' : undefined;
}

/** Whether the fact is this refusal, or a compensation because of it. */
function shows({ type, data }: Pick<Fact, 'type' | 'data'>, refusal: Refusal): boolean {
  return type === refusal || (data as { readonly because?: string }).because === refusal;
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
  const failures = facts.filter(({ type }) => isFailure(type));
  const since = failures.map(({ time }) => time).reduce((a, b) => (a < b ? a : b));
  return participants
    .filter((service) => !isClosed(service, types))
    .map((service) => ({
      service,
      events: closingEvents.filter((type) => choreography.events[type].by === service),
      since,
    }));
}
