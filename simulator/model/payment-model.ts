// What payment-service must do: accounts, their ledgers, and one payment for each order.
import type { AnyEvent, DataOf } from '../../shared/contract/choreography.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Violation } from '../environment/violation.ts';
import {
  answered,
  emits,
  listDifference,
  refused,
  rowDifferences,
  type ServiceModel,
  silent,
} from './service-model.ts';
import type { Asked, At, Due, Inability } from './work.ts';

const keyKeptMs = 24 * 3_600_000;
const balanceMax = 1_000_000_000_000;

interface Account {
  balance: number;
  blocked: boolean;
  /** Oldest first. */
  readonly entries: Entry[];
}

interface Entry {
  readonly kind: string;
  readonly amount: number;
  readonly balanceAfter: number;
  readonly orderId: string | null;
  readonly atMs: number;
}

interface Payment {
  readonly status: 'completed' | 'refunded' | 'failed' | 'voided';
  readonly userId: string | null;
  readonly amount: number | null;
  readonly reason: string | null;
}

export class PaymentModel implements ServiceModel {
  readonly tables = ['accounts', 'ledger', 'payments', 'order_keys', 'adopted_instances'];
  #accounts = new Map<string, Account>();
  #payments = new Map<string, Payment>();
  /** Of each key, the order that has it. */
  #keys = new Map<string, { readonly orderId: string; readonly atMs: number }>();
  #adopted = new Map<string, string>();

