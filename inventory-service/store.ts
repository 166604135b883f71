// The SQL of inventory-service. Every change of a stock is a movement, written with it.
import type { Database } from '../shared/runtime/storage/database.ts';
import { DeletedOrders } from '../shared/runtime/storage/deleted-orders.ts';
import type { OrderLine, Reservation, Shortfall } from './reservation.ts';

export interface Product {
  readonly productId: string;
  readonly name: string;
  /** Minor units. */
  readonly unitPrice: number;
  /** Units that can be set aside for new orders. */
  readonly stock: number;
  /** Whether it is offered for sale; independent of its stock. */
  readonly available: boolean;
  /** Counts the changes of name, price and availability. */
  readonly version: number;
  /** When it became this version, ISO 8601 UTC; undefined: before this was kept. */
  readonly updatedAt?: string | undefined;
}

interface ProductRow {
  product_id: string;
  name: string;
  unit_price: number;
  stock: number;
  available: number;
  version: number;
  updated_at: string | null;
}

interface ReservationRow {
  order_id: string;
  status: Reservation['status'];
  items: string | null;
  shortages: string | null;
  updated_at_ms: number;
}

export type MovementKind = 'set' | 'restock' | 'reserve' | 'release';

export class InventoryStore {
  readonly deleted: DeletedOrders;
  readonly #deleteReservation;
  readonly #deleteMovements;
  readonly #product;
  readonly #products;
  readonly #putProduct;
  readonly #stock;
  readonly #move;
  readonly #record;
  readonly #reservation;
  readonly #reservations;
  readonly #putReservation;
  readonly #adopt;
  readonly #isAdopted;
  readonly #totals;

