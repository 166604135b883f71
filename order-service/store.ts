// Tables and SQL of order-service: orders, the facts known about each of them, and its own copy of the catalogue.
import type { EventType } from '../shared/contract/choreography.ts';
import type { CloudEvent } from '../shared/contract/cloud-event.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import type { Fact, FactTypes, Order, OrderItem, OrderStatus, Reason } from './order.ts';

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
] as const;

/** What order-service knows of a product: its own copy, kept up to date by `product.updated`. */
export interface CatalogueEntry {
  readonly productId: string;
  readonly name: string;
  /** Minor units. */
  readonly unitPrice: number;
  readonly available: boolean;
  readonly version: number;
}

interface OrderRow {
  order_id: string;
  user_id: string;
  status: OrderStatus;
  reason: Reason | null;
  items: string;
  total: number;
  placed_at_ms: number;
  deadline_at_ms: number;
  /** The order that the same user placed before. */
  previous_order_id: string | null;
}

interface FactRow {
  type: EventType;
  event_id: string;
  source: string;
  time: string;
  causation_id: string;
  data: string;
}

interface CatalogueRow {
  product_id: string;
  name: string;
  unit_price: number;
  available: number;
  version: number;
}

export class OrderStore {
  readonly #insert;
  readonly #order;
  readonly #orders;
  readonly #setStatus;
  readonly #setDue;
  readonly #dueOf;
  readonly #lastOf;
  readonly #putLast;
  readonly #nextDue;
  readonly #due;
  readonly #addFact;
  readonly #factTypes;
  readonly #facts;
  readonly #entry;
  readonly #entries;
  readonly #putEntry;
  readonly #totals;

