// Erases a customer from orders and facts. Orders of one customer are a list through the rows, newest first: what is erased
// becomes the pseudonym's list, what is not yet stays the customer's, so an erasure that broke off can be begun again.
import { ProblemError } from '../shared/runtime/http/problem.ts';
import { type EraseStep, eraseStepRows, userIn } from '../shared/runtime/node/erasure.ts';
import type { Database } from '../shared/runtime/storage/database.ts';

export function eraseCustomer(db: Database): EraseStep {
  const lastOf = db.prepare<[string], string>('SELECT last_order_id FROM customers WHERE user_id = ?').pluck();
  const before = db.prepare<[string], string | null>('SELECT previous_order_id FROM orders WHERE order_id = ?').pluck();
  const openOf = db
    .prepare<[string, string], string>(
      `SELECT order_id FROM orders WHERE due_at_ms IS NOT NULL AND user_id = ?
       UNION ALL
       -- An order about which another instance decides is not due here.
       SELECT order_id FROM orders_of_user AS listed JOIN orders USING (order_id)
       WHERE listed.user_id = ? AND status IN ('pending', 'cancelling')
       LIMIT 1`,
    )
    .pluck();
  const rename = db.prepare('UPDATE orders SET user_id = ? WHERE order_id = ?');
  const factsOf = db.prepare<[string], { type: string; data: string }>(
    'SELECT type, data FROM facts WHERE order_id = ?',
  );
  const setFact = db.prepare('UPDATE facts SET data = ? WHERE order_id = ? AND type = ?');
  const begin = db.prepare('INSERT OR IGNORE INTO customers (user_id, last_order_id) VALUES (?, ?)');
  const goOn = db.prepare('UPDATE customers SET last_order_id = ? WHERE user_id = ?');
  const end = db.prepare('DELETE FROM customers WHERE user_id = ?');
  // Named instances list orders here instead.
  const listed = db
    .prepare<[string, number], string>('SELECT order_id FROM orders_of_user WHERE user_id = ? LIMIT ?')
    .pluck();
  const relist = db.prepare('UPDATE orders_of_user SET user_id = ? WHERE user_id = ? AND order_id = ?');

  return (person) => {
    const { userId, pseudonym } = person;
    const open = openOf.get(userId, userId);
    if (open !== undefined) throw stillOpen(userId, open);
    let next: string | null | undefined = lastOf.get(userId);
    if (next) begin.run(pseudonym, next);
    const eraseOrder = (orderId: string): void => {
      rename.run(pseudonym, orderId);
      for (const { type, data } of factsOf.all(orderId)) setFact.run(userIn(data, person), orderId, type);
    };
    for (let count = 0; next && count < eraseStepRows; count += 1) {
      eraseOrder(next);
      next = before.get(next);
    }
    if (next) {
      goOn.run(next, userId);
      return next;
    }
    end.run(userId);
    const orderIds = listed.all(userId, eraseStepRows);
    for (const orderId of orderIds) {
      eraseOrder(orderId);
      relist.run(pseudonym, userId, orderId);
    }
    return orderIds.length === eraseStepRows ? orderIds.at(-1) : undefined;
  };
}

function stillOpen(userId: string, orderId: string): ProblemError {
  return new ProblemError(
    409,
    'order-open',
    `order ${orderId} of ${userId} has not ended; cancel it, or wait until it has, and ask again`,
    { orderId },
  );
}
