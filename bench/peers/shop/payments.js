// Accounts and payments: what payment-service stores, and what it does with the events of the others.

export const schema = `
  CREATE TABLE IF NOT EXISTS accounts (user_id TEXT PRIMARY KEY, balance INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS payments (
    payment_id INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    status TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS payments_of_order ON payments (order_id);
`;

/** @param {import('better-sqlite3').Database} db */
export function paymentsIn(db) {
  const balance = db.prepare('SELECT balance FROM accounts WHERE user_id = ?').pluck();
  const move = db.prepare('UPDATE accounts SET balance = balance + ? WHERE user_id = ?');
  const insert = db.prepare('INSERT INTO payments (order_id, user_id, amount, status) VALUES (?, ?, ?, ?)');
  const completed = db.prepare("SELECT * FROM payments WHERE order_id = ? AND status = 'completed'");
  const refunded = db.prepare("UPDATE payments SET status = 'refunded' WHERE payment_id = ?");
  const select = db.prepare('SELECT order_id AS orderId, amount, status FROM payments WHERE order_id = ?');

  return {
    /** @param {string} orderId */
    find: (orderId) => select.get(orderId),

    /** By type of event. Each is one transaction, and returns the event that follows. */
    reactions: {
      'order.placed': db.transaction(({ orderId, userId, total, items }) => {
        const funds = balance.get(userId);
        if (funds === undefined || funds < total) {
          insert.run(orderId, userId, total, 'failed');
          return { type: 'payment.failed', data: { orderId, reason: 'insufficient_funds' } };
        }
        move.run(-total, userId);
        insert.run(orderId, userId, total, 'completed');
        return { type: 'payment.completed', data: { orderId, userId, amount: total, items } };
      }),
      'inventory.rejected': db.transaction(({ orderId }) => {
        const payment = completed.get(orderId);
        if (!payment) return undefined;
        move.run(payment.amount, payment.user_id);
        refunded.run(payment.payment_id);
        return { type: 'payment.refunded', data: { orderId, amount: payment.amount } };
      }),
    },
  };
}
