// Tables and SQL of shipping-service.
import type { Database } from '../../../shared/runtime/storage/database.ts';

export const migrations = [
  `
  CREATE TABLE shipments (
    order_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    dispatched_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

export interface Shipment {
  readonly orderId: string;
  readonly userId: string;
  readonly dispatchedAtMs: number;
}

export class ShippingStore {
  readonly #insert;
  readonly #shipment;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO shipments (order_id, user_id, dispatched_at_ms) VALUES (?, ?, ?)');
    this.#shipment = db.prepare<[string], Shipment>(
      'SELECT order_id AS orderId, user_id AS userId, dispatched_at_ms AS dispatchedAtMs FROM shipments WHERE order_id = ?',
    );
  }

  insert({ orderId, userId, dispatchedAtMs }: Shipment): void {
    this.#insert.run(orderId, userId, dispatchedAtMs);
  }

  shipment(orderId: string): Shipment | undefined {
    return this.#shipment.get(orderId);
  }
}
