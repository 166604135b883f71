// P4, stock is conserved, line by line, and never negative.
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Finding } from '../environment/violation.ts';
import type { Accepted } from '../workload/answers.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecord, OrderRecords } from './order-records.ts';
import { totalOf, withinAnswers } from './totals.ts';

export function* stockIsConserved({ databases, answers }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  for (const [subject, record] of byId) {
    if (reservedAfterItsFence(record)) continue;
    for (const text of wrongReservations(record)) yield { subject, text };
  }
  const db = databases['inventory-service'];
  yield* wrongStocks(db);
  const broughtIn = totalOf(db, "SELECT sum(qty) FROM movements WHERE kind IN ('set', 'restock')");
  yield* withinAnswers('goods brought in', broughtIn, answers.broughtIn);
}

/** Products of which more or less is set aside than the status of the order requires. */
export function* wrongReservations({ row, movements }: OrderRecord): Generator<string> {
  const held = new Map<string, number>();
  for (const { product, qty } of movements) held.set(product, (held.get(product) ?? 0) - qty);
  const wanted = new Map<string, number>();
  if (row.status === 'confirmed') {
    for (const { productId, qty } of JSON.parse(row.items) as Accepted['items']) {
      wanted.set(productId, (wanted.get(productId) ?? 0) + qty);
    }
  }
  for (const product of new Set([...held.keys(), ...wanted.keys()])) {
    const [is, should] = [held.get(product) ?? 0, wanted.get(product) ?? 0];
    if (is !== should) yield `is ${row.status}, and ${is} of ${product} are set aside instead of ${should}`;
  }
}

/** A cancelled order that still counts as reserved: the stock was taken after the withdrawal, which is for P7 to report. */
export function reservedAfterItsFence({ row, reservation }: OrderRecord): boolean {
  return row.status === 'cancelled' && reservation === 'reserved';
}

function* wrongStocks(db: Database): Generator<Finding> {
  const products = db.prepare<[], { product_id: string; stock: number; sum: number }>(
    `SELECT product_id, stock, (SELECT coalesce(sum(qty), 0) FROM movements WHERE movements.product_id = products.product_id) AS sum
     FROM products`,
  );
  for (const { product_id, stock, sum } of products.all()) {
    if (stock < 0) yield { subject: '', text: `the stock of ${product_id} is ${stock}` };
    if (stock !== sum) {
      yield { subject: '', text: `the stock of ${product_id} is ${stock}, but its movements add up to ${sum}` };
    }
  }
}
