// The tables of order-service. Append only: each script is run once on every database, in this order.
import { deletedOrdersSchema } from '../shared/runtime/storage/deleted-orders.ts';
import { instancesSchema } from './instances.ts';

export const migrations = [
  `
  CREATE TABLE orders (
    order_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'cancelling', 'confirmed', 'cancelled')),
    reason TEXT,
    items TEXT NOT NULL,
    total INTEGER NOT NULL CHECK (total BETWEEN 0 AND 1000000000000),
    placed_at_ms INTEGER NOT NULL,
    deadline_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- Order ids are UUID v7: their order is that of placing.
  CREATE INDEX orders_of_user ON orders (user_id, order_id);
  CREATE INDEX orders_due ON orders (deadline_at_ms) WHERE status = 'pending';
  CREATE TABLE facts (
    order_id TEXT NOT NULL,
    type TEXT NOT NULL,
    event_id TEXT NOT NULL,
    source TEXT NOT NULL,
    time TEXT NOT NULL,
    causation_id TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (order_id, type)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE catalogue (
    product_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    unit_price INTEGER NOT NULL,
    available INTEGER NOT NULL CHECK (available IN (0, 1)),
    version INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // A customer's orders as a list through the rows, newest first. An index by customer would have another page of its own
  // written for nearly every order.
  `
  CREATE TABLE customers (
    user_id TEXT PRIMARY KEY,
    last_order_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE orders ADD COLUMN previous_order_id TEXT;
  UPDATE orders SET previous_order_id = (
    SELECT max(order_id) FROM orders AS earlier
    WHERE earlier.user_id = orders.user_id AND earlier.order_id < orders.order_id
  );
  INSERT INTO customers (user_id, last_order_id) SELECT user_id, max(order_id) FROM orders GROUP BY user_id;
  DROP INDEX orders_of_user;
  `,
  // When order-service has to do something about an order by itself: withdraw it, or ask again. NULL: it has ended.
  `
  ALTER TABLE orders ADD COLUMN due_at_ms INTEGER;
  ALTER TABLE orders ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
  UPDATE orders SET due_at_ms = deadline_at_ms WHERE status IN ('pending', 'cancelling');
  DROP INDEX orders_due;
  CREATE INDEX orders_due ON orders (due_at_ms) WHERE due_at_ms IS NOT NULL;
  `,
  // How many orders have ended, and how: counting them would read the whole table.
  `
  CREATE TABLE ended_orders (
    status TEXT PRIMARY KEY,
    orders INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO ended_orders SELECT status, count(*) FROM orders WHERE status IN ('confirmed', 'cancelled') GROUP BY status;
  INSERT OR IGNORE INTO ended_orders VALUES ('confirmed', 0), ('cancelled', 0);
  CREATE TRIGGER order_ended AFTER UPDATE OF status ON orders
    WHEN NEW.status IN ('confirmed', 'cancelled') AND OLD.status <> NEW.status BEGIN
    UPDATE ended_orders SET orders = orders + 1 WHERE status = NEW.status;
  END;
  CREATE TRIGGER order_deleted AFTER DELETE ON orders BEGIN
    UPDATE ended_orders SET orders = orders - 1 WHERE status = OLD.status;
  END;
  `,
  // Only used where there are several instances: orders come from all of them, in any order.
  `
  ALTER TABLE orders ADD COLUMN origin TEXT;
  CREATE TABLE orders_of_user (
    user_id TEXT NOT NULL,
    placed_at_ms INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    PRIMARY KEY (user_id, placed_at_ms, order_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE order_keys (
    key BLOB PRIMARY KEY,
    request BLOB NOT NULL,
    order_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX order_keys_at ON order_keys (at_ms);
  -- Only where an instance went on after its orders had been adopted.
  CREATE TRIGGER order_reopened AFTER UPDATE OF status ON orders
    WHEN OLD.status IN ('confirmed', 'cancelled') AND OLD.status <> NEW.status BEGIN
    UPDATE ended_orders SET orders = orders - 1 WHERE status = OLD.status;
  END;
  ${instancesSchema}
  `,
  deletedOrdersSchema,
  // When inventory-service had it so; NULL: from before this was kept.
  'ALTER TABLE catalogue ADD COLUMN as_of TEXT',
  // Only used where there are several instances: open orders about which another one decides.
  `CREATE INDEX orders_open_elsewhere ON orders (origin, deadline_at_ms, order_id)
     WHERE due_at_ms IS NULL AND status IN ('pending', 'cancelling')`,
] as const;
