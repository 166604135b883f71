// What customers, and the clock, make order-service do. Each command runs inside one transaction; a ProblemError rolls it back.
import { emit } from '../shared/contract/choreography.ts';
import { moneyMax } from '../shared/contract/event-data.ts';
import { backoffMs, isoTime } from '../shared/runtime/environment/clock.ts';
import { ProblemError, unavailable } from '../shared/runtime/http/problem.ts';
import type { KnownPublishers } from '../shared/runtime/node/service.ts';
import type { Transaction } from '../shared/saga.ts';
import type { CatalogueEntry } from './catalogue-copy.ts';
import { awaitedBy, hasEnded, isFailure, isRebuilt, type Order, type OrderItem } from './order.ts';
import { refreshStatus } from './reactions.ts';
import { lookNow, type OrderStore } from './store.ts';

export interface OrderRequest {
  readonly userId: string;
  readonly items: readonly {
    readonly productId: string;
    readonly qty: number;
    readonly unitPrice?: number | undefined;
  }[];
  /** How long the order may stay pending. */
  readonly deadlineMs: number;
  /** Hashes of its Idempotency-Key and of the request, for the other instances. */
  readonly idempotency?: { readonly key: string; readonly request: string } | undefined;
}

type Tx = Transaction<'order-service'>;

/** What is known of a product: `unavailable` where inventory-service would have to be asked, and could not be. */
export type Known = CatalogueEntry | 'unknown' | 'unavailable';
export type LookUp = (productId: string) => Known;

/** A product that could not be asked about may be asked about again after this. */
const askAgainAfterS = 2;

/** An order that is still being cancelled so long after its withdrawal asks again; each time it waits twice as long. */
const askAgainMsMin = 10_000;
const askAgainMsMax = 3_600_000;
/** A rebuilt order is looked at so often until all is known of it. */
const lookAgainMs = 2_000;
/** A customer who cancels again and again asks at most this often. */
const askAgainPauseMs = 1_000;

/**
 * Accepts an order: it is pending, and the saga begins.
 * @param lookUp where its prices come from. Left out: the copy of the catalogue
 * @throws ProblemError 400 when the total is too high; 422 for a product that is unknown or not for sale; 409 when a price has changed;
 *   503 when the price of a product cannot be had now
 */
export function placeOrder(
  store: OrderStore,
  tx: Tx,
  request: OrderRequest,
  lookUp: LookUp = (productId) => store.catalogue.entry(productId) ?? 'unknown',
): Order {
  const { userId, items: asked, deadlineMs, idempotency } = request;
  const items = asked.map((line) => priced(lookUp(line.productId), line));
  const total = items.reduce((sum, { qty, unitPrice }) => sum + qty * unitPrice, 0);
  if (total > moneyMax) {
    throw new ProblemError(400, 'order-too-expensive', `the total would be more than ${moneyMax}`);
  }
  const orderId = tx.newId();
  const deadlineAtMs = tx.nowMs + deadlineMs;
  const { named, member } = store.instances;
  const origin = named ? { origin: member } : {};
  const order = { orderId, userId, items, total, placedAtMs: tx.nowMs, deadlineAtMs, ...origin };
  store.insert(order, tx.steadyMs + deadlineMs);
  if (idempotency) store.putKey(idempotency, orderId, tx.nowMs);
  const data = { orderId, userId, items, total, deadlineAt: isoTime(deadlineAtMs) };
  tx.publish(emit('order.placed', idempotency ? { ...data, idempotency } : data));
  return { ...order, status: 'pending', reason: undefined };
}

function priced(entry: Known, { productId, qty, unitPrice: seen }: OrderRequest['items'][number]): OrderItem {
  if (entry === 'unavailable') {
    throw unavailable(
      'catalogue-unavailable',
      `inventory-service cannot be asked about '${productId}' now; nothing was stored`,
      askAgainAfterS,
    );
  }
  if (entry === 'unknown') {
    throw new ProblemError(
      422,
      'unknown-product',
      `there is no product '${productId}'; GET /products lists those that there are`,
      { productId },
    );
  }
  if (!entry.available) {
    throw new ProblemError(422, 'product-unavailable', `'${productId}' is not for sale now`, {
      productId,
      asOf: entry.asOf,
    });
  }
  if (seen !== undefined && seen !== entry.unitPrice) {
    throw new ProblemError(
      409,
      'price-changed',
      `'${productId}' costs ${entry.unitPrice} now, not ${seen}; order again at that price, or leave unitPrice out`,
      {
        productId,
        unitPriceSeen: seen,
        unitPrice: entry.unitPrice,
        asOf: entry.asOf,
      },
    );
  }
  return { productId, qty, unitPrice: entry.unitPrice };
}

/** Keeps what inventory-service has answered about a product. Of an answer and an event, the newer version counts. */
export function keepProduct(store: OrderStore, entry: CatalogueEntry): void {
  store.catalogue.putEntry(entry);
}

/**
 * Withdraws a pending order; where another instance decides about it, passes the wish on. One that is being cancelled asks again for what is missing; one that is cancelled stays as it
 * is: asking twice is harmless.
 * @throws ProblemError 404 unknown; 409 confirmed already
 */
export function cancelOrder(store: OrderStore, tx: Tx, orderId: string): Order {
  const order = existing(store, orderId);
  if (order.status === 'confirmed') {
    throw new ProblemError(409, 'order-confirmed', `order ${orderId} is confirmed and cannot be cancelled any more`, {
      orderId,
      orderStatus: order.status,
    });
  }
  if (!store.instances.decides(order.origin)) return requestCancel(store, tx, order);
  if (order.status === 'pending') return withdraw(store, tx, order, 'customer');
  if (order.status === 'cancelling' && askedLastAtMs(store, order) <= tx.steadyMs - askAgainPauseMs)
    askAgain(store, tx, order);
  return order;
}

