// What order-service must do: orders, what is known of each, and a copy of the catalogue.
import type { AnyEvent } from '../../shared/contract/choreography.ts';
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
import type { Answer, Asked, At, Due, Inability, Others } from './work.ts';

const totalMax = 1_000_000_000_000;
/** An order that is rebuilt is looked at so often, until all is known of it. */
const lookAgainMs = 2_000;
/** An order that waits for its compensations asks again after 10 s, 20 s, 40 s …; a customer at most once a second. */
const askAgainMs = (asks: number) => Math.min(3_600_000, 10_000 * 2 ** (asks - 1));
const askAgainPauseMs = 1_000;

type Status = 'pending' | 'cancelling' | 'confirmed' | 'cancelled';

interface Line {
  readonly productId: string;
  readonly qty: number;
  readonly unitPrice: number;
}

interface Order {
  readonly orderId: string;
  readonly userId: string;
  readonly items: readonly Line[];
  readonly total: number;
  readonly placedAtMs: number;
  readonly deadlineAtMs: number;
  status: Status;
  reason: string | undefined;
  /** What is known of each side. */
  withdrawn: { readonly reason: string; readonly again: boolean } | undefined;
  reserved: boolean;
  paymentClosed: boolean;
  inventoryClosed: boolean;
  /** What others have said of it: of several events of one type, the earliest. */
  readonly said: Map<string, Said>;
  dueAtMs: number | undefined;
  asks: number;
  /** By the clock of the run. */
  readonly knownAtMs: number;
  /** By the clock that its deadline goes by. */
  readonly firstDueAtMs: number;
  leftPendingAtMs: number | undefined;
}

interface Said {
  readonly time: string;
  readonly id: string;
  readonly data: { readonly reason?: string; readonly because?: string };
}

interface Entry {
  readonly name: string;
  readonly unitPrice: number;
  readonly available: boolean;
  readonly version: number;
  readonly asOf?: string | undefined;
}

type SagaEvent = Exclude<AnyEvent, { type: 'product.updated' }>;

export class OrderModel implements ServiceModel {
  readonly tables = ['orders', 'facts', 'catalogue', 'customers', 'ended_orders'];
  #orders = new Map<string, Order>();
  #ordersOf = new Map<string, string[]>();
  #facts = new Set<string>();
  #catalogue = new Map<string, Entry>();
  #answers = new Map<string, { readonly request: string; readonly answer: unknown }>();

  copy(): OrderModel {
    const copy = new OrderModel();
    copy.#orders = new Map(
      [...this.#orders].map(([orderId, order]) => [orderId, { ...order, said: new Map(order.said) }]),
    );
    copy.#ordersOf = new Map([...this.#ordersOf].map(([userId, orderIds]) => [userId, [...orderIds]]));
    copy.#facts = new Set(this.#facts);
    copy.#catalogue = new Map(this.#catalogue);
    copy.#answers = new Map(this.#answers);
    return copy;
  }

  statusOf(orderId: string): Status | undefined {
    return this.#orders.get(orderId)?.status;
  }

  /** When each order could first have been withdrawn by its deadline, and until when it was pending, by the run's clock. */
  *overdue(epochMs: number, nowMs: number): Generator<{ orderId: string; fromMs: number; untilMs: number }> {
    for (const order of this.#orders.values()) {
      const { orderId, deadlineAtMs, firstDueAtMs, placedAtMs, knownAtMs, leftPendingAtMs } = order;
      // It waits for the journals of the others, however long they are away.
      if (isRebuilt(order)) continue;
      const fromMs = Math.max(deadlineAtMs - epochMs, firstDueAtMs - epochMs, knownAtMs + deadlineAtMs - placedAtMs);
      const untilMs = leftPendingAtMs ?? nowMs;
      if (untilMs > fromMs) yield { orderId, fromMs, untilMs };
    }
  }

  // ---- requests

