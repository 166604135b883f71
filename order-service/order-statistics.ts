// What metrics ask of the database about all orders: how many have ended, as a trigger counts them, and the open ones by
// their index. Nothing here reads the orders that have ended.
import type { Database } from '../shared/runtime/storage/database.ts';
import type { Fact, OrderStatus } from './order.ts';

/** An order that has not ended. */
export interface OpenOrder {
  readonly orderId: string;
  readonly status: OrderStatus;
  readonly placedAtMs: number;
  /** With the id, its place among the open ones. */
  readonly dueAtMs: number;
}

export class OrderStatistics {
  readonly #db: Database;
  readonly #ended;
  readonly #open;
  readonly #factTimes;

  constructor(db: Database) {
    this.#db = db;
    this.#ended = db.prepare<[], { status: OrderStatus; orders: number }>('SELECT status, orders FROM ended_orders');
    this.#open = db.prepare<[number, string, number], OpenOrder>(
      `SELECT order_id AS orderId, status, placed_at_ms AS placedAtMs, due_at_ms AS dueAtMs FROM orders
       WHERE due_at_ms IS NOT NULL AND (due_at_ms, order_id) > (?, ?) ORDER BY due_at_ms, order_id LIMIT ?`,
    );
    this.#factTimes = db.prepare<[string], Pick<Fact, 'type' | 'time'>>(
      'SELECT type, time FROM facts WHERE order_id = ?',
    );
  }

  /** False once the database is closed. */
  get isReadable(): boolean {
    return this.#db.open;
  }

  /** Number of the orders that were confirmed, and of those that were cancelled. */
  ended(): { readonly status: OrderStatus; readonly orders: number }[] {
    return this.#ended.all();
  }

  /** Orders that have not ended, by when something has to be done about them, from after `last`. */
  open(limit: number, last?: OpenOrder): OpenOrder[] {
    return this.#open.all(last?.dueAtMs ?? 0, last?.orderId ?? '', limit);
  }

  /** The facts of an order without their data. */
  factTimes(orderId: string): Pick<Fact, 'type' | 'time'>[] {
    return this.#factTimes.all(orderId);
  }
}