/** The decider gets to know, and withdraws the order unless it has ended. */
function requestCancel(store: OrderStore, tx: Tx, order: Order): Order {
  const { orderId, userId, status } = order;
  const requested = store.fact(orderId, 'order.cancel-requested');
  const lately = requested !== undefined && Date.parse(requested.time) > tx.nowMs - askAgainPauseMs;
  if (status === 'pending' && !lately) tx.publish(emit('order.cancel-requested', { orderId, userId }));
  return order;
}

/**
 * Does what is due for an order: withdraws it when its deadline has passed, asks again when answers are missing. Those who
 * are away have the withdrawal in their queues, or fetch it when they are back: asking them again would only add to it.
 */
export function meetDeadline(store: OrderStore, tx: Tx, orderId: string, publishers: KnownPublishers): void {
  const found = existing(store, orderId);
  if (isRebuilt(found) && found.status === 'pending' && !publishers.caughtUp())
    return store.setDue(orderId, tx.steadyMs + lookAgainMs, store.asks(orderId));
  const order = endAsKnown(store, tx, found);
  if (!store.instances.decides(order.origin)) return store.setNotDue(orderId);
  // A customer may have cancelled since it was found to be due: what they asked for is on its way already.
  const dueAtMs = store.dueAtMs(orderId) ?? Number.POSITIVE_INFINITY;
  if (dueAtMs > tx.steadyMs) return;
  if (order.status === 'pending') return meetPending(store, tx, order, dueAtMs);
  if (order.status !== 'cancelling') return;
  const awaited = awaitedBy(store.facts(orderId));
  const away =
    store.asks(orderId) > 0 && awaited.length > 0 && awaited.every(({ service }) => publishers.isUnreachable(service));
  if (away) askLater(store, tx, order);
  else askAgain(store, tx, order);
}

/** It is due at its deadline; and, once, when this instance has adopted it or has caught up. */
function meetPending(store: OrderStore, tx: Tx, order: Order, dueAtMs: number): void {
  const { orderId, deadlineAtMs } = order;
  if (dueAtMs !== lookNow || deadlineAtMs <= tx.nowMs) withdraw(store, tx, order, 'deadline');
  else if (store.fact(orderId, 'order.cancel-requested')) withdraw(store, tx, order, 'customer');
  else store.setDue(orderId, deadlineAtMs, store.asks(orderId));
}

/**
 * Ends an order whose facts were complete before this instance decided about it, or before it knew that they were. The
 * event has the id that the reaction to the last fact would have given it: whoever has decided the same has published the same
 * event.
 */
function endAsKnown(store: OrderStore, tx: Tx, order: Order): Order {
  const { instances } = store;
  // Alone, it has drawn the conclusion with the fact.
  const concluded = !instances.named && !isRebuilt(order);
  if (concluded || hasEnded(order.status) || !instances.decides(order.origin)) return order;
  const { orderId, userId, total } = order;
  const known = refreshStatus(store, order, 'anything');
  const last = store.facts(orderId).findLast(({ type }) => type === 'inventory.reserved' || isFailure(type));
  if (known.status === 'confirmed') tx.publish(emit('order.confirmed', { orderId, userId, total }), last?.eventId);
  if (known.status === 'cancelled' && known.reason)
    tx.publish(emit('order.cancelled', { orderId, userId, reason: known.reason }), last?.eventId);
  return known;
}

function withdraw(store: OrderStore, tx: Tx, order: Order, reason: 'customer' | 'deadline'): Order {
  const { orderId, userId } = order;
  tx.publish(emit('order.withdrawn', { orderId, userId, reason }));
  const withdrawn = refreshStatus(store, order);
  store.setDue(orderId, tx.steadyMs + firstAskAgainMs, 1);
  return withdrawn;
}

/** A withdrawal that nobody has answered is published again so long after it. */
export const firstAskAgainMs = askAgainMsMin;

/** Publishes the withdrawal once more: whoever lost it gets it now, whoever has answered answers again. */
function askAgain(store: OrderStore, tx: Tx, order: Order): void {
  const { orderId, userId, reason } = order;
  const attempt = askLater(store, tx, order);
  tx.publish(
    emit('order.withdrawn', { orderId, userId, reason: reason === 'customer' ? 'customer' : 'deadline', attempt }),
  );
}

/** Puts off the next time. Returns the number of the present one. */
function askLater(store: OrderStore, tx: Tx, { orderId }: Order): number {
  const attempt = Math.max(1, store.asks(orderId)) + 1;
  store.setDue(orderId, tx.steadyMs + askAgainMs(attempt), attempt);
  return attempt;
}

function askAgainMs(attempt: number): number {
  return backoffMs(attempt, askAgainMsMin, askAgainMsMax);
}

function askedLastAtMs(store: OrderStore, { orderId }: Order): number {
  const asks = store.asks(orderId);
  return asks === 0 ? 0 : (store.dueAtMs(orderId) ?? 0) - askAgainMs(asks);
}

/** @throws ProblemError 404 */
export function existing(store: OrderStore, orderId: string): Order {
  const order = store.order(orderId);
  if (!order) throw new ProblemError(404, 'no-such-order', `there is no order ${orderId}`, { orderId });
  return order;
}