  constructor(db: Database) {
    this.deleted = new DeletedOrders(db);
    this.#deleteReservation = db.prepare('DELETE FROM reservations WHERE order_id = ?');
    this.#deleteMovements = db
      .prepare<[string], number>('DELETE FROM movements WHERE order_id = ? RETURNING qty')
      .pluck();
    this.#adopt = db.prepare('INSERT OR IGNORE INTO adopted_instances (instance, adopted_by) VALUES (?, ?)');
    this.#isAdopted = db.prepare<[string], number>('SELECT 1 FROM adopted_instances WHERE instance = ?').pluck();
    this.#product = db.prepare<[string], ProductRow>('SELECT * FROM products WHERE product_id = ?');
    this.#products = db.prepare<[string, number], ProductRow>(
      'SELECT * FROM products WHERE product_id > ? ORDER BY product_id LIMIT ?',
    );
    this.#putProduct = db.prepare(
      `INSERT INTO products (product_id, name, unit_price, stock, available, version, updated_at) VALUES (?, ?, ?, 0, ?, ?, ?)
       ON CONFLICT (product_id) DO UPDATE SET
         name = excluded.name, unit_price = excluded.unit_price, available = excluded.available,
         version = excluded.version, updated_at = excluded.updated_at`,
    );
    this.#stock = db.prepare<[string], number>('SELECT stock FROM products WHERE product_id = ?').pluck();
    this.#move = db
      .prepare<[number, string], number>('UPDATE products SET stock = stock + ? WHERE product_id = ? RETURNING stock')
      .pluck();
    this.#record = db.prepare(
      'INSERT INTO movements (product_id, kind, qty, stock_after, order_id, at_ms) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#reservation = db.prepare<[string], ReservationRow>('SELECT * FROM reservations WHERE order_id = ?');
    this.#reservations = db.prepare<[string, number], ReservationRow>(
      'SELECT * FROM reservations WHERE order_id > ? ORDER BY order_id LIMIT ?',
    );
    this.#putReservation = db.prepare(
      `INSERT INTO reservations (order_id, status, items, shortages, updated_at_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, updated_at_ms = excluded.updated_at_ms`,
    );
    this.#totals = db.prepare<[], Totals>(totalsSql);
  }

  product(productId: string): Product | undefined {
    const row = this.#product.get(productId);
    return row && toProduct(row);
  }

  /** In the order of their ids, from after `afterProductId`. */
  products(limit: number, afterProductId = ''): Product[] {
    return this.#products.all(afterProductId, limit).map(toProduct);
  }

  /** Creates the product with nothing in stock, or changes what the catalogue says of it. */
  putProduct(product: Omit<Product, 'stock'>): void {
    const { productId, name, unitPrice, available, version, updatedAt = null } = product;
    this.#putProduct.run(productId, name, unitPrice, available ? 1 : 0, version, updatedAt);
  }

  stockOf(productId: string): number | undefined {
    return this.#stock.get(productId);
  }

  /** Changes a stock and writes the movement that says why. Returns the new stock. */
  move(productId: string, kind: MovementKind, qty: number, orderId: string | null, atMs: number): number {
    const stock = this.#move.get(qty, productId);
    if (stock === undefined) throw new Error(`no product '${productId}' to ${kind}`);
    this.#record.run(productId, kind, qty, stock, orderId, atMs);
    return stock;
  }

  reservation(orderId: string): Reservation | undefined {
    const row = this.#reservation.get(orderId);
    return row && toReservation(row);
  }

  /** Reservations in the order of their order ids, from after `afterOrderId`. */
  reservations(
    limit: number,
    afterOrderId = '',
  ): { readonly reservation: Reservation; readonly updatedAtMs: number }[] {
    return this.#reservations
      .all(afterOrderId, limit)
      .map((row) => ({ reservation: toReservation(row), updatedAtMs: row.updated_at_ms }));
  }

  /** When the reservation last changed. */
  reservationUpdatedAtMs(orderId: string): number | undefined {
    return this.#reservation.get(orderId)?.updated_at_ms;
  }

  /** Records an order's reservation, or its new status. */
  putReservation(reservation: Reservation, atMs: number): void {
    const { orderId, status } = reservation;
    // Stryker disable next-line ConditionalExpression,StringLiteral: undefined is bound as NULL, too
    const items = reservation.status === 'voided' ? null : JSON.stringify(reservation.items);
    // Stryker disable next-line ConditionalExpression: undefined is bound as NULL, too
    const shortages = reservation.status === 'rejected' ? JSON.stringify(reservation.shortages) : null;
    this.#putReservation.run(orderId, status, items, shortages, atMs);
  }

  /** Deletes reservations of orders that have ended, with their movements. */
  deleteReservations(orderIds: readonly string[], placedBeforeMs: number): number {
    let count = 0;
    let moved = 0;
    for (const orderId of orderIds) {
      count += this.#deleteReservation.run(orderId).changes;
      for (const qty of this.#deleteMovements.all(orderId)) moved += qty;
    }
    this.deleted.note(placedBeforeMs, moved);
    return count;
  }

  /** From now on, this instance of order-service decides nothing. */
  adopt(instance: string, by: string): void {
    this.#adopt.run(instance, by);
  }

  isAdopted(instance: string): boolean {
    return this.#isAdopted.get(instance) !== undefined;
  }

  totals(): Totals {
    const totals = this.#totals.get();
    // Stryker disable next-line ConditionalExpression: the query has no table and always one row; the check is for the type
    if (!totals) throw new Error('no totals');
    return totals;
  }
}

/** Reads whole tables: Totals. Units that went to orders which are deleted count as never brought in. */
export const totalsSql = `
  SELECT (SELECT count(*) FROM products) AS products,
         (SELECT coalesce(sum(stock), 0) FROM products) AS stock,
         (SELECT coalesce(sum(qty), 0) FROM movements WHERE kind IN ('set', 'restock'))
           + (SELECT amount FROM deleted_orders) AS broughtIn,
         (SELECT coalesce(-sum(qty), 0) FROM movements WHERE kind = 'reserve') AS reserved,
         (SELECT coalesce(sum(qty), 0) FROM movements WHERE kind = 'release') AS released`;

/** Sums over all products, in units. They balance when stock = broughtIn - reserved + released. */
export interface Totals {
  readonly products: number;
  readonly stock: number;
  readonly broughtIn: number;
  readonly reserved: number;
  readonly released: number;
}

function toProduct(row: ProductRow): Product {
  return {
    productId: row.product_id,
    name: row.name,
    unitPrice: row.unit_price,
    stock: row.stock,
    available: row.available === 1,
    version: row.version,
    ...(row.updated_at === null ? {} : { updatedAt: row.updated_at }),
  };
}

function toReservation(row: ReservationRow): Reservation {
  const { order_id: orderId } = row;
  if (row.status === 'voided') return { status: 'voided', orderId };
  const items = JSON.parse(row.items ?? '[]') as OrderLine[];
  if (row.status === 'rejected') {
    return { status: 'rejected', orderId, items, shortages: JSON.parse(row.shortages ?? '[]') as Shortfall[] };
  }
  return { status: row.status, orderId, items };
}