  request(asked: Asked, at: At, got: Answer): Due {
    if (asked.what === 'cancel order') return this.#cancel(asked.orderId, at);
    if (asked.what === 'keep product') {
      this.#noteProduct(asked);
      return answered(undefined);
    }
    if (asked.what !== 'place order') throw new Error(`order-service does not ${asked.what}`);
    // Keys of one customer are not those of another.
    const key = asked.key === undefined ? undefined : `${asked.userId} ${asked.key}`;
    const request = JSON.stringify([asked.userId, asked.items, asked.deadlineMs]);
    const known = key === undefined ? undefined : this.#answers.get(key);
    if (known) return known.request === request ? answered(known.answer) : refused(422, 'idempotency-key-reused');
    const due = this.#place(asked, at, got);
    if (key !== undefined && due.answer?.ok) this.#answers.set(key, { request, answer: due.answer.value });
    return due;
  }

  #place(asked: Extract<Asked, { what: 'place order' }>, at: At, got: Answer): Due {
    const { userId, deadlineMs } = asked;
    const items: Line[] = [];
    for (const { productId, qty, unitPrice: seen } of asked.items) {
      // What was fetched counts for this order even where the database could not keep it.
      const entry = this.#catalogue.get(productId) ?? asked.fetched.get(productId) ?? 'unknown';
      if (entry === 'unavailable') return refused(503, 'catalogue-unavailable');
      if (entry === 'unknown') return refused(422, 'unknown-product');
      if (!entry.available) return refused(422, 'product-unavailable');
      if (seen !== undefined && seen !== entry.unitPrice) return refused(409, 'price-changed');
      items.push({ productId, qty, unitPrice: entry.unitPrice });
    }
    const total = totalOf(items);
    if (total > totalMax) return refused(400, 'order-too-expensive');
    const orderId = got.ok ? String((got.value as { orderId?: unknown } | undefined)?.orderId) : '';
    const deadlineAtMs = at.nowMs + deadlineMs;
    const order = this.#add(
      { orderId, userId, items, total, placedAtMs: at.nowMs, deadlineAtMs },
      at,
      at.steadyMs + deadlineMs,
    );
    const deadlineAt = new Date(deadlineAtMs).toISOString();
    this.#facts.add(`${orderId} order.placed`);
    const data = { orderId, userId, items, total, deadlineAt };
    return answered(shown(order), [{ type: 'order.placed', data }]);
  }

  #add(
    placed: Pick<Order, 'orderId' | 'userId' | 'items' | 'total' | 'placedAtMs' | 'deadlineAtMs'>,
    { atMs }: At,
    dueAtMs = placed.deadlineAtMs,
  ): Order {
    const order: Order = {
      ...placed,
      status: 'pending',
      reason: undefined,
      withdrawn: undefined,
      reserved: false,
      paymentClosed: false,
      inventoryClosed: false,
      said: new Map(),
      dueAtMs,
      asks: 0,
      knownAtMs: atMs,
      firstDueAtMs: dueAtMs,
      leftPendingAtMs: undefined,
    };
    this.#orders.set(order.orderId, order);
    const list = this.#ordersOf.get(order.userId);
    if (list) list.push(order.orderId);
    else this.#ordersOf.set(order.userId, [order.orderId]);
    return order;
  }

  #cancel(orderId: string, at: At): Due {
    const order = this.#orders.get(orderId);
    const { steadyMs: nowMs } = at;
    if (!order) return refused(404, 'no-such-order');
    if (order.status === 'confirmed') return refused(409, 'order-confirmed');
    const askedAtMs = order.asks === 0 ? 0 : (order.dueAtMs ?? 0) - askAgainMs(order.asks);
    if (order.status === 'pending') {
      const published = this.#withdraw(order, 'customer', at);
      return answered(shown(order), [published]);
    }
    if (order.status === 'cancelled' || askedAtMs > nowMs - askAgainPauseMs) return answered(shown(order));
    return answered(shown(order), [this.#askAgain(order, nowMs)]);
  }

  deadline(orderId: string, at: At, { away, caughtUp }: Others): Due {
    const { steadyMs: nowMs } = at;
    const order = this.#orders.get(orderId);
    if (!order || order.dueAtMs === undefined || order.dueAtMs > nowMs) return { emits: [] };
    if (order.status === 'pending') return this.#pendingDue(order, at, caughtUp);
    const awaited = [
      ...(order.paymentClosed ? [] : ['payment-service']),
      ...(order.inventoryClosed ? [] : ['inventory-service']),
    ];
    const inVain = order.asks > 0 && awaited.every((service) => away.includes(service));
    if (inVain) this.#askLater(order, nowMs);
    return { emits: inVain ? [] : [this.#askAgain(order, nowMs)] };
  }

  #pendingDue(order: Order, at: At, caughtUp: boolean): Due {
    const { orderId, userId, total } = order;
    if (isRebuilt(order) && !caughtUp) {
      order.dueAtMs = at.steadyMs + lookAgainMs;
      return { emits: [] };
    }
    this.#settle(order, at, true);
    if (order.status === 'pending') return { emits: [this.#withdraw(order, 'deadline', at)] };
    this.#facts.add(`${orderId} order.confirmed`);
    const follows = order.said.get('inventory.reserved')?.id;
    return { emits: [{ type: 'order.confirmed', data: { orderId, userId, total }, follows }] };
  }

  #askLater(order: Order, nowMs: number): void {
    order.asks = Math.max(1, order.asks) + 1;
    order.dueAtMs = nowMs + askAgainMs(order.asks);
  }

  #withdraw(order: Order, reason: 'customer' | 'deadline', at: At) {
    const { orderId, userId } = order;
    order.asks = 1;
    order.dueAtMs = at.steadyMs + askAgainMs(1);
    order.withdrawn = { reason, again: false };
    this.#facts.add(`${orderId} order.withdrawn`);
    this.#settle(order, at);
    return { type: 'order.withdrawn', data: { orderId, userId, reason } };
  }

  #askAgain(order: Order, nowMs: number) {
    const { orderId, userId } = order;
    this.#askLater(order, nowMs);
    const reason = order.reason === 'customer' ? 'customer' : 'deadline';
    order.withdrawn ??= { reason, again: true };
    this.#facts.add(`${orderId} order.withdrawn`);
    return { type: 'order.withdrawn', data: { orderId, userId, reason, attempt: order.asks } };
  }

  // ---- events

  react(event: AnyEvent, at: At): Due | Inability {
    if (event.type === 'product.updated') {
      return silent(this.#noteProduct({ ...event.data, asOf: event.time }) ? 'noted' : 'outdated');
    }
    return this.#aboutOrder(event, at);
  }

  /** The newer version counts, whoever it comes from. */
  #noteProduct({
    productId,
    name,
    unitPrice,
    available,
    version,
    asOf,
  }: Entry & { readonly productId: string }): boolean {
    if (version <= (this.#catalogue.get(productId)?.version ?? 0)) return false;
    this.#catalogue.set(productId, { name, unitPrice, available, version, asOf });
    return true;
  }

  #aboutOrder(event: SagaEvent, at: At): Due | Inability {
    const known = this.#orders.get(event.subject);
    const order = known ?? this.#recovered(event, at);
    if (!order) return 'UnknownSubjectError';
    const before = order.status;
    const { userId, orderId, total } = order;
    if (before === 'confirmed' && event.type !== 'payment.completed') return 'ContradictoryEventError';
    if (event.type === 'payment.completed' && (event.data.userId !== userId || event.data.amount !== total)) {
      return 'ContradictoryEventError';
    }
    if (wasRefused(order, event)) return 'ContradictoryEventError';
    this.#note(order, event);
    this.#settle(order, at);
    const { status, reason } = order;
    if (status !== before) {
      if (status === 'confirmed') {
        this.#facts.add(`${orderId} order.confirmed`);
        return emits('order.confirmed', { orderId, userId, total });
      }
      if (status === 'cancelled') {
        this.#facts.add(`${orderId} order.cancelled`);
        return emits('order.cancelled', { orderId, userId, reason });
      }
    }
    if (event.type === 'payment.completed') return silent(known ? 'noted' : 'recovered');
    if (event.type === 'inventory.reserved') return silent(status === 'pending' ? 'noted' : 'withdrawn');
    if (before === 'cancelled') return silent('ended');
    return event.type === 'payment.failed' ? 'ContradictoryEventError' : silent('waits');
  }

  /** What payment-service says of an order that this database has lost. */
  #recovered(event: SagaEvent, at: At): Order | undefined {
    if (event.type !== 'payment.completed' && event.type !== 'payment.failed') return undefined;
    const { orderId, userId, amount, items } = event.data;
    if (!items?.every(({ unitPrice }) => unitPrice !== undefined)) return undefined;
    const placedAtMs = Number.parseInt(orderId.slice(0, 8) + orderId.slice(9, 13), 16);
    this.#facts.add(`${orderId} order.placed`);
    const placed = { orderId, userId, items: items as Line[], total: amount, placedAtMs, deadlineAtMs: placedAtMs };
    return this.#add(placed, at);
  }

  #note(order: Order, { type, data, subject, time, id }: SagaEvent): void {
    this.#facts.add(`${subject} ${type}`);
    const known = order.said.get(type);
    if (!known || time < known.time || (time === known.time && id < known.id))
      order.said.set(type, { time, id, data: data as Said['data'] });
    if (type === 'inventory.reserved') order.reserved = true;
    if (type === 'payment.failed' || type === 'payment.refunded' || type === 'payment.voided')
      order.paymentClosed = true;
    if (type === 'payment.failed' || type === 'inventory.rejected') order.inventoryClosed = true;
    if (type === 'inventory.released' || type === 'inventory.voided') order.inventoryClosed = true;
  }

  /**
   * Its status and its reason follow from what is known of it, in whatever order that has come.
   * @param mayConfirm a rebuilt order is confirmed only when all is known of it
   */
  #settle(order: Order, { atMs }: At, mayConfirm = !isRebuilt(order)): void {
    const { withdrawn, paymentClosed, inventoryClosed, reserved } = order;
    const refusal = refusalOf(order);
    const givenUp = withdrawn !== undefined || paymentClosed || inventoryClosed;
    if (givenUp) {
      order.status = paymentClosed && inventoryClosed ? 'cancelled' : 'cancelling';
      const own = withdrawn?.again === false ? withdrawn.reason : undefined;
      order.reason = own ?? refusal ?? withdrawn?.reason ?? 'customer';
    } else {
      order.status = reserved && mayConfirm ? 'confirmed' : 'pending';
    }
    if (order.status === 'confirmed' || order.status === 'cancelled') order.dueAtMs = undefined;
    if (order.status !== 'pending') order.leftPendingAtMs ??= atMs;
  }

  // ---- tables

  *differences(db: Database): Generator<Violation> {
    yield* this.#orderDifferences(db);
    yield* this.#listDifferences(db);
    const facts = db.prepare<[], string>("SELECT order_id || ' ' || type FROM facts").pluck().all();
    const must = new Map([...this.#facts].map((fact) => [fact, true]));
    yield* rowDifferences(
      'P7',
      'the fact',
      facts.map((fact): [string, boolean] => [fact, true]),
      must,
    );
    const catalogue = db.prepare<[], { productId: string; available: number } & Omit<Entry, 'available'>>(
      'SELECT product_id AS productId, name, unit_price AS unitPrice, available, version, as_of AS asOf FROM catalogue',
    );
    const entries = catalogue
      .all()
      .map(({ productId, name, unitPrice, available, version, asOf }): [string, Entry] => [
        productId,
        { name, unitPrice, available: available === 1, version, asOf },
      ]);
    yield* rowDifferences('P5', 'its entry in the catalogue', entries, this.#catalogue);
  }

  *#orderDifferences(db: Database): Generator<Violation> {
    const found = new Set<string>();
    for (const row of db.prepare<[], OrderRow>(orderRows).iterate()) {
      found.add(row.orderId);
      const order = this.#orders.get(row.orderId);
      const { orderId: subject } = row;
      if (!order) {
        yield { promise: 'P10', subject, text: 'exists, and nobody has placed it' };
        continue;
      }
      const placed = [row.userId, row.items, row.total, row.placedAtMs, row.deadlineAtMs];
      const { userId, items, total, placedAtMs, deadlineAtMs } = order;
      const mustBePlaced = [userId, JSON.stringify(items), total, placedAtMs, deadlineAtMs];
      if (JSON.stringify(placed) !== JSON.stringify(mustBePlaced)) {
        yield { promise: 'P1', subject, text: `was placed as ${String(placed)}, and must be ${String(mustBePlaced)}` };
      }
      const now = [row.status, row.reason, row.dueAtMs, row.asks];
      const mustBe = [order.status, order.reason ?? null, order.dueAtMs ?? null, order.asks];
      if (JSON.stringify(now) === JSON.stringify(mustBe)) continue;
      yield { promise: 'P2', subject, text: `is ${JSON.stringify(now)}, and must be ${JSON.stringify(mustBe)}` };
    }
    for (const subject of this.#orders.keys()) {
      if (!found.has(subject)) yield { promise: 'P1', subject, text: 'was placed, and does not exist' };
    }
  }

  *#listDifferences(db: Database): Generator<Violation> {
    const last = db.prepare<[], { userId: string; orderId: string }>(
      'SELECT user_id AS userId, last_order_id AS orderId FROM customers',
    );
    const lastOf = new Map(last.all().map(({ userId, orderId }) => [userId, orderId]));
    const previous = db
      .prepare<[string], string | null>('SELECT previous_order_id FROM orders WHERE order_id = ?')
      .pluck();
    function* listOf(userId: string): Generator<string> {
      for (let next = lastOf.get(userId) ?? null; next !== null; next = previous.get(next) ?? null) yield next;
    }
    for (const userId of new Set([...lastOf.keys(), ...this.#ordersOf.keys()])) {
      const wrong = listDifference(listOf(userId), this.#ordersOf.get(userId) ?? []);
      if (wrong) yield { promise: 'P1', subject: '', text: `the orders of ${userId}: ${wrong}` };
    }
    const ended = db.prepare<[], { status: Status; orders: number }>('SELECT status, orders FROM ended_orders').all();
    for (const { status, orders } of ended) {
      const must = [...this.#orders.values()].filter((order) => order.status === status).length;
      if (orders !== must)
        yield { promise: 'P2', subject: '', text: `${orders} orders count as ${status}, of ${must}` };
    }
  }
}

interface OrderRow {
  readonly orderId: string;
  readonly userId: string;
  readonly status: string;
  readonly reason: string | null;
  readonly items: string;
  readonly total: number;
  readonly placedAtMs: number;
  readonly deadlineAtMs: number;
  readonly dueAtMs: number | null;
  readonly asks: number;
}

const orderRows = `SELECT order_id AS orderId, user_id AS userId, status, reason, items, total, placed_at_ms AS placedAtMs,
  deadline_at_ms AS deadlineAtMs, due_at_ms AS dueAtMs, asks FROM orders`;

/** Of an order that was rebuilt after its database had been put back, the deadline is lost. */
function isRebuilt({ placedAtMs, deadlineAtMs }: Order): boolean {
  return deadlineAtMs === placedAtMs;
}

/** Why payment-service refused it, or that there was not enough in stock. */
function refusalOf({ said }: Order): string | undefined {
  const failed = said.get('payment.failed');
  if (failed) return failed.data.reason;
  const noStock = said.has('inventory.rejected') || said.get('payment.refunded')?.data.because === 'inventory.rejected';
  return noStock ? 'out_of_stock' : undefined;
}

/** A service that was put back has decided otherwise than before, and no withdrawal will undo it. */
function wasRefused({ said, withdrawn, status }: Order, { type }: SagaEvent): boolean {
  if (withdrawn || status === 'pending' || status === 'confirmed') return false;
  if (type === 'payment.completed') return said.has('payment.failed');
  return type === 'inventory.reserved' && (said.has('payment.failed') || said.has('inventory.rejected'));
}

function totalOf(items: readonly Line[]): number {
  return items.reduce((sum, { qty, unitPrice }) => sum + qty * unitPrice, 0);
}

/** As a customer sees it. */
function shown({ orderId, userId, items, total, placedAtMs, deadlineAtMs, status, reason }: Order) {
  return { orderId, userId, items, total, placedAtMs, deadlineAtMs, status, reason };
}