  constructor(db: Database) {
    this.#insert = db.prepare(
      `INSERT INTO orders (order_id, user_id, status, items, total, placed_at_ms, deadline_at_ms, previous_order_id, due_at_ms)
       VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?)`,
    );
    this.#lastOf = db.prepare<[string], string>('SELECT last_order_id FROM customers WHERE user_id = ?').pluck();
    this.#putLast = db.prepare(
      `INSERT INTO customers (user_id, last_order_id) VALUES (?, ?)
       ON CONFLICT (user_id) DO UPDATE SET last_order_id = excluded.last_order_id`,
    );
    this.#order = db.prepare<[string], OrderRow>('SELECT * FROM orders WHERE order_id = ?');
    this.#orders = db.prepare<[string, number], OrderRow>(
      'SELECT * FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?',
    );
    this.#setStatus = db.prepare<{ orderId: string; status: OrderStatus; reason: Reason | null }>(
      `UPDATE orders SET status = @status, reason = @reason,
         due_at_ms = CASE WHEN @status IN ('pending', 'cancelling') THEN due_at_ms END
       WHERE order_id = @orderId`,
    );
    this.#setDue = db.prepare('UPDATE orders SET due_at_ms = ?, asks = ? WHERE order_id = ?');
    this.#dueOf = db.prepare<[string], { due_at_ms: number | null; asks: number }>(
      'SELECT due_at_ms, asks FROM orders WHERE order_id = ?',
    );
    this.#nextDue = db
      .prepare<[], number>('SELECT due_at_ms FROM orders WHERE due_at_ms IS NOT NULL ORDER BY due_at_ms LIMIT 1')
      .pluck();
    this.#due = db
      .prepare<[number, number], string>('SELECT order_id FROM orders WHERE due_at_ms <= ? ORDER BY due_at_ms LIMIT ?')
      .pluck();
    this.#addFact = db.prepare(
      `INSERT INTO facts (order_id, type, event_id, source, time, causation_id, data) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (order_id, type) DO NOTHING`,
    );
    this.#factTypes = db.prepare<[string], EventType>('SELECT type FROM facts WHERE order_id = ?').pluck();
    this.#facts = db.prepare<[string], FactRow>(
      'SELECT type, event_id, source, time, causation_id, data FROM facts WHERE order_id = ? ORDER BY time, event_id',
    );
    this.#entry = db.prepare<[string], CatalogueRow>('SELECT * FROM catalogue WHERE product_id = ?');
    this.#entries = db.prepare<[string, number], CatalogueRow>(
      'SELECT * FROM catalogue WHERE product_id > ? ORDER BY product_id LIMIT ?',
    );
    this.#putEntry = db.prepare(
      `INSERT INTO catalogue (product_id, name, unit_price, available, version) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (product_id) DO UPDATE SET
         name = excluded.name, unit_price = excluded.unit_price, available = excluded.available, version = excluded.version
       WHERE excluded.version > catalogue.version`,
    );
    this.#totals = db.prepare<[], { status: OrderStatus; orders: number; total: number }>(
      'SELECT status, count(*) AS orders, sum(total) AS total FROM orders GROUP BY status',
    );
  }

  /** @param dueAtMs when something has to be done about it, by Transaction.steadyMs. Left out: at its deadline. */
  insert(order: Omit<Order, 'status' | 'reason'>, dueAtMs = order.deadlineAtMs): void {
    const { orderId, userId, items, total, placedAtMs, deadlineAtMs } = order;
    const previous = this.#lastOf.get(userId) ?? null;
    this.#insert.run(orderId, userId, JSON.stringify(items), total, placedAtMs, deadlineAtMs, previous, dueAtMs);
    this.#putLast.run(userId, orderId);
  }

  order(orderId: string): Order | undefined {
    const row = this.#order.get(orderId);
    return row && toOrder(row);
  }

  /** All orders in the order of their ids, from after `afterOrderId`. */
  orders(limit: number, afterOrderId = ''): Order[] {
    return this.#orders.all(afterOrderId, limit).map(toOrder);
  }

  setStatus(orderId: string, status: OrderStatus, reason: Reason | undefined): void {
    this.#setStatus.run({ orderId, status, reason: reason ?? null });
  }

  /**
   * Newest first, from the one that the user placed before `beforeOrderId`.
   * @returns undefined when no order of this user has that id
   */
  ordersOf(userId: string, limit: number, beforeOrderId?: string): Order[] | undefined {
    const before = beforeOrderId === undefined ? undefined : this.#order.get(beforeOrderId);
    if (beforeOrderId !== undefined && before?.user_id !== userId) return undefined;
    const orders: Order[] = [];
    let next = before ? before.previous_order_id : this.#lastOf.get(userId);
    while (next && orders.length < limit) {
      const row = this.#order.get(next);
      if (!row) throw new Error(`order ${next} of ${userId} is not stored`);
      orders.push(toOrder(row));
      next = row.previous_order_id;
    }
    return orders;
  }

  /** When something has to be done about the next order; undefined: about none. */
  nextDueAtMs(): number | undefined {
    return this.#nextDue.get();
  }

  /** Orders about which something has to be done by now, the most urgent first. */
  due(nowMs: number, limit: number): string[] {
    return this.#due.all(nowMs, limit);
  }

  /** When something has to be done about this order; undefined: it has ended. */
  dueAtMs(orderId: string): number | undefined {
    return this.#dueOf.get(orderId)?.due_at_ms ?? undefined;
  }

  /** How often its withdrawal was published. */
  asks(orderId: string): number {
    return this.#dueOf.get(orderId)?.asks ?? 0;
  }

  setDue(orderId: string, dueAtMs: number, asks: number): void {
    this.#setDue.run(dueAtMs, asks, orderId);
  }

  /** Records that something happened to an order. False: a fact of this type is known already, and stays. */
  addFact(event: CloudEvent): boolean {
    const { subject, type, id, source, time, causationid, data } = event;
    return this.#addFact.run(subject, type, id, source, time, causationid, JSON.stringify(data)).changes === 1;
  }

  factTypes(orderId: string): FactTypes {
    return new Set(this.#factTypes.all(orderId));
  }

  /** In the order of their writing. */
  facts(orderId: string): Fact[] {
    return this.#facts.all(orderId).map((row) => ({
      type: row.type,
      eventId: row.event_id,
      source: row.source,
      time: row.time,
      causationId: row.causation_id,
      data: JSON.parse(row.data) as unknown,
    }));
  }

  entry(productId: string): CatalogueEntry | undefined {
    const row = this.#entry.get(productId);
    return row && toEntry(row);
  }

  /** In the order of their ids, from after `afterProductId`. */
  entries(limit: number, afterProductId = ''): CatalogueEntry[] {
    return this.#entries.all(afterProductId, limit).map(toEntry);
  }

  /** Keeps the entry unless a version as new is known. False: it was outdated. */
  putEntry({ productId, name, unitPrice, available, version }: CatalogueEntry): boolean {
    return this.#putEntry.run(productId, name, unitPrice, available ? 1 : 0, version).changes === 1;
  }

  /** Number and total of the orders, by status. Reads the whole table. */
  totals(): Record<OrderStatus, { orders: number; total: number }> {
    const totals: Record<OrderStatus, { orders: number; total: number }> = {
      pending: { orders: 0, total: 0 },
      cancelling: { orders: 0, total: 0 },
      confirmed: { orders: 0, total: 0 },
      cancelled: { orders: 0, total: 0 },
    };
    for (const { status, orders, total } of this.#totals.all()) totals[status] = { orders, total };
    return totals;
  }
}

function toOrder(row: OrderRow): Order {
  return {
    orderId: row.order_id,
    userId: row.user_id,
    status: row.status,
    reason: row.reason ?? undefined,
    items: JSON.parse(row.items) as OrderItem[],
    total: row.total,
    placedAtMs: row.placed_at_ms,
    deadlineAtMs: row.deadline_at_ms,
  };
}

function toEntry(row: CatalogueRow): CatalogueEntry {
  return {
    productId: row.product_id,
    name: row.name,
    unitPrice: row.unit_price,
    available: row.available === 1,
    version: row.version,
  };
}
