// What is left of orders that were deleted: since when they were placed, and what their records added up to. Whatever is still
// said about one of them must find that it is over, although nothing is known of it any more.
import { uuidTimeMs } from '../../contract/event-id.ts';
import type { Database } from './database.ts';

export const deletedOrdersSchema = `
  CREATE TABLE deleted_orders (
    -- No order that was placed before is unknown: it was deleted.
    placed_before_ms INTEGER NOT NULL,
    -- Of their records, in the unit of the service's totals: what these still have to count.
    amount INTEGER NOT NULL
  ) STRICT;
  INSERT INTO deleted_orders VALUES (0, 0);
`;

/** An order is not deleted before its deadline has passed, and nobody can ask for its events any more. */
export const deletableAfterMsMin = 2 * 24 * 60 * 60 * 1000;

export class DeletedOrders {
  readonly #placedBefore;
  readonly #note;

  constructor(db: Database) {
    this.#placedBefore = db.prepare<[], number>('SELECT placed_before_ms FROM deleted_orders').pluck();
    this.#note = db.prepare(
      'UPDATE deleted_orders SET placed_before_ms = max(placed_before_ms, ?), amount = amount + ?',
    );
  }

  /**
   * Whether an order that is unknown here is one that was deleted.
   * @param nowMs spares a look into the database for every order that is younger than any deleted one
   */
  includes(orderId: string, nowMs = Number.POSITIVE_INFINITY): boolean {
    const placedAtMs = uuidTimeMs(orderId);
    if (nowMs - placedAtMs < deletableAfterMsMin) return false;
    return placedAtMs < (this.#placedBefore.get() ?? 0);
  }

  /** Inside the transaction that deletes them only. @param amount what their records added up to */
  note(placedBeforeMs: number, amount: number): void {
    this.#note.run(placedBeforeMs, amount);
  }
}
