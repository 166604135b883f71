// The SQL of order-service: orders, and the facts known about each of them. The copy of the catalogue is in a file of its own.
import type { EventType } from '../shared/contract/choreography.ts';
import { type CloudEvent, dataSchemaOf } from '../shared/contract/cloud-event.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import { DeletedOrders } from '../shared/runtime/storage/deleted-orders.ts';
import { CatalogueCopy } from './catalogue-copy.ts';
import { Instances, unnamed } from './instances.ts';
import type { Fact, FactTypes, Order, OrderItem, OrderStatus, Reason } from './order.ts';

/** When an order is due that has to be looked at, whatever its deadline is. */
export const lookNow = 0;
/** How long the key of an order is remembered. */
const orderKeyKeptMs = 24 * 60 * 60 * 1000;

export type NewOrder = Omit<Order, 'status' | 'reason'>;

interface OrderRow {
  order_id: string;
  user_id: string;
  status: OrderStatus;
  reason: Reason | null;
  items: string;
  total: number;
  placed_at_ms: number;
  deadline_at_ms: number;
  /** The order that the same user placed before; not kept where there are several instances. */
  previous_order_id: string | null;
  /** NULL: order-service without a name. */
  origin: string | null;
}

interface FactRow {
  order_id: string;
  type: EventType;
  event_id: string;
  source: string;
  time: string;
  causation_id: string;
  data: string;
}

/** The place of an order among the overdue ones. */
export interface OverduePlace {
  readonly deadlineAtMs: number;
  readonly orderId: string;
}

/** Events as they were stored, in pages; `next` is undefined after the last one. */
export interface CopyPage {
  readonly events: CloudEvent[];
  readonly next: { readonly orderId: string; readonly type: string } | undefined;
}

export class OrderStore {
  readonly instances: Instances;
  readonly deleted: DeletedOrders;
  readonly catalogue: CatalogueCopy;
  readonly #insert;
  readonly #order;
  readonly #orders;
  readonly #setStatus;
  readonly #setDue;
  readonly #dueOf;
  readonly #setNotDue;
  readonly #anyOf;
  readonly #overdue;
  readonly #lastOf;
  readonly #putLast;
  readonly #nextDue;
  readonly #due;
  readonly #addFact;
  readonly #fact;
  readonly #replaceFact;
  readonly #factTypes;
  readonly #facts;
  readonly #factsAfter;
  readonly #listOrder;
  readonly #listedOrders;
  readonly #makeDue;
  readonly #orderWithKey;
  readonly #putKey;
  readonly #pruneKeys;
  readonly #dataVersion;
  #seenVersion: number | undefined;

