// Tables and SQL of loyalty-service. A user's points are the sum of the credits.
import type { Database } from '../../../shared/runtime/storage/database.ts';
import type { Credit } from './credit.ts';

export const migrations = [
  `
  CREATE TABLE credits (
    order_id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('credited', 'refused', 'taken-back', 'voided')),
    user_id TEXT,
    points INTEGER NOT NULL CHECK (points >= 0)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX credits_of_user ON credits (user_id) WHERE status = 'credited';
  `,
];

interface CreditRow {
  readonly status: Credit['status'];
  readonly userId: string | null;
  readonly points: number;
}

export class LoyaltyStore {
  readonly #credit;
  readonly #putCredit;
  readonly #pointsOf;

  constructor(db: Database) {
    this.#credit = db.prepare<[string], CreditRow>(
      'SELECT status, user_id AS userId, points FROM credits WHERE order_id = ?',
    );
    this.#putCredit = db.prepare(
      `INSERT INTO credits (order_id, status, user_id, points) VALUES (?, ?, ?, ?)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status`,
    );
    this.#pointsOf = db
      .prepare<[string], number>(
        "SELECT coalesce(sum(points), 0) FROM credits WHERE user_id = ? AND status = 'credited'",
      )
      .pluck();
  }

  credit(orderId: string): Credit | undefined {
    const row = this.#credit.get(orderId);
    if (!row) return undefined;
    const { status, userId, points } = row;
    return status === 'voided' ? { status, orderId } : { status, orderId, userId: userId ?? '', points };
  }

  /** Records an order's credit, or its new status. */
  putCredit(credit: Credit): void {
    const { userId, points } = credit.status === 'voided' ? { userId: null, points: 0 } : credit;
    this.#putCredit.run(credit.orderId, credit.status, userId, points);
  }

  pointsOf(userId: string): number {
    return this.#pointsOf.get(userId) ?? 0;
  }
}
