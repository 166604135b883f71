// Deletes orders that have ended long ago, with their facts. Orders of one customer are a list through the rows, newest first,
// so the oldest one goes first.
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import { hasEnded, type OrderStatus } from './order.ts';
import type { OrderStore } from './store.ts';

interface Row {
  readonly user_id: string;
  readonly status: OrderStatus;
  readonly placed_at_ms: number;
  readonly previous_order_id: string | null;
}

/** @returns what deletes orders inside a transaction, and says how many it were */
export function orderDeletion(db: Database, store: OrderStore): (ids: readonly string[], beforeMs: number) => number {
  const read = db.prepare<[string], Row>(
    'SELECT user_id, status, placed_at_ms, previous_order_id FROM orders WHERE order_id = ?',
  );
  const deleteOrder = db.prepare('DELETE FROM orders WHERE order_id = ?');
  const deleteFacts = db.prepare('DELETE FROM facts WHERE order_id = ?');
  const unlist = db.prepare('DELETE FROM orders_of_user WHERE user_id = ? AND placed_at_ms = ? AND order_id = ?');
  return (orderIds, placedBeforeMs) => {
    let count = 0;
    for (const orderId of orderIds) {
      const row = read.get(orderId);
      if (!row) continue;
      if (!hasEnded(row.status)) throw notEnded(orderId);
      const older = row.previous_order_id;
      if (older !== null && store.order(older)) throw olderOneFirst(orderId, older);
      deleteOrder.run(orderId);
      deleteFacts.run(orderId);
      unlist.run(row.user_id, row.placed_at_ms, orderId);
      count += 1;
    }
    store.deleted.note(placedBeforeMs, 0);
    return count;
  };
}

function notEnded(orderId: string): ProblemError {
  return new ProblemError(409, 'order-open', `order ${orderId} has not ended`, { orderId });
}

function olderOneFirst(orderId: string, older: string): ProblemError {
  const detail = `order ${orderId} cannot be deleted before ${older}, which the same customer placed earlier`;
  return new ProblemError(409, 'older-order-kept', detail, { orderId });
}
