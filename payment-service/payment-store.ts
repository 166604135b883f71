// Tables and SQL of payment-service. Every change of a balance is an entry in the ledger, written with it.
import type { Database } from '../shared/database.ts';
import type { Account, Payment } from './payment.ts';

export const migrations = [
  `
  CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    balance INTEGER NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1))
  ) STRICT;
  CREATE TABLE ledger (
    entry_id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES accounts,
    kind TEXT NOT NULL CHECK (kind IN ('deposit', 'adjustment', 'charge', 'refund')),
    amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    order_id TEXT,
    at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX ledger_of_user ON ledger (user_id, entry_id);
  -- At most one charge and one refund per order, whatever the code above it does.
  CREATE UNIQUE INDEX ledger_once ON ledger (order_id, kind) WHERE order_id IS NOT NULL;
  CREATE TABLE payments (
    order_id TEXT PRIMARY KEY,
    user_id TEXT,
    amount INTEGER,
    status TEXT NOT NULL CHECK (status IN ('completed', 'failed', 'voided', 'refunded')),
    reason TEXT,
    updated_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

export type EntryKind = 'deposit' | 'adjustment' | 'charge' | 'refund';

export interface LedgerEntry {
  readonly entryId: number;
  readonly kind: EntryKind;
  /** Minor units; negative for what was taken. */
  readonly amount: number;
  readonly balanceAfter: number;
  readonly orderId: string | null;
  readonly atMs: number;
}

interface PaymentRow {
  order_id: string;
  user_id: string | null;
  amount: number | null;
  status: Payment['status'];
  reason: string | null;
  updated_at_ms: number;
}

export class PaymentStore {
  readonly #account;
  readonly #putAccount;
  readonly #move;
  readonly #enter;
  readonly #entries;
  readonly #payment;
  readonly #putPayment;
  readonly #books;

  constructor(db: Database) {
    this.#account = db.prepare<[string], { user_id: string; balance: number; blocked: number }>(
      'SELECT user_id, balance, blocked FROM accounts WHERE user_id = ?',
    );
    this.#putAccount = db.prepare(
      `INSERT INTO accounts (user_id, balance, blocked) VALUES (?, 0, ?)
       ON CONFLICT (user_id) DO UPDATE SET blocked = excluded.blocked`,
    );
    this.#move = db
      .prepare<[number, string], number>(
        'UPDATE accounts SET balance = balance + ? WHERE user_id = ? RETURNING balance',
      )
      .pluck();
    this.#enter = db.prepare(
      'INSERT INTO ledger (user_id, kind, amount, balance_after, order_id, at_ms) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#entries = db.prepare<[string, number, number], LedgerEntry>(
      `SELECT entry_id AS entryId, kind, amount, balance_after AS balanceAfter, order_id AS orderId, at_ms AS atMs
       FROM ledger WHERE user_id = ? AND entry_id < ? ORDER BY entry_id DESC LIMIT ?`,
    );
    this.#payment = db.prepare<[string], PaymentRow>('SELECT * FROM payments WHERE order_id = ?');
    this.#putPayment = db.prepare(
      `INSERT INTO payments (order_id, user_id, amount, status, reason, updated_at_ms) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, updated_at_ms = excluded.updated_at_ms`,
    );
    this.#books = db.prepare<[], Books>(
      `SELECT (SELECT count(*) FROM accounts) AS accounts,
              (SELECT coalesce(sum(balance), 0) FROM accounts) AS balances,
              (SELECT coalesce(sum(amount), 0) FROM ledger WHERE kind IN ('deposit', 'adjustment')) AS paidIn,
              (SELECT coalesce(-sum(amount), 0) FROM ledger WHERE kind = 'charge') AS charged,
              (SELECT coalesce(sum(amount), 0) FROM ledger WHERE kind = 'refund') AS refunded`,
    );
  }

  account(userId: string): Account | undefined {
    const row = this.#account.get(userId);
    return row && { userId: row.user_id, balance: row.balance, blocked: row.blocked === 1 };
  }

  /** Creates the account with nothing in it, or changes whether it is blocked. */
  putAccount(userId: string, blocked: boolean): void {
    this.#putAccount.run(userId, blocked ? 1 : 0);
  }

  /** Changes a balance and writes the ledger entry that says why. Returns the new balance. */
  enter(userId: string, kind: EntryKind, amount: number, orderId: string | null, atMs: number): number {
    const balance = this.#move.get(amount, userId);
    if (balance === undefined) throw new Error(`no account '${userId}' to enter a ${kind} in`);
    this.#enter.run(userId, kind, amount, balance, orderId, atMs);
    return balance;
  }

  /** Newest first, from below `beforeEntryId`. */
  entries(userId: string, limit: number, beforeEntryId = Number.MAX_SAFE_INTEGER): LedgerEntry[] {
    return this.#entries.all(userId, beforeEntryId, limit);
  }

  payment(orderId: string): Payment | undefined {
    const row = this.#payment.get(orderId);
    return row && toPayment(row);
  }

  /** When the payment last changed. */
  paymentUpdatedAtMs(orderId: string): number | undefined {
    return this.#payment.get(orderId)?.updated_at_ms;
  }

  /** Records an order's payment, or its new status. */
  putPayment(payment: Payment, atMs: number): void {
    const { orderId, status } = payment;
    const [userId, amount] = payment.status === 'voided' ? [null, null] : [payment.userId, payment.amount];
    this.#putPayment.run(orderId, userId, amount, status, payment.status === 'failed' ? payment.reason : null, atMs);
  }

  books(): Books {
    const books = this.#books.get();
    if (!books) throw new Error('no books');
    return books;
  }
}

/** Sums over all accounts, in minor units. They balance when balances = paidIn - charged + refunded. */
export interface Books {
  readonly accounts: number;
  readonly balances: number;
  readonly paidIn: number;
  readonly charged: number;
  readonly refunded: number;
}

function toPayment(row: PaymentRow): Payment {
  const { order_id: orderId, user_id, amount } = row;
  if (row.status === 'voided') return { status: 'voided', orderId };
  const party = { orderId, userId: user_id ?? '', amount: amount ?? 0 };
  if (row.status === 'failed') return { ...party, status: 'failed', reason: row.reason as Refusal };
  return { ...party, status: row.status };
}

type Refusal = Extract<Payment, { status: 'failed' }>['reason'];
