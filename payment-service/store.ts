// The SQL of payment-service. Every change of a balance is an entry in the ledger, written with it.
import type { Database } from '../shared/runtime/storage/database.ts';
import { DeletedOrders } from '../shared/runtime/storage/deleted-orders.ts';
import type { Account, Payment } from './payment.ts';

/** How long the key of an order is remembered: as long as order-service does. */
const orderKeyKeptMs = 24 * 60 * 60 * 1000;

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

interface NewEntry {
  readonly entryId: number;
  readonly balanceAfter: number;
}

interface EntryRow {
  entry_id: number;
  user_id: string;
  kind: EntryKind;
  amount: number;
  balance_after: number;
  order_id: string | null;
  at_ms: number;
  /** The entry of the same account before it. */
  previous_entry_id: number | null;
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
  readonly deleted: DeletedOrders;
  readonly #deletePayment;
  readonly #account;
  readonly #putAccount;
  readonly #enter;
  readonly #move;
  readonly #lastEntry;
  readonly #entry;
  readonly #payment;
  readonly #payments;
  readonly #putPayment;
  readonly #totals;
  readonly #orderWithKey;
  readonly #putKey;
  readonly #pruneKeys;
  readonly #adopt;
  readonly #isAdopted;

  constructor(db: Database) {
    this.deleted = new DeletedOrders(db);
    this.#deletePayment = db
      .prepare<[string], number>(
        `DELETE FROM payments WHERE order_id = ? RETURNING iif(status = 'completed', amount, 0)`,
      )
      .pluck();
    this.#account = db.prepare<[string], { user_id: string; balance: number; blocked: number }>(
      'SELECT user_id, balance, blocked FROM accounts WHERE user_id = ?',
    );
    this.#putAccount = db.prepare(
      `INSERT INTO accounts (user_id, balance, blocked) VALUES (?, 0, ?)
       ON CONFLICT (user_id) DO UPDATE SET blocked = excluded.blocked`,
    );
    this.#enter = db.prepare<[EntryKind, number, number, string | null, number, string], NewEntry>(
      `INSERT INTO ledger (user_id, kind, amount, balance_after, order_id, at_ms, previous_entry_id)
       SELECT user_id, ?, ?, balance + ?, ?, ?, last_entry_id FROM accounts WHERE user_id = ?
       RETURNING entry_id AS entryId, balance_after AS balanceAfter`,
    );
    this.#move = db.prepare('UPDATE accounts SET balance = ?, last_entry_id = ? WHERE user_id = ?');
    this.#lastEntry = db
      .prepare<[string], number | null>('SELECT last_entry_id FROM accounts WHERE user_id = ?')
      .pluck();
    this.#entry = db.prepare<[number], EntryRow>('SELECT * FROM ledger WHERE entry_id = ?');
    this.#payment = db.prepare<[string], PaymentRow>('SELECT * FROM payments WHERE order_id = ?');
    this.#payments = db.prepare<[string, number], PaymentRow>(
      'SELECT * FROM payments WHERE order_id > ? ORDER BY order_id LIMIT ?',
    );
    this.#putPayment = db.prepare(
      `INSERT INTO payments (order_id, user_id, amount, status, reason, updated_at_ms) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, updated_at_ms = excluded.updated_at_ms`,
    );
    this.#totals = db.prepare<[], Totals>(totalsSql);
    this.#orderWithKey = db
      .prepare<[Buffer, number], string>('SELECT order_id FROM order_keys WHERE key = ? AND at_ms > ?')
      .pluck();
    this.#putKey = db.prepare('INSERT OR REPLACE INTO order_keys (key, order_id, at_ms) VALUES (?, ?, ?)');
    this.#pruneKeys = db.prepare(
      'DELETE FROM order_keys WHERE key IN (SELECT key FROM order_keys WHERE at_ms < ? ORDER BY at_ms LIMIT 2)',
    );
    this.#adopt = db.prepare('INSERT OR IGNORE INTO adopted_instances (instance, adopted_by) VALUES (?, ?)');
    this.#isAdopted = db.prepare<[string], number>('SELECT 1 FROM adopted_instances WHERE instance = ?').pluck();
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
    const entry = this.#enter.get(kind, amount, amount, orderId, atMs, userId);
    if (!entry) throw new Error(`no account '${userId}' to enter a ${kind} in`);
    this.#move.run(entry.balanceAfter, entry.entryId, userId);
    return entry.balanceAfter;
  }

  /**
   * Newest first, from the one before `beforeEntryId`.
   * @returns undefined when no entry of this account has that number
   */
  entries(userId: string, limit: number, beforeEntryId?: number): LedgerEntry[] | undefined {
    // Stryker disable next-line ConditionalExpression: undefined is bound as NULL, and no entry has that number
    const before = beforeEntryId === undefined ? undefined : this.#entry.get(beforeEntryId);
    if (beforeEntryId !== undefined && before?.user_id !== userId) return undefined;
    const entries: LedgerEntry[] = [];
    let next = before ? before.previous_entry_id : this.#lastEntry.get(userId);
    while (next && entries.length < limit) {
      const row = this.#entry.get(next);
      // Stryker disable next-line ConditionalExpression: only a damaged ledger lacks it; then the next line throws, too
      if (!row) throw new Error(`entry ${next} of account '${userId}' is not stored`);
      entries.push(toEntry(row));
      next = row.previous_entry_id;
    }
    return entries;
  }

  payment(orderId: string): Payment | undefined {
    const row = this.#payment.get(orderId);
    return row && toPayment(row);
  }

  /** Payments in the order of their order ids, from after `afterOrderId`. */
  payments(limit: number, afterOrderId = ''): { readonly payment: Payment; readonly updatedAtMs: number }[] {
    return this.#payments
      .all(afterOrderId, limit)
      .map((row) => ({ payment: toPayment(row), updatedAtMs: row.updated_at_ms }));
  }

  /** When the payment last changed. */
  paymentUpdatedAtMs(orderId: string): number | undefined {
    return this.#payment.get(orderId)?.updated_at_ms;
  }

  /** Records an order's payment, or its new status. */
  putPayment(payment: Payment, atMs: number): void {
    const { orderId, status } = payment;
    // Stryker disable next-line ConditionalExpression,StringLiteral,ArrayDeclaration: undefined is bound as NULL, too
    const [userId, amount] = payment.status === 'voided' ? [null, null] : [payment.userId, payment.amount];
    // Stryker disable next-line ConditionalExpression: undefined is bound as NULL, too
    this.#putPayment.run(orderId, userId, amount, status, payment.status === 'failed' ? payment.reason : null, atMs);
  }

  /**
   * Deletes payments of orders that have ended. The entries in the ledger stay: they are what the balances come from, and still
   * keep an order from being charged twice.
   */
  deletePayments(orderIds: readonly string[], placedBeforeMs: number): number {
    const amounts = orderIds.flatMap((orderId) => this.#deletePayment.get(orderId) ?? []);
    const sum = amounts.reduce((total, amount) => total + amount, 0);
    this.deleted.note(placedBeforeMs, sum);
    return amounts.length;
  }

  /**
   * Gives the key to this order unless another has it.
   * @returns the order that has it now
   */
  claimKey(key: string, orderId: string, nowMs: number): string {
    // Stryker disable next-line StringLiteral: any encoding tells keys apart; this one is the shortest
    const bytes = Buffer.from(key, 'hex');
    const holder = this.#orderWithKey.get(bytes, nowMs - orderKeyKeptMs);
    if (holder !== undefined) return holder;
    // Each new key clears up to two expired ones.
    this.#pruneKeys.run(nowMs - orderKeyKeptMs);
    this.#putKey.run(bytes, orderId, nowMs);
    return orderId;
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

/** Reads whole tables: Totals. Money that was spent on orders which are deleted counts as neither paid in nor charged. */
export const totalsSql = `
  SELECT (SELECT count(*) FROM accounts) AS accounts,
         (SELECT coalesce(sum(balance), 0) FROM accounts) AS balances,
         (SELECT coalesce(sum(amount), 0) FROM ledger WHERE kind IN ('deposit', 'adjustment'))
           - (SELECT amount FROM deleted_orders) AS paidIn,
         (SELECT coalesce(-sum(amount), 0) FROM ledger WHERE kind = 'charge')
           - (SELECT amount FROM deleted_orders) AS charged,
         (SELECT coalesce(sum(amount), 0) FROM ledger WHERE kind = 'refund') AS refunded`;

/** Sums over all accounts, in minor units. They balance when balances = paidIn - charged + refunded. */
export interface Totals {
  readonly accounts: number;
  readonly balances: number;
  readonly paidIn: number;
  readonly charged: number;
  readonly refunded: number;
}

function toEntry(row: EntryRow): LedgerEntry {
  return {
    entryId: row.entry_id,
    kind: row.kind,
    amount: row.amount,
    balanceAfter: row.balance_after,
    orderId: row.order_id,
    atMs: row.at_ms,
  };
}

function toPayment(row: PaymentRow): Payment {
  const { order_id: orderId, user_id, amount } = row;
  if (row.status === 'voided') return { status: 'voided', orderId };
  // Stryker disable next-line StringLiteral: only a voided payment has no user; the fallback is for the type
  const party = { orderId, userId: user_id ?? '', amount: amount ?? 0 };
  if (row.status === 'failed') return { ...party, status: 'failed', reason: row.reason as Refusal };
  return { ...party, status: row.status };
}

type Refusal = Extract<Payment, { status: 'failed' }>['reason'];
