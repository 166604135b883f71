// Orders and their prices: what order-service stores, and what it does with the events of the others.
import { randomUUID } from 'node:crypto';

export const schema = `
  CREATE TABLE IF NOT EXISTS products (product_id TEXT PRIMARY KEY, unit_price INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    items TEXT NOT NULL,
    total INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    placed_at TEXT NOT NULL
  );
`;

/** @typedef {{ productId: string, qty: number }} Line */
/** @typedef {import('better-sqlite3').Database} Database */

/** @param {Database} db */
export function ordersIn(db) {
  const price = db.prepare('SELECT unit_price FROM products WHERE product_id = ?').pluck();
  const insert = db.prepare(
    "INSERT INTO orders (order_id, user_id, items, total, status, placed_at) VALUES (?, ?, ?, ?, 'pending', ?)",
  );
  const select = db.prepare(
    'SELECT order_id AS orderId, user_id AS userId, items, total, status, reason FROM orders WHERE order_id = ?',
  );
  const paid = db.prepare("UPDATE orders SET status = 'paid' WHERE order_id = ? AND status = 'pending'");
  const rejected = db.prepare("UPDATE orders SET reason = 'out_of_stock' WHERE order_id = ?");
  const close = db.prepare('UPDATE orders SET status = ?, reason = coalesce(?, reason) WHERE order_id = ?');

  return {
    /**
     * @param {{ userId: string, items: Line[] }} order
     * @returns the stored order; undefined: a product is unknown
     */
    place: db.transaction(({ userId, items }) => {
      const prices = items.map((/** @type {Line} */ { productId }) => price.get(productId));
      if (prices.includes(undefined)) return undefined;
      const total = items.reduce(
        (/** @type {number} */ sum, /** @type {Line} */ { qty }, /** @type {number} */ index) =>
          sum + qty * prices[index],
        0,
      );
      const orderId = randomUUID();
      insert.run(orderId, userId, JSON.stringify(items), total, new Date().toISOString());
      return { orderId, userId, items, total, status: 'pending' };
    }),

    /** @param {string} orderId */
    find(orderId) {
      const order = select.get(orderId);
      return order && { ...order, items: JSON.parse(order.items) };
    },

    /** By type of event. Each returns the event that follows, if any. */
    reactions: {
      'payment.completed': ({ orderId }) => void paid.run(orderId),
      'payment.failed': ({ orderId, reason }) => {
        close.run('cancelled', reason, orderId);
        return { type: 'order.cancelled', data: { orderId, reason } };
      },
      'inventory.rejected': ({ orderId }) => void rejected.run(orderId),
      'inventory.reserved': ({ orderId }) => {
        close.run('confirmed', null, orderId);
        return { type: 'order.confirmed', data: { orderId } };
      },
      'payment.refunded': ({ orderId }) => {
        close.run('cancelled', null, orderId);
        return { type: 'order.cancelled', data: { orderId, reason: 'out_of_stock' } };
      },
    },
  };
}
