// The tables of inventory-service. Append only: each script is run once on every database, in this order.
import { deletedOrdersSchema } from '../shared/runtime/storage/deleted-orders.ts';

export const migrations = [
  `
  CREATE TABLE products (
    product_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    unit_price INTEGER NOT NULL CHECK (unit_price >= 0),
    stock INTEGER NOT NULL CHECK (stock BETWEEN 0 AND 9007199254740991),
    available INTEGER NOT NULL CHECK (available IN (0, 1)),
    version INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE movements (
    movement_id INTEGER PRIMARY KEY,
    product_id TEXT NOT NULL REFERENCES products,
    kind TEXT NOT NULL CHECK (kind IN ('set', 'restock', 'reserve', 'release')),
    qty INTEGER NOT NULL,
    stock_after INTEGER NOT NULL,
    order_id TEXT,
    at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX movements_of_product ON movements (product_id, movement_id);
  -- A product is set aside at most once per order, and put back at most once, whatever the code above it does.
  CREATE UNIQUE INDEX movements_once ON movements (order_id, product_id, kind) WHERE order_id IS NOT NULL;
  CREATE TABLE reservations (
    order_id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('reserved', 'rejected', 'released', 'voided')),
    items TEXT,
    shortages TEXT,
    updated_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Nothing reads movements by product, and an index on them has a page of its own written for nearly every order.
  'DROP INDEX movements_of_product',
  // Where order-service has several instances.
  `
  CREATE TABLE adopted_instances (
    instance TEXT PRIMARY KEY,
    adopted_by TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  deletedOrdersSchema,
  // The time in the product.updated of its version, so that an answer and an event give the same; NULL: before this was kept.
  'ALTER TABLE products ADD COLUMN updated_at TEXT',
] as const;
