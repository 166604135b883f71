// What order-service does when something happens elsewhere. The screen to read first.
// Every event becomes a fact about its order; what follows is read off the set of facts.
import { z } from 'zod';
import { type AnyEvent, type Emission, type EventOf, type EventType, emit } from '../shared/contract/choreography.ts';
import type { CloudEvent } from '../shared/contract/cloud-event.ts';
import { Money, Name, PassedLine } from '../shared/contract/event-data.ts';
import { areDifferentUsers } from '../shared/contract/pseudonym.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../shared/runtime/messaging/reaction.ts';
import { mayHaveLeftInbox } from '../shared/runtime/storage/inbox.ts';
import type { Reactions } from '../shared/saga.ts';
import { unnamed } from './instances.ts';
import {
  decidedStatus,
  type FactTypes,
  hasEnded,
  isFailure,
  isRebuilt,
  type Order,
  type OrderItem,
  type OrderStatus,
  placedAtMsOf,
  reasonOf,
  refusalAgainst,
  statusOf,
  undecidedStatus,
} from './order.ts';
import type { OrderStore } from './store.ts';

export function orderReactions(store: OrderStore): Reactions<'order-service'> {
  /** The compensation, or the refusal, that may have been the last thing missing. An order does not end before it. */
  const cancelOrWait = (event: SagaEvent): Emission<'order.cancelled'> | 'waits' | 'ended' | 'noted' => {
    const change = addFact(store, event);
    if (typeof change === 'string') return change;
    if (change.before === 'cancelled') return 'ended';
    return cancelledNow(change) ?? 'waits';
  };

  return {
    'payment.completed': (event) => {
      const known = store.order(event.subject);
      if (!known && store.deleted.includes(event.subject)) return 'noted';
      const before = known ?? recoverOrder(store, event);
      // Nothing follows from it, so it must not end an order whose other facts came before this instance decided about it.
      const change = store.instances.named ? noteFact(store, event) : addFact(store, event, before);
      if (before) agree(event, before);
      if (change === 'waits') return change;
      if (known) notRefused(store, event, known);
      return known ? 'noted' : 'recovered';
    },

    /** Nothing was taken, so nothing has to be given back. */
    'payment.failed': (event) => {
      const known = store.order(event.subject);
      if (!known && store.deleted.includes(event.subject)) return 'ended';
      const change = addFact(store, event, known ?? recoverOrder(store, event));
      if (typeof change === 'string') return change;
      // It was withdrawn, and payment-service, asked again, has said that it holds nothing before this refusal came.
      if (change.before === 'cancelled') return 'ended';
      const cancelled = cancelledNow(change);
      if (!cancelled) {
        throw new ContradictoryEventError(
          `payment failed for order ${change.order.orderId}, which is ${change.before}`,
        );
      }
      return cancelled;
    },

    'inventory.reserved': (event, at) => {
      const change = addFact(store, event);
      if (typeof change === 'string') return change;
      const { order, before } = change;
      if (order.status === 'pending') return 'noted';
      notRefused(store, event, order);
      if (order.status !== 'confirmed') return 'withdrawn';
      if (before === 'confirmed') {
        // An instance that has lost its database may get its own decision back before what had led to it.
        const again = store.instances.named || mayHaveLeftInbox(event, at.nowMs);
        if (again && store.fact(order.orderId, event.type)?.eventId === event.id) return 'noted';
        throw new ContradictoryEventError(`order ${order.orderId} is confirmed already`);
      }
      return emit('order.confirmed', { orderId: order.orderId, userId: order.userId, total: order.total });
    },

    'inventory.rejected': cancelOrWait,
    'payment.refunded': cancelOrWait,
    'payment.voided': cancelOrWait,
    'inventory.released': cancelOrWait,
    'inventory.voided': cancelOrWait,

    'product.updated': ({ data, time }) => (store.catalogue.putEntry({ ...data, asOf: time }) ? 'noted' : 'outdated'),
  };
}

