// What customers, and the clock, make order-service do. Each command runs inside one transaction; a ProblemError rolls it back.
import { emit } from '../shared/contract/choreography.ts';
import { moneyMax } from '../shared/contract/event-data.ts';
import { backoffMs, isoTime } from '../shared/runtime/environment/clock.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { Transaction } from '../shared/saga.ts';
import { awaitedBy, type Order, type OrderItem } from './order.ts';
import { refreshStatus } from './reactions.ts';
import type { OrderStore } from './store.ts';

export interface OrderRequest {
  readonly userId: string;
  readonly items: readonly {
    readonly productId: string;
    readonly qty: number;
    readonly unitPrice?: number | undefined;
  }[];
  /** How long the order may stay pending. */
  readonly deadlineMs: number;
}

type Tx = Transaction<'order-service'>;

/** An order that is still being cancelled so long after its withdrawal asks again; each time it waits twice as long. */
const askAgainMsMin = 10_000;
const askAgainMsMax = 3_600_000;
/** A customer who cancels again and again asks at most this often. */
const askAgainPauseMs = 1_000;

/**
 * Accepts an order: it is pending, and the saga begins.
 * @throws ProblemError 400 when the total is too high; 422 for a product that is unknown or not for sale; 409 when a price has changed
 */
export function placeOrder(store: OrderStore, tx: Tx, { userId, items: asked, deadlineMs }: OrderRequest): Order {
  const items = asked.map((line) => priced(store, line));
  const total = items.reduce((sum, { qty, unitPrice }) => sum + qty * unitPrice, 0);
  if (total > moneyMax) {
    throw new ProblemError(400, 'order-too-expensive', `the total would be more than ${moneyMax}`);
  }
  const orderId = tx.newId();
  const deadlineAtMs = tx.nowMs + deadlineMs;
  const order = { orderId, userId, items, total, placedAtMs: tx.nowMs, deadlineAtMs };
  store.insert(order, tx.steadyMs + deadlineMs);
  tx.publish(emit('order.placed', { orderId, userId, items, total, deadlineAt: isoTime(deadlineAtMs) }));
  return { ...order, status: 'pending', reason: undefined };
}

function priced(store: OrderStore, { productId, qty, unitPrice: seen }: OrderRequest['items'][number]): OrderItem {
  const entry = store.entry(productId);
  if (!entry) {
    throw new ProblemError(
      422,
      'unknown-product',
      `there is no product '${productId}'; GET /products lists those that there are`,
      { productId },
    );
  }
  if (!entry.available) {
    throw new ProblemError(422, 'product-unavailable', `'${productId}' is not for sale now`, { productId });
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
      },
    );
  }
  return { productId, qty, unitPrice: entry.unitPrice };
}

/**
 * Withdraws a pending order. One that is being cancelled asks again for what is missing; one that is cancelled stays as it
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
  if (order.status === 'pending') return withdraw(store, tx, order, 'customer');
  if (order.status === 'cancelling' && askedLastAtMs(store, order) <= tx.steadyMs - askAgainPauseMs)
    askAgain(store, tx, order);
  return order;
}

/**
 * Does what is due for an order: withdraws it when its deadline has passed, asks again when answers are missing. Those who
 * are away have the withdrawal in their queues, or fetch it when they are back: asking them again would only add to it.
 */
export function meetDeadline(
  store: OrderStore,
  tx: Tx,
  orderId: string,
  unreachable: (service: string) => boolean = () => false,
): void {
  const order = existing(store, orderId);
  // A customer may have cancelled since it was found to be due: what they asked for is on its way already.
  if ((store.dueAtMs(orderId) ?? Number.POSITIVE_INFINITY) > tx.steadyMs) return;
  if (order.status === 'pending') withdraw(store, tx, order, 'deadline');
  if (order.status !== 'cancelling') return;
  const awaited = awaitedBy(store.facts(orderId));
  const away = store.asks(orderId) > 0 && awaited.length > 0 && awaited.every(({ service }) => unreachable(service));
  if (away) askLater(store, tx, order);
  else askAgain(store, tx, order);
}

function withdraw(store: OrderStore, tx: Tx, order: Order, reason: 'customer' | 'deadline'): Order {
  const { orderId, userId } = order;
  tx.publish(emit('order.withdrawn', { orderId, userId, reason }));
  const withdrawn = refreshStatus(store, order);
  store.setDue(orderId, tx.steadyMs + askAgainMs(1), 1);
  return withdrawn;
}

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
