// Several instances of order-service: each knows the same of every order, byte for byte; one decides about each; a key is
// charged once; and what an instance has published is what its journal holds.
import { uuidText } from '../../shared/contract/event-id.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { isSagaEvent } from '../environment/saga-event.ts';
import { eventIn } from '../environment/unpacked.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';
import { costOf } from './p3-money.ts';

/** What the answers to every read are made of: table, key, columns. When an order is due is each instance's own business. */
const shared: readonly (readonly [table: string, subject: string, columns: string])[] = [
  ['orders', 'order_id', 'order_id, user_id, status, reason, items, total, placed_at_ms, deadline_at_ms, origin'],
  ['facts', 'order_id', 'order_id, type, event_id, source, time, data'],
  ['orders_of_user', 'order_id', 'user_id, placed_at_ms, order_id'],
  ['catalogue', 'product_id', 'product_id, name, unit_price, available, version'],
  ['adoptions', 'instance', 'instance, adopted_by, event_id, time'],
];

export function* instancesConverge({ instances, lost }: Evidence): Generator<Finding> {
  const [first, ...others] = instances?.standing ?? [];
  if (!first) return;
  for (const [table, subject, columns] of shared) {
    const rows = (db: Database) =>
      db
        .prepare<[], { subject: string }>(`SELECT ${subject} AS subject, ${columns} FROM ${table} ORDER BY ${columns}`)
        .all()
        .filter((row) => !lost.has(row.subject));
    const must = rows(first.database.db);
    for (const other of others) yield* rowsDiffer(table, [first.member, must], [other.member, rows(other.database.db)]);
  }
  for (const { member, database } of instances?.standing ?? []) yield* wrongCounts(member, database.db);
}

type Rows = readonly { readonly subject: string }[];

function* rowsDiffer(
  table: string,
  [first, must]: readonly [string, Rows],
  [other, are]: readonly [string, Rows],
): Generator<Finding> {
  const [a, b] = [must, are].map((rows) => new Map(rows.map((row) => [JSON.stringify(row), row.subject])));
  for (const [text, subject] of a ?? []) {
    if (!b?.has(text)) yield { subject, text: `${other} does not have in ${table} what ${first} has: ${text}` };
  }
  for (const [text, subject] of b ?? []) {
    if (!a?.has(text)) yield { subject, text: `${first} does not have in ${table} what ${other} has: ${text}` };
  }
}

/** Ended orders are counted as they end, and so often. */
function* wrongCounts(member: string, db: Database): Generator<Finding> {
  const counted = db.prepare<[], { status: string; orders: number }>('SELECT status, orders FROM ended_orders').all();
  const count = db.prepare<[string], number>('SELECT count(*) FROM orders WHERE status = ?').pluck();
  for (const { status, orders } of counted) {
    if (orders !== count.get(status)) yield { subject: '', text: `${member} counts ${orders} orders as ${status}` };
  }
}

const decisions: ReadonlySet<string> = new Set(['order.withdrawn', 'order.confirmed', 'order.cancelled']);

/** Only the instance that has accepted an order decides about it, or one that has adopted its orders. */
export function* oneInstanceDecides({ instances, published, members }: Evidence): Generator<Finding> {
  const [db] = instances
    ? [...members].filter(([member]) => member.startsWith('order-service')).map(([, one]) => one)
    : [];
  if (!instances || !db) return;
  const originOf = new Map(db.prepare<[], [string, string]>('SELECT order_id, origin FROM orders').raw().all());
  for (const message of published.values()) {
    const { routingKey, correlationId: subject = '' } = message;
    const origin = originOf.get(subject);
    if (!decisions.has(routingKey) || origin === undefined) continue;
    const { source } = eventIn(message);
    if (!instances.decides(origin, source))
      yield { subject, text: `${source} has published ${routingKey} for an order of ${origin}` };
  }
}

/** Several instances may accept the same request: one of its orders is paid for. */
export function* keysAreChargedOnce({ instances, published }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  if (!instances) return;
  const chargedBy = new Map<string, string>();
  for (const message of published.values()) {
    if (message.routingKey !== 'order.placed') continue;
    const { subject, data } = eventIn(message);
    const { idempotency } = data as { readonly idempotency?: { readonly key: string } };
    const record = byId.get(subject);
    if (!idempotency || !record || costOf(record) === 0) continue;
    const other = chargedBy.get(idempotency.key);
    if (other !== undefined) yield { subject, text: `was charged, and so was ${other}, which came with the same key` };
    chargedBy.set(idempotency.key, subject);
  }
}

/** What the broker took of an instance's events is what its journal holds, byte by byte. */
export function* instancesPublishTheirJournals({ instances, published }: Evidence): Generator<Finding> {
  for (const { member, database } of instances?.standing ?? []) {
    const rows = database.db.prepare<[], { id: Buffer; subject: string; body: Buffer }>(
      'SELECT event_id AS id, subject, body FROM journal WHERE dead_letter IS NULL',
    );
    for (const { id, subject, body } of rows.all()) {
      const message = published.get(uuidText(id));
      if (!message || message.body.equals(body) || !isSagaEvent(message.routingKey)) continue;
      // Two instances that decide the same publish the same event, each with its own time.
      if (eventIn(message).source !== member) continue;
      yield {
        subject,
        text: `${message.routingKey} of ${member} was published with other bytes than its journal holds`,
      };
    }
  }
}