  /** @param member `order-service.a` for a named instance; left out: there are no other instances */
  constructor(db: Database, member?: string) {
    this.instances = new Instances(db, member);
    this.deleted = new DeletedOrders(db);
    this.catalogue = new CatalogueCopy(db);
    this.#insert = db.prepare(
      `INSERT INTO orders (order_id, user_id, status, items, total, placed_at_ms, deadline_at_ms, previous_order_id, due_at_ms, origin)
       VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#listOrder = db.prepare('INSERT INTO orders_of_user (user_id, placed_at_ms, order_id) VALUES (?, ?, ?)');
    this.#listedOrders = db.prepare<[string, number, string, number], OrderRow>(
      `SELECT orders.* FROM orders_of_user AS listed JOIN orders USING (order_id)
       WHERE listed.user_id = ? AND (listed.placed_at_ms, listed.order_id) < (?, ?)
       ORDER BY listed.placed_at_ms DESC, listed.order_id DESC LIMIT ?`,
    );
    this.#lastOf = db.prepare<[string], string>('SELECT last_order_id FROM customers WHERE user_id = ?').pluck();
    this.#putLast = db.prepare(
      `INSERT INTO customers (user_id, last_order_id) VALUES (?, ?)
       ON CONFLICT (user_id) DO UPDATE SET last_order_id = excluded.last_order_id`,
    );
    this.#order = db.prepare<[string], OrderRow>('SELECT * FROM orders WHERE order_id = ?');
    this.#orders = db.prepare<[string, number], OrderRow>(
      'SELECT * FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?',
    );
    this.#setStatus = db.prepare<{ orderId: string; status: OrderStatus; reason: Reason | null }>(
      `UPDATE orders SET status = @status, reason = @reason,
         due_at_ms = CASE WHEN @status IN ('pending', 'cancelling') THEN due_at_ms END
       WHERE order_id = @orderId`,
    );
    this.#setDue = db.prepare('UPDATE orders SET due_at_ms = ?, asks = ? WHERE order_id = ?');
    this.#anyOf = db
      .prepare<[string], number>("SELECT 1 FROM orders WHERE coalesce(origin, 'order-service') = ? LIMIT 1")
      .pluck();
    this.#overdue = db.prepare<[string | null, number, number, string, number], OverduePlace>(
      `SELECT order_id AS orderId, deadline_at_ms AS deadlineAtMs FROM orders
       WHERE due_at_ms IS NULL AND status IN ('pending', 'cancelling')
         AND origin IS ? AND deadline_at_ms <= ? AND (deadline_at_ms, order_id) > (?, ?)
       ORDER BY deadline_at_ms, order_id LIMIT ?`,
    );
    this.#setNotDue = db.prepare('UPDATE orders SET due_at_ms = NULL WHERE order_id = ?');
    this.#dueOf = db.prepare<[string], { due_at_ms: number | null; asks: number }>(
      'SELECT due_at_ms, asks FROM orders WHERE order_id = ?',
    );
    this.#nextDue = db
      .prepare<[], number>('SELECT due_at_ms FROM orders WHERE due_at_ms IS NOT NULL ORDER BY due_at_ms LIMIT 1')
      .pluck();
    this.#due = db
      .prepare<[number, number], string>('SELECT order_id FROM orders WHERE due_at_ms <= ? ORDER BY due_at_ms LIMIT ?')
      .pluck();
    this.#addFact = db.prepare(
      `INSERT INTO facts (order_id, type, event_id, source, time, causation_id, data) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (order_id, type) DO NOTHING`,
    );
    this.#fact = db.prepare<[string, string], FactRow>('SELECT * FROM facts WHERE order_id = ? AND type = ?');
    this.#replaceFact = db.prepare(
      `UPDATE facts SET event_id = ?, source = ?, time = ?, causation_id = ?, data = ? WHERE order_id = ? AND type = ?`,
    );
    this.#factsAfter = db.prepare<[string, string, number], FactRow>(
      'SELECT * FROM facts WHERE (order_id, type) > (?, ?) ORDER BY order_id, type LIMIT ?',
    );
    this.#makeDue = db.prepare(
      "UPDATE orders SET due_at_ms = ? WHERE coalesce(origin, 'order-service') = ? AND status IN ('pending', 'cancelling')",
    );
    this.#orderWithKey = db.prepare<[Buffer, number], { order_id: string; request: Buffer }>(
      'SELECT order_id, request FROM order_keys WHERE key = ? AND at_ms > ?',
    );
    this.#putKey = db.prepare(
      `INSERT INTO order_keys (key, request, order_id, at_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET request = excluded.request, order_id = excluded.order_id, at_ms = excluded.at_ms
       WHERE ((excluded.at_ms, excluded.order_id) < (at_ms, order_id) AND excluded.at_ms > at_ms - ${orderKeyKeptMs})
          OR at_ms <= excluded.at_ms - ${orderKeyKeptMs}`,
    );
    this.#pruneKeys = db.prepare(
      'DELETE FROM order_keys WHERE key IN (SELECT key FROM order_keys WHERE at_ms <= ? ORDER BY at_ms LIMIT 2)',
    );
    this.#factTypes = db.prepare<[string], EventType>('SELECT type FROM facts WHERE order_id = ?').pluck();
    this.#facts = db.prepare<[string], FactRow>('SELECT * FROM facts WHERE order_id = ? ORDER BY time, event_id');
    this.#dataVersion = db.prepare<[], number>('PRAGMA data_version').pluck();
  }

  /**
   * A new order is pending, and due where this instance decides about it.
   * @param dueAtMs by Transaction.steadyMs. Left out: at its deadline
   */
  insert(order: NewOrder, dueAtMs = order.deadlineAtMs): void {
    const { orderId, userId, items, total, placedAtMs, deadlineAtMs, origin = unnamed } = order;
    const { named } = this.instances;
    const previous = named ? null : (this.#lastOf.get(userId) ?? null);
    const due = this.instances.isDeciderOf(origin) ? dueAtMs : null;
    const from = origin === unnamed ? null : origin;
    const text = JSON.stringify(items);
    this.#insert.run(orderId, userId, text, total, placedAtMs, deadlineAtMs, previous, due, from);
    if (named) this.#listOrder.run(userId, placedAtMs, orderId);
    else this.#putLast.run(userId, orderId);
  }

  order(orderId: string): Order | undefined {
    const row = this.#order.get(orderId);
    return row && toOrder(row);
  }

  /** All orders in the order of their ids, from after `afterOrderId`. */
  orders(limit: number, afterOrderId = ''): Order[] {
    return this.#orders.all(afterOrderId, limit).map(toOrder);
  }

  setStatus(orderId: string, status: OrderStatus, reason: Reason | undefined): void {
    this.#setStatus.run({ orderId, status, reason: reason ?? null });
  }

  /**
   * Newest first, from the one that the user placed before `beforeOrderId`.
   * @returns undefined when no order of this user has that id
   */
  ordersOf(userId: string, limit: number, beforeOrderId?: string): Order[] | undefined {
    const before = beforeOrderId === undefined ? undefined : this.#order.get(beforeOrderId);
    if (beforeOrderId !== undefined && before?.user_id !== userId) return undefined;
    if (this.instances.named) {
      const [ms, id] = before ? [before.placed_at_ms, before.order_id] : [Number.MAX_SAFE_INTEGER, ''];
      return this.#listedOrders.all(userId, ms, id, limit).map(toOrder);
    }
    const orders: Order[] = [];
    let next = before ? before.previous_order_id : this.#lastOf.get(userId);
    while (next && orders.length < limit) {
      const row = this.#order.get(next);
      if (!row && this.deleted.includes(next)) break;
      if (!row) throw new Error(`order ${next} of ${userId} is not stored`);
      orders.push(toOrder(row));
      next = row.previous_order_id;
    }
    return orders;
  }

  /** When something has to be done about the next order; undefined: about none. */
  nextDueAtMs(): number | undefined {
    return this.#nextDue.get();
  }

  /** Orders about which something has to be done by now, the most urgent first. */
  due(nowMs: number, limit: number): string[] {
    return this.#due.all(nowMs, limit);
  }

  /** When something has to be done about this order; undefined: it has ended. */
  dueAtMs(orderId: string): number | undefined {
    return this.#dueOf.get(orderId)?.due_at_ms ?? undefined;
  }

  /** How often its withdrawal was published. */
  asks(orderId: string): number {
    return this.#dueOf.get(orderId)?.asks ?? 0;
  }

  /** Looks at it now, or as soon as this instance decides, also after a crash; unless it has ended. */
  setDueIfOpen(orderId: string): void {
    const status = this.order(orderId)?.status;
    if (status === 'pending' || status === 'cancelling') this.setDue(orderId, lookNow, this.asks(orderId));
  }

  /** Whether any order was accepted by this instance. May read the whole table. */
  hasOrdersOf(origin: string): boolean {
    return this.#anyOf.get(origin) !== undefined;
  }

  /** Open orders of these instances, about which another one decides, and whose deadlines have passed: a page of them. */
  overdue(origins: readonly string[], nowMs: number, after: OverduePlace, limit: number): OverduePlace[] {
    const { deadlineAtMs, orderId } = after;
    return origins
      .flatMap((origin) => this.#overdue.all(origin === unnamed ? null : origin, nowMs, deadlineAtMs, orderId, limit))
      .sort((a, b) => a.deadlineAtMs - b.deadlineAtMs || (a.orderId < b.orderId ? -1 : 1))
      .slice(0, limit);
  }

  /** Another instance decides about it. */
  setNotDue(orderId: string): void {
    this.#setNotDue.run(orderId);
  }

  setDue(orderId: string, dueAtMs: number, asks: number): void {
    this.#setDue.run(dueAtMs, asks, orderId);
  }

  /** Makes every open order that this instance accepted, or has adopted from `origin`, due now. Reads the whole table. */
  makeDue(origin: string): void {
    this.#makeDue.run(lookNow, origin);
  }

  /**
   * Records that something happened to an order. Of several events of one type the earliest stays, so that what is known
   * is the same in whatever order they came.
   */
  addFact(event: CloudEvent): void {
    const { subject, type, id, source, time, causationid, data } = event;
    const text = JSON.stringify(data);
    if (this.#addFact.run(subject, type, id, source, time, causationid, text).changes === 1) return;
    const known = this.#fact.get(subject, type);
    if (!known || !isEarlier(event, known)) return;
    this.#replaceFact.run(id, source, time, causationid, text, subject, type);
  }

  /** One fact about an order. */
  fact(orderId: string, type: EventType): Fact | undefined {
    const row = this.#fact.get(orderId, type);
    return row && toFact(row);
  }

  /** All facts about all orders as events, in the order of the orders' ids. */
  copies(after: { readonly orderId: string; readonly type: string }, limit: number): CopyPage {
    const rows = this.#factsAfter.all(after.orderId, after.type, limit);
    const last = rows.at(-1);
    return {
      events: rows.map(toEvent),
      next: last && rows.length === limit ? { orderId: last.order_id, type: last.type } : undefined,
    };
  }

  /** Remembers which order was placed with a key. Of two orders with the same key, the earlier one is. */
  putKey({ key, request }: { key: string; request: string }, orderId: string, placedAtMs: number): void {
    // Each new key clears up to two expired ones.
    this.#pruneKeys.run(placedAtMs - orderKeyKeptMs);
    this.#putKey.run(Buffer.from(key, 'hex'), Buffer.from(request, 'hex'), orderId, placedAtMs);
  }

  /** The order that was placed with a key within the last day, here or at another instance. */
  orderWithKey(key: string, nowMs: number): { readonly orderId: string; readonly request: string } | undefined {
    const row = this.#orderWithKey.get(Buffer.from(key, 'hex'), nowMs - orderKeyKeptMs);
    return row && { orderId: row.order_id, request: row.request.toString('hex') };
  }

  factTypes(orderId: string): FactTypes {
    return new Set(this.#factTypes.all(orderId));
  }

  /** In the order of their writing. */
  facts(orderId: string): Fact[] {
    return this.#facts.all(orderId).map(toFact);
  }

  /** Whether another process that shares the file has written since the last call. */
  changedElsewhere(): boolean {
    const before = this.#seenVersion;
    this.#seenVersion = this.#dataVersion.get();
    return before !== this.#seenVersion;
  }
}

function toOrder(row: OrderRow): Order {
  return {
    orderId: row.order_id,
    userId: row.user_id,
    status: row.status,
    reason: row.reason ?? undefined,
    items: JSON.parse(row.items) as OrderItem[],
    total: row.total,
    placedAtMs: row.placed_at_ms,
    deadlineAtMs: row.deadline_at_ms,
    ...(row.origin === null ? {} : { origin: row.origin }),
  };
}

function toFact(row: FactRow): Fact {
  return {
    type: row.type,
    eventId: row.event_id,
    source: row.source,
    time: row.time,
    causationId: row.causation_id,
    data: JSON.parse(row.data) as unknown,
  };
}

/** The event again, as far as it was stored: its trace ends here, and its position is for its own journal to say. */
function toEvent(row: FactRow): CloudEvent {
  const trace = row.event_id.replaceAll('-', '');
  return {
    specversion: '1.0',
    id: row.event_id,
    type: row.type,
    source: row.source,
    subject: row.order_id,
    time: row.time,
    datacontenttype: 'application/json',
    dataschema: dataSchemaOf(row.type),
    correlationid: row.order_id,
    causationid: row.causation_id,
    traceparent: `00-${trace}-${trace.slice(16)}-00`,
    data: JSON.parse(row.data) as unknown,
  };
}

/** A withdrawal that asks again is never earlier than the first one, whatever the clocks say. */
function isEarlier({ time, id, source, data }: CloudEvent, known: FactRow): boolean {
  const place = (what: unknown, time: string, id: string, source: string): readonly (number | string)[] => [
    (what as { attempt?: number }).attempt ?? 1,
    time,
    id,
    source,
  ];
  const here = place(data, time, id, source);
  const there = place(JSON.parse(known.data), known.time, known.event_id, known.source);
  const index = here.findIndex((part, at) => part !== there[at]);
  return index >= 0 && (here[index] ?? 0) < (there[index] ?? 0);
}