export type SagaEvent = Exclude<AnyEvent, { type: 'product.updated' | 'instance.adopted' }>;

interface Change {
  readonly before: OrderStatus;
  /** As it is now. */
  readonly order: Order;
}

/**
 * Adds the event to the facts about its order, and brings the order's status in line with them.
 * @returns the change; or, among several instances, why nothing follows from it here: `waits`, since the order itself is not
 *   known yet, or `noted`, since another instance decides about it, or this one will when it is ready
 */
function addFact(store: OrderStore, event: SagaEvent, before = store.order(event.subject)): Change | 'waits' | 'noted' {
  const { instances } = store;
  if (!before && store.deleted.includes(event.subject)) return 'noted';
  if (!before && !instances.named) throw new UnknownSubjectError(`order ${event.subject} is not known here`);
  store.addFact(event);
  if (!before) return 'waits';
  const order = refreshStatus(store, before);
  if (!instances.decides(order.origin)) {
    if (instances.isDeciderOf(order.origin)) store.setDueIfOpen(order.orderId);
    return 'noted';
  }
  if (before.status === 'confirmed' && isFailure(event.type)) {
    throw new ContradictoryEventError(`${event.type} is about order ${event.subject}, which is confirmed`);
  }
  return { before: before.status, order };
}

/** Adds an event of another instance to the facts about its order. */
export function noteFact(store: OrderStore, event: SagaEvent): 'waits' | 'noted' {
  const order = store.order(event.subject);
  if (!order && store.deleted.includes(event.subject)) return 'noted';
  store.addFact(event);
  if (!order) return 'waits';
  const { instances } = store;
  const known = refreshStatus(store, order, 'nothing');
  // It may have been the last thing missing: the end is published when the order is looked at, and not shown before.
  const complete = !hasEnded(known.status) && hasEnded(statusOf(store.factTypes(order.orderId)));
  if (complete && instances.named && instances.isDeciderOf(order.origin)) store.setDueIfOpen(order.orderId);
  return 'noted';
}

/**
 * Which end of an order may follow from its facts. Otherwise only an end that was published counts. That of a rebuilt order
 * follows from a failure, but from a success only when all is known: what undid it may not have come yet.
 */
type Follows = 'nothing' | 'cancelled' | 'anything';

function followsHere({ instances }: OrderStore, order: Order): Follows {
  if (!instances.decides(order.origin)) return 'nothing';
  return isRebuilt(order) ? 'cancelled' : 'anything';
}

function openOrEnded(facts: FactTypes, follows: Follows): OrderStatus {
  if (follows === 'nothing') return undecidedStatus(facts);
  const status = statusOf(facts);
  return status === 'confirmed' && follows === 'cancelled' ? 'pending' : status;
}

/** Brings an order's status in line with its facts. Returns the order as it is now. */
export function refreshStatus(store: OrderStore, order: Order, follows = followsHere(store, order)): Order {
  const { orderId, origin } = order;
  const facts = store.factTypes(orderId);
  const { instances } = store;
  const decided = decidedStatus(facts, (type) => store.fact(orderId, type)?.source === instances.deciderOf(origin));
  const status = decided ?? openOrEnded(facts, follows);
  const reason = status === 'pending' || status === 'confirmed' ? undefined : reasonOf(store.facts(orderId));
  if (status !== order.status || reason !== order.reason) store.setStatus(orderId, status, reason);
  return { ...order, status, reason };
}

function cancelledNow({ before, order }: Change): Emission<'order.cancelled'> | undefined {
  if (order.status !== 'cancelled' || hasEnded(before)) return undefined;
  const { orderId, userId, reason } = order;
  if (!reason) throw new Error(`order ${orderId} is cancelled for no reason`);
  return emit('order.cancelled', { orderId, userId, reason });
}

