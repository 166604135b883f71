// Fills the database of one service before it starts. A process of its own, so that three are filled at the same time.
import { openDatabase } from './shop/database.js';
import { schema as orders } from './shop/orders.js';
import { schema as payments } from './shop/payments.js';
import { schema as stock } from './shop/stock.js';

const fillers = {
  'order-service': {
    schema: orders,
    sql: 'INSERT INTO products (product_id, unit_price) VALUES (@productId, @unitPrice)',
    rows: 'products',
  },
  'payment-service': {
    schema: payments,
    sql: 'INSERT INTO accounts (user_id, balance) VALUES (@userId, @balance)',
    rows: 'accounts',
  },
  'inventory-service': {
    schema: stock,
    sql: 'INSERT INTO products (product_id, stock) VALUES (@productId, @stock)',
    rows: 'products',
  },
};

process.once('disconnect', () => process.exit(1));
process.once('message', ({ service, databasePath, ...rows }) => {
  const filler = fillers[service];
  const db = openDatabase(filler.schema, databasePath);
  const insert = db.prepare(filler.sql);
  db.transaction(() => {
    for (const row of rows[filler.rows]) insert.run(row);
  })();
  db.close();
  process.exit(0);
});
