// P3, money is conserved: at most one charge and one refund per order, and a cancelled order costs nothing.
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecord, OrderRecords } from './order-records.ts';
import { totalOf, withinAnswers } from './totals.ts';

export function* moneyIsConserved({ databases, answers }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  for (const [subject, record] of byId) {
    for (const text of wrongCosts(record)) yield { subject, text };
  }
  const db = databases['payment-service'];
  yield* wrongBalances(db);
  const paidIn = totalOf(db, "SELECT sum(amount) FROM ledger WHERE kind IN ('deposit', 'adjustment')");
  yield* withinAnswers('money paid in', paidIn, answers.paidIn);
}

function* wrongCosts(record: OrderRecord): Generator<string> {
  const { row, ledger } = record;
  const charges = ledger.filter(({ kind }) => kind === 'charge');
  const refunds = ledger.filter(({ kind }) => kind === 'refund');
  if (charges.length > 1) yield `was charged ${charges.length} times`;
  if (refunds.length > 1) yield `was refunded ${refunds.length} times`;
  const cost = costOf(record);
  if (row.status === 'cancelled' && cost !== 0 && !paidAfterItsFence(record)) yield `is cancelled and has cost ${cost}`;
  if (row.status === 'confirmed' && cost !== row.total) yield `is confirmed at ${row.total} and has cost ${cost}`;
}

export function costOf({ ledger }: OrderRecord): number {
  return 0 - ledger.reduce((sum, { amount }) => sum + amount, 0);
}

/** A cancelled order that still counts as paid: the charge came after the withdrawal, which is for P7 to report. */
export function paidAfterItsFence(record: OrderRecord): boolean {
  return record.row.status === 'cancelled' && record.payment?.status === 'completed' && costOf(record) > 0;
}

function* wrongBalances(db: Database): Generator<Finding> {
  const accounts = db.prepare<[], { user_id: string; balance: number; sum: number }>(
    `SELECT user_id, balance, (SELECT coalesce(sum(amount), 0) FROM ledger WHERE ledger.user_id = accounts.user_id) AS sum
     FROM accounts`,
  );
  for (const { user_id, balance, sum } of accounts.all()) {
    if (balance < 0) yield { subject: '', text: `the balance of ${user_id} is ${balance}` };
    if (balance !== sum) {
      yield { subject: '', text: `the balance of ${user_id} is ${balance}, but its ledger adds up to ${sum}` };
    }
  }
}
