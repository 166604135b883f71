// What customers, and the clock, make order-service do. Each command runs inside one transaction; a ProblemError compensates it.
import { emit } from '../shared/contract/choreography.ts';
import { moneyMax } from '../shared/contract/event-data.ts';
import { isoTime } from '../shared/runtime/environment/clock.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { Transaction } from '../shared/runtime/node/transaction.ts';
import type { Order, OrderItem } from './order.ts';
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

/** Overdue orders withdrawn in one transaction. */
const expireMax = 100;

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
  store.insert(order);
  tx.emit(emit('order.placed', { orderId, userId, items, total, deadlineAt: isoTime(deadlineAtMs) }));
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
 * Withdraws a pending order. One that is being cancelled, or is cancelled, stays as it is: asking twice is harmless.
 * @throws ProblemError 404 unknown; 409 confirmed already
 */
export function cancelOrder(store: OrderStore, tx: Tx, orderId: string): Order {
  const order = existing(store, orderId);
  if (order.status === 'confirmed') {
    throw new ProblemError(409, 'order-confirmed', `order ${orderId} is confirmed and can not be cancelled any more`, {
      orderId,
      orderStatus: order.status,
    });
  }
  if (order.status !== 'pending') return order;
  tx.emit(emit('order.withdrawn', { orderId, userId: order.userId, reason: 'customer' }));
  return existing(store, orderId);
}

/** Withdraws the pending orders whose deadline has passed. */
export function expireOrders(store: OrderStore, tx: Tx): void {
  for (const { orderId, userId } of store.due(tx.nowMs, expireMax)) {
    tx.emit(emit('order.withdrawn', { orderId, userId, reason: 'deadline' }));
  }
}

/** @throws ProblemError 404 */
export function existing(store: OrderStore, orderId: string): Order {
  const order = store.order(orderId);
  if (!order) throw new ProblemError(404, 'no-such-order', `there is no order ${orderId}`, { orderId });
  return order;
}
