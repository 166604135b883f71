// Products and reservations: what inventory-service stores, and what it does with the events of the others.

export const schema = `
  CREATE TABLE IF NOT EXISTS products (product_id TEXT PRIMARY KEY, stock INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS reservations (
    reservation_id INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    qty INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS reservations_of_order ON reservations (order_id);
`;

class OutOfStock extends Error {}

/** @param {import('better-sqlite3').Database} db */
export function stockIn(db) {
  const take = db.prepare('UPDATE products SET stock = stock - @qty WHERE product_id = @productId AND stock >= @qty');
  const insert = db.prepare('INSERT INTO reservations (order_id, product_id, qty) VALUES (?, ?, ?)');
  const select = db.prepare('SELECT product_id AS productId, qty FROM reservations WHERE order_id = ?');
  const reserve = db.transaction((orderId, items) => {
    for (const item of items) {
      // Thrown, so that the lines before it are rolled back.
      if (take.run(item).changes === 0) throw new OutOfStock(item.productId);
      insert.run(orderId, item.productId, item.qty);
    }
  });

  return {
    /** @param {string} orderId */
    find: (orderId) => select.all(orderId),

    /** By type of event. Each is one transaction, and returns the event that follows. */
    reactions: {
      'payment.completed': ({ orderId, items }) => {
        try {
          reserve(orderId, items);
          return { type: 'inventory.reserved', data: { orderId, items } };
        } catch (error) {
          if (!(error instanceof OutOfStock)) throw error;
          return { type: 'inventory.rejected', data: { orderId, reason: 'out_of_stock' } };
        }
      },
    },
  };
}