/** What another service says about an order must be what this one knows. */
function agree(event: EventOf<'payment.completed'>, order: Order): void {
  const { userId, amount, items } = event.data;
  if (areDifferentUsers(order.userId, userId) || amount !== order.total) {
    throw new ContradictoryEventError(
      `${event.type} names ${userId} and ${amount}; order ${order.orderId} is of ${order.userId} over ${order.total}`,
    );
  }
  if (lines(items) === lines(order.items)) return;
  throw new ContradictoryEventError(`${event.type} names other items than order ${order.orderId} has`);
}

/** A service that decides otherwise than before holds money or goods for an order that nobody undoes. */
function notRefused(
  store: OrderStore,
  { type }: EventOf<'payment.completed'> | EventOf<'inventory.reserved'>,
  { orderId, status }: Order,
): void {
  if (status !== 'cancelling' && status !== 'cancelled') return;
  const refusal = refusalAgainst(type, store.factTypes(orderId));
  if (refusal) throw new ContradictoryEventError(`${type} is about order ${orderId}, of which ${refusal} is known`);
}

/** Which products, and how many of each; earlier versions passed on nothing else. */
function lines(items: readonly { readonly productId: string; readonly qty: number }[]): string {
  return JSON.stringify(items.map(({ productId, qty }) => [productId, qty]).sort());
}

/**
 * An event that was handled before must be about the same customer, money and goods as it was then. The reason of a
 * refusal may differ: a database that was put back decides again.
 * @throws ContradictoryEventError when it is not
 */
export function checkRepeated(store: OrderStore, event: CloudEvent): void {
  // One of its type, if any; looking at all facts would cost more than the event itself.
  const fact = store.fact(event.subject, event.type as EventType);
  if (fact?.eventId !== event.id) return;
  const [then, now] = [Deal.parse(fact.data), Deal.parse(event.data)];
  const differs =
    isOther(then.userId, now.userId, areDifferentUsers) ||
    isOther(then.amount, now.amount) ||
    isOther(then.items && lines(then.items), now.items && lines(now.items));
  if (differs) throw new ContradictoryEventError(`event ${event.id} was handled before with other data`);
}

/** What events about an order have in common, as far as they say it. */
const Deal = z.object({ userId: Name, amount: Money, items: z.array(PassedLine) }).partial();

function isOther<T>(then: T | undefined, now: T | undefined, differ = (a: T, b: T): boolean => a !== b): boolean {
  return then !== undefined && now !== undefined && differ(then, now);
}

/**
 * Rebuilds an order that payment-service knows and this database does not: it was put back to an earlier state.
 * Without it a customer's money would be with an order that nobody knows.
 */
function recoverOrder(
  store: OrderStore,
  event: EventOf<'payment.completed'> | EventOf<'payment.failed'>,
): Order | undefined {
  const { orderId, userId, amount, items: passed } = event.data;
  // Among several instances, order.placed comes from the one that has accepted it, or from another that knows it.
  if (store.instances.named) return undefined;
  const items = passed && priced(passed);
  if (!items)
    throw new UnknownSubjectError(`order ${orderId} is not known here, and ${event.type} does not say enough of it`);
  const placedAtMs = placedAtMsOf(orderId);
  const order = { orderId, userId, items, total: amount, placedAtMs, deadlineAtMs: placedAtMs };
  store.insert(order);
  const time = new Date(placedAtMs).toISOString();
  store.addFact({
    ...event,
    type: 'order.placed',
    id: event.causationid,
    source: unnamed,
    time,
    causationid: orderId,
    data: { orderId, userId, items, total: amount, deadlineAt: time },
  });
  return { ...order, status: 'pending', reason: undefined };
}

function priced(lines: readonly z.output<typeof PassedLine>[]): OrderItem[] | undefined {
  const items = lines.flatMap(({ unitPrice, ...line }) => (unitPrice === undefined ? [] : [{ ...line, unitPrice }]));
  return items.length === lines.length ? items : undefined;
}