  copy(): PaymentModel {
    const copy = new PaymentModel();
    const accounts = [...this.#accounts].map(([userId, account]): [string, Account] => [
      userId,
      { ...account, entries: [...account.entries] },
    ]);
    copy.#accounts = new Map(accounts);
    copy.#payments = new Map(this.#payments);
    copy.#keys = new Map(this.#keys);
    copy.#adopted = new Map(this.#adopted);
    return copy;
  }

  react(event: AnyEvent, { nowMs }: At): Due | Inability {
    switch (event.type) {
      case 'order.placed':
        return this.#placed(event.data, nowMs);
      case 'inventory.rejected':
        return this.#rejected(event.data.orderId, nowMs);
      case 'order.withdrawn':
        return this.#adopted.has(event.source) ? silent('overruled') : this.#withdrawn(event.data, nowMs);
      case 'instance.adopted':
        if (!this.#adopted.has(event.data.instance)) this.#adopted.set(event.data.instance, event.data.by);
        return silent('noted');
      default:
        return silent('not for payment-service');
    }
  }

  /** What an order costs is what its lines cost. */
  #placed({ orderId, userId, items, idempotency }: DataOf<'order.placed'>, nowMs: number): Due | Inability {
    const known = this.#payments.get(orderId);
    if (known && known.status !== 'voided') return 'ContradictoryEventError';
    const first = idempotency ? this.#holderOf(idempotency.key, orderId, nowMs) : orderId;
    if (known) return silent('fenced');
    const amount = items.reduce((sum, { qty, unitPrice }) => sum + qty * unitPrice, 0);
    if (first !== orderId) {
      const reason = 'duplicate_request';
      this.#payments.set(orderId, { status: 'failed', userId, amount, reason });
      return emits('payment.failed', { orderId, userId, amount, items, reason, duplicateOf: first });
    }
    const account = this.#accounts.get(userId);
    const reason = !account
      ? 'no_such_account'
      : account.blocked
        ? 'account_blocked'
        : account.balance < amount
          ? 'insufficient_funds'
          : null;
    const status = reason === null ? 'completed' : 'failed';
    this.#payments.set(orderId, { status, userId, amount, reason });
    if (!account || reason !== null) return emits('payment.failed', { orderId, userId, amount, items, reason });
    enter(account, 'charge', -amount, orderId, nowMs);
    return emits('payment.completed', { orderId, userId, amount, items });
  }

  /** One order for each key: the first that came. */
  #holderOf(key: string, orderId: string, nowMs: number): string {
    const holder = this.#keys.get(key);
    if (holder && holder.atMs > nowMs - keyKeptMs) return holder.orderId;
    this.#keys.set(key, { orderId, atMs: nowMs });
    return orderId;
  }

  #rejected(orderId: string, nowMs: number): Due | Inability {
    const known = this.#payments.get(orderId);
    if (!known) return 'UnknownSubjectError';
    if (known.status === 'refunded') return silent('compensated');
    if (known.status !== 'completed') return 'ContradictoryEventError';
    return this.#refund(orderId, known, 'inventory.rejected', nowMs);
  }

  #withdrawn({ orderId, attempt }: DataOf<'order.withdrawn'>, nowMs: number): Due {
    const known = this.#payments.get(orderId);
    if (!known) {
      this.#payments.set(orderId, { status: 'voided', userId: null, amount: null, reason: null });
      return emits('payment.voided', { orderId });
    }
    if (known.status === 'completed') return this.#refund(orderId, known, 'order.withdrawn', nowMs);
    if (attempt === undefined) return silent('compensated');
    if (known.status !== 'refunded') return emits('payment.voided', { orderId });
    return emits('payment.refunded', refundOf(orderId, known, 'order.withdrawn'));
  }

  #refund(orderId: string, payment: Payment, because: string, nowMs: number): Due {
    const account = this.#accounts.get(payment.userId ?? '');
    if (account) enter(account, 'refund', payment.amount ?? 0, orderId, nowMs);
    this.#payments.set(orderId, { ...payment, status: 'refunded' });
    return emits('payment.refunded', refundOf(orderId, payment, because));
  }

  request(asked: Asked, { nowMs }: At): Due {
    if (asked.what === 'put account') {
      const before = this.#accounts.get(asked.userId);
      const account = before ?? { balance: 0, blocked: false, entries: [] };
      this.#accounts.set(asked.userId, account);
      account.blocked = asked.blocked ?? account.blocked;
      const difference = (asked.balance ?? account.balance) - account.balance;
      if (difference !== 0) enter(account, 'adjustment', difference, null, nowMs);
      return answered({ account: this.#shown(asked.userId, account), created: before === undefined });
    }
    if (asked.what !== 'deposit') throw new Error(`payment-service does not ${asked.what}`);
    const account = this.#accounts.get(asked.userId);
    if (!account) return refused(404, 'no-such-account');
    if (account.balance + asked.amount > balanceMax) return refused(422, 'balance-too-high');
    enter(account, 'deposit', asked.amount, null, nowMs);
    return answered(this.#shown(asked.userId, account));
  }

  #shown(userId: string, { balance, blocked }: Account) {
    return { userId, balance, blocked };
  }

  deadline(): Due {
    return { emits: [] };
  }

  *differences(db: Database): Generator<Violation> {
    const keys = db.prepare<[], [string, string]>('SELECT lower(hex(key)), order_id FROM order_keys').raw().all();
    const holders = [...this.#keys].map(([key, { orderId }]): [string, string] => [key, orderId]);
    yield* rowDifferences('P3', 'the order with this key', keys, new Map(holders));
    const adopted = db.prepare<[], [string, string]>('SELECT instance, adopted_by FROM adopted_instances').raw().all();
    yield* rowDifferences('P2', 'who has adopted this instance', adopted, this.#adopted);
    const payments = db.prepare<[], Payment & { orderId: string }>(
      'SELECT order_id AS orderId, status, user_id AS userId, amount, reason FROM payments',
    );
    const rows = payments.all().map(({ orderId, ...row }): [string, Payment] => [orderId, row]);
    yield* rowDifferences('P3', 'its payment', rows, this.#payments);
    const accounts = db.prepare<[], { userId: string; balance: number; blocked: number; last: number | null }>(
      'SELECT user_id AS userId, balance, blocked, last_entry_id AS last FROM accounts',
    );
    const found = accounts.all();
    for (const { userId, balance, blocked, last } of found) {
      const account = this.#accounts.get(userId);
      const is = JSON.stringify([balance, blocked === 1]);
      const must = JSON.stringify(account && [account.balance, account.blocked]);
      if (is !== must)
        yield { promise: 'P3', subject: '', text: `the account of ${userId} is ${is}, and must be ${must}` };
      const wrong = listDifference(entriesOf(db, userId, last), account?.entries ?? []);
      if (wrong) yield { promise: 'P3', subject: '', text: `the ledger of ${userId}: ${wrong}` };
    }
    if (found.length !== this.#accounts.size) {
      yield { promise: 'P3', subject: '', text: `${found.length} accounts, and there must be ${this.#accounts.size}` };
    }
    const entries = db.prepare<[], number>('SELECT count(*) FROM ledger').pluck().get();
    const sum = [...this.#accounts.values()].reduce((total, account) => total + account.entries.length, 0);
    if (entries !== sum)
      yield { promise: 'P3', subject: '', text: `${entries} ledger entries, and there must be ${sum}` };
  }
}

function refundOf(orderId: string, { userId, amount }: Payment, because: string) {
  return { orderId, userId, amount, because };
}

function enter(account: Account, kind: string, amount: number, orderId: string | null, atMs: number): void {
  account.balance += amount;
  account.entries.push({ kind, amount, balanceAfter: account.balance, orderId, atMs });
}

/** An account's entries, newest first, from its last one on: the list that customers page through. */
function* entriesOf(db: Database, userId: string, last: number | null): Generator<Entry | undefined> {
  const entry = db.prepare<[number, string], Entry & { previous: number | null }>(
    `SELECT kind, amount, balance_after AS balanceAfter, order_id AS orderId, at_ms AS atMs, previous_entry_id AS previous
     FROM ledger WHERE entry_id = ? AND user_id = ?`,
  );
  for (let next = last; next !== null; ) {
    const row = entry.get(next, userId);
    if (!row) return yield undefined;
    const { previous, ...rest } = row;
    yield rest;
    next = previous;
  }
}
