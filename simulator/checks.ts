// The promises, checked from outside once it is quiet: from the three databases, from what the broker took, and from
// what people were answered. Reads tables, not the services' code, except for the pure `statusOf`.
import { createHash } from 'node:crypto';
import { statusOf } from '../order-service/order.ts';
import { choreography, type EventType } from '../shared/contract/choreography.ts';
import type { OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import { type Poison, poisonCauses } from './poison.ts';
import type { SimQueue } from './sim-queue.ts';
import { unpacked } from './unpacked.ts';
import type { Accepted, Workload } from './workload.ts';

export interface Violation {
  /** P1 to P10, as docs/guarantees.md names them. */
  readonly promise: string;
  /** The order concerned, or empty. */
  readonly subject: string;
  readonly text: string;
}

export interface DeadLetter {
  readonly service: string;
  readonly messageId: string;
  readonly subject: string;
  readonly type: string;
  readonly cause: string;
  readonly detail: string;
}

/** Everything that the promises are judged by. */
export interface Evidence {
  readonly order: Database;
  readonly payment: Database;
  readonly inventory: Database;
  readonly workload: Pick<Workload, 'accepted' | 'unansweredRequests' | 'refusedRequests' | 'paidIn' | 'broughtIn'>;
  /** Every event that the broker has taken, by id. */
  readonly published: ReadonlyMap<string, OutgoingMessage>;
  /** The services' queues. */
  readonly queues: readonly Pick<SimQueue, 'name' | 'enqueued' | 'acked' | 'givenUp'>[];
  readonly deadLetters: readonly DeadLetter[];
  /** Messages that could never be read, by id. */
  readonly poison: ReadonlyMap<string, Poison>;
  /** `service/type/subject` of reactions that were made to throw. */
  readonly broken: ReadonlySet<string>;
}

interface OrderRow {
  order_id: string;
  user_id: string;
  status: string;
  items: string;
  total: number;
}

/** What the three services know of one order. */
interface Dossier {
  readonly row: OrderRow;
  readonly facts: Set<EventType>;
  payment: { status: string; amount: number | null } | undefined;
  reservation: string | undefined;
  readonly ledger: { kind: string; amount: number }[];
  readonly movements: { product: string; kind: string; qty: number }[];
}

/** At most this many of each promise: the first few say it all. */
const violationsMax = 5;

export function checkPromises(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  const broken = (promise: string, subject: string, text: string) => {
    const before = violations.filter((violation) => violation.promise === promise).length;
    if (before < violationsMax) violations.push({ promise, subject, text });
  };
  const dossiers = dossiersOf(evidence, broken);
  checkAccepted(evidence, dossiers, broken);
  const published = publishedByOrder(evidence.published, broken);
  for (const [orderId, dossier] of dossiers) {
    checkEnded(orderId, dossier, broken);
    checkMoney(orderId, dossier, broken);
    checkStock(orderId, dossier, broken);
    checkAgreement(orderId, dossier, broken);
    checkPublished(orderId, dossier, published.get(orderId) ?? new Set(), broken);
  }
  checkTotals(evidence, broken);
  checkCatalogue(evidence, broken);
  checkMessages(evidence, broken);
  return violations;
}

type Broken = (promise: string, subject: string, text: string) => void;

function dossiersOf({ order, payment, inventory }: Evidence, broken: Broken): Map<string, Dossier> {
  const dossiers = new Map<string, Dossier>();
  for (const row of order.prepare<[], OrderRow>('SELECT order_id, user_id, status, items, total FROM orders').all()) {
    const known = { payment: undefined, reservation: undefined, ledger: [], movements: [] };
    dossiers.set(row.order_id, { row, facts: new Set(), ...known });
  }
  const of = (orderId: string, what: string): Dossier | undefined => {
    const dossier = dossiers.get(orderId);
    if (!dossier) broken('P5', orderId, `${what}, but order-service knows no such order`);
    return dossier;
  };
  const facts = order.prepare<[], { order_id: string; type: EventType }>('SELECT order_id, type FROM facts').all();
  for (const { order_id, type } of facts) of(order_id, `there is the fact ${type}`)?.facts.add(type);
  const payments = payment
    .prepare<[], { order_id: string; status: string; amount: number | null }>(
      'SELECT order_id, status, amount FROM payments',
    )
    .all();
  for (const { order_id, status, amount } of payments) {
    const dossier = of(order_id, `there is a payment, ${status}`);
    if (dossier) dossier.payment = { status, amount };
  }
  const ledger = payment
    .prepare<[], { order_id: string; kind: string; amount: number }>(
      'SELECT order_id, kind, amount FROM ledger WHERE order_id IS NOT NULL',
    )
    .all();
  for (const { order_id, kind, amount } of ledger) of(order_id, `there is a ${kind}`)?.ledger.push({ kind, amount });
  const reservations = inventory
    .prepare<[], { order_id: string; status: string }>('SELECT order_id, status FROM reservations')
    .all();
  for (const { order_id, status } of reservations) {
    const dossier = of(order_id, `there is a reservation, ${status}`);
    if (dossier) dossier.reservation = status;
  }
  const movements = inventory
    .prepare<[], { order_id: string; product: string; kind: string; qty: number }>(
      'SELECT order_id, product_id AS product, kind, qty FROM movements WHERE order_id IS NOT NULL',
    )
    .all();
  for (const { order_id, ...movement } of movements) of(order_id, 'stock has moved')?.movements.push(movement);
  return dossiers;
}

function checkAccepted({ workload }: Evidence, dossiers: ReadonlyMap<string, Dossier>, broken: Broken): void {
  for (const accepted of workload.accepted.values()) {
    const { orderId } = accepted;
    const row = dossiers.get(orderId)?.row;
    if (!row) {
      broken('P1', orderId, 'was accepted, and is not there any more');
      continue;
    }
    if (row.total !== accepted.total || row.user_id !== accepted.userId || row.items !== itemsOf(accepted)) {
      broken('P1', orderId, 'is not what was accepted any more');
    }
    if (accepted.cancelled && row.status !== 'cancelled') {
      broken('P1', orderId, `its cancellation was accepted, and it is ${row.status}`);
    }
    if (accepted.refused && row.status !== 'confirmed') {
      broken('P2', orderId, `its cancellation was refused because it was confirmed, and it is ${row.status}`);
    }
  }
  const unexplained = dossiers.size - workload.accepted.size;
  if (unexplained > workload.unansweredRequests) {
    const text = `${unexplained} orders nobody was told of, but only ${workload.unansweredRequests} requests without an answer`;
    broken('P10', '', text);
  }
}

function itemsOf({ items }: Accepted): string {
  return JSON.stringify(items);
}

function checkEnded(orderId: string, { row, facts }: Dossier, broken: Broken): void {
  const { status } = row;
  if (status !== 'confirmed' && status !== 'cancelled') broken('P2', orderId, `is ${status} in the end`);
  const derived = statusOf(facts);
  if (derived !== status) broken('P7', orderId, `is ${status}, but its facts say ${derived}`);
  const ends = (['order.confirmed', 'order.cancelled'] as const).filter((type) => facts.has(type));
  if (ends.length !== 1 || ends[0] !== `order.${status}`) {
    broken('P2', orderId, `is ${status}, and has said: ${ends.join(' and ') || 'nothing'}`);
  }
}

function checkMoney(orderId: string, { row, ledger, payment }: Dossier, broken: Broken): void {
  const charges = ledger.filter(({ kind }) => kind === 'charge');
  const refunds = ledger.filter(({ kind }) => kind === 'refund');
  if (charges.length > 1) broken('P3', orderId, `was charged ${charges.length} times`);
  if (refunds.length > 1) broken('P3', orderId, `was refunded ${refunds.length} times`);
  const cost = -ledger.reduce((sum, { amount }) => sum + amount, 0);
  if (row.status === 'cancelled' && cost !== 0) {
    const late = cost > 0 && payment?.status === 'completed';
    broken(late ? 'P7' : 'P3', orderId, `is cancelled and has cost ${cost}`);
  }
  if (row.status === 'confirmed' && cost !== row.total) {
    broken('P3', orderId, `is confirmed at ${row.total} and has cost ${cost}`);
  }
}

function checkStock(orderId: string, { row, movements, reservation }: Dossier, broken: Broken): void {
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
    if (is === should) continue;
    const late = row.status === 'cancelled' && reservation === 'reserved';
    broken(late ? 'P7' : 'P4', orderId, `is ${row.status}, and ${is} of ${product} are set aside instead of ${should}`);
  }
}

/** What payment-service and inventory-service may have in the end, for an order that has ended. */
const agreements: Readonly<Record<string, readonly string[]>> = {
  confirmed: ['completed/reserved'],
  // A payment that failed, was voided, or was given back; and inventory-service never asked, or with nothing set aside.
  cancelled: [
    'failed/-',
    'failed/voided',
    'voided/voided',
    'refunded/rejected',
    'refunded/released',
    'refunded/voided',
  ],
};

function checkAgreement(orderId: string, { row, payment, reservation }: Dossier, broken: Broken): void {
  const both = `${payment?.status ?? '-'}/${reservation ?? '-'}`;
  if (agreements[row.status]?.includes(both)) return;
  broken('P5', orderId, `is ${row.status}, but payment/inventory say ${both}`);
}

/** Types of the events that the broker has taken, by order. Each may exist once. */
function publishedByOrder(published: Evidence['published'], broken: Broken): Map<string, Set<string>> {
  const byOrder = new Map<string, Set<string>>();
  for (const { routingKey, correlationId = '' } of published.values()) {
    if (routingKey === 'product.updated') continue;
    let types = byOrder.get(correlationId);
    if (!types) {
      types = new Set();
      byOrder.set(correlationId, types);
    }
    if (types.has(routingKey)) broken('P6', correlationId, `${routingKey} was said twice, as two events`);
    types.add(routingKey);
  }
  return byOrder;
}

/** The services whose tables are read here. */
const judged: ReadonlySet<string> = new Set(['order-service', 'payment-service', 'inventory-service']);

/** What must have been said for the other services to be in the state they are in. */
const saidByPayment: Readonly<Record<string, readonly string[]>> = {
  completed: ['payment.completed'],
  failed: ['payment.failed'],
  voided: ['payment.voided'],
  refunded: ['payment.completed', 'payment.refunded'],
};
const saidByInventory: Readonly<Record<string, readonly string[]>> = {
  reserved: ['inventory.reserved'],
  rejected: ['inventory.rejected'],
  voided: ['inventory.voided'],
  released: ['inventory.reserved', 'inventory.released'],
};

function checkPublished(
  orderId: string,
  { facts, payment, reservation }: Dossier,
  published: ReadonlySet<string>,
  broken: Broken,
): void {
  const said = [
    ...[...facts].filter((type) => type.startsWith('order.')),
    ...(payment ? (saidByPayment[payment.status] ?? []) : []),
    ...(reservation ? (saidByInventory[reservation] ?? []) : []),
  ];
  for (const type of said) if (!published.has(type)) broken('P9', orderId, `${type} never reached the broker`);
  for (const type of published) {
    if (!judged.has(choreography.events[type as EventType].by) || said.includes(type)) continue;
    broken('P9', orderId, `${type} was published, but its service knows nothing of it`);
  }
}

function checkTotals({ payment, inventory, workload }: Evidence, broken: Broken): void {
  for (const { user_id, balance, sum } of payment
    .prepare<[], { user_id: string; balance: number; sum: number }>(
      `SELECT user_id, balance, (SELECT coalesce(sum(amount), 0) FROM ledger WHERE ledger.user_id = accounts.user_id) AS sum
       FROM accounts`,
    )
    .all()) {
    if (balance < 0) broken('P3', '', `the balance of ${user_id} is ${balance}`);
    if (balance !== sum) broken('P3', '', `the balance of ${user_id} is ${balance}, but its ledger adds up to ${sum}`);
  }
  for (const { product_id, stock, sum } of inventory
    .prepare<[], { product_id: string; stock: number; sum: number }>(
      `SELECT product_id, stock, (SELECT coalesce(sum(qty), 0) FROM movements WHERE movements.product_id = products.product_id) AS sum
       FROM products`,
    )
    .all()) {
    if (stock < 0) broken('P4', '', `the stock of ${product_id} is ${stock}`);
    if (stock !== sum) broken('P4', '', `the stock of ${product_id} is ${stock}, but its movements add up to ${sum}`);
  }
  const total = (db: Database, sql: string) => db.prepare<[], number>(sql).pluck().get() ?? 0;
  const paidIn = total(payment, "SELECT sum(amount) FROM ledger WHERE kind IN ('deposit', 'adjustment')");
  within('P3', 'money paid in', paidIn, workload.paidIn, broken);
  const broughtIn = total(inventory, "SELECT sum(qty) FROM movements WHERE kind IN ('set', 'restock')");
  within('P4', 'goods brought in', broughtIn, workload.broughtIn, broken);
}

function within(
  promise: string,
  what: string,
  is: number,
  { answered, unanswered }: { readonly answered: number; readonly unanswered: number },
  broken: Broken,
): void {
  if (is >= answered && is <= answered + unanswered) return;
  broken(promise, '', `${what}: ${is}, but people were answered for ${answered} (and not answered for ${unanswered})`);
}

/** The copy of the catalogue in order-service is what inventory-service has. */
function checkCatalogue({ order, inventory }: Evidence, broken: Broken): void {
  const columns = 'product_id, name, unit_price, available, version';
  const read = (db: Database, table: string) =>
    JSON.stringify(db.prepare(`SELECT ${columns} FROM ${table} ORDER BY product_id`).all());
  if (read(order, 'catalogue') !== read(inventory, 'products')) {
    broken('P5', '', 'the catalogue of order-service is not that of inventory-service');
  }
}

/** Messages in = processed + duplicates + dead-lettered, and only what is hopeless is dead-lettered. */
function checkMessages(evidence: Evidence, broken: Broken): void {
  const { queues, deadLetters, poison, order, payment, inventory } = evidence;
  const databases: Record<string, Database> = {
    'order-service': order,
    'payment-service': payment,
    'inventory-service': inventory,
  };
  for (const queue of queues) {
    const db = databases[queue.name];
    if (!db) continue;
    const inbox = new Set(db.prepare<[], string>('SELECT lower(hex(event_id)) FROM inbox').pluck().all());
    const dead = new Set(deadLetters.filter(({ service }) => service === queue.name).map(({ messageId }) => messageId));
    const seen = new Set<string>();
    for (const message of queue.acked.flatMap((copy) => unpacked(copy.message))) {
      const id = message.messageId.replaceAll('-', '');
      if (inbox.has(id)) seen.add(id);
      else if (!dead.has(message.messageId)) {
        const text = `${message.routingKey} was acked by ${queue.name}, which has neither handled nor dead-lettered it`;
        broken('P8', message.correlationId ?? '', text);
      }
    }
    for (const { message } of queue.givenUp) {
      if (!dead.has(message.messageId)) {
        broken('P8', message.correlationId ?? '', `${message.routingKey} was given up by the broker, and is nowhere`);
      }
    }
    const settled = queue.acked.length + queue.givenUp.length;
    if (settled !== queue.enqueued) broken('P8', '', `${queue.enqueued} messages in ${queue.name}, ${settled} settled`);
    if (seen.size < inbox.size) {
      broken('P8', '', `${queue.name} remembers ${inbox.size} events, but only ${seen.size} of them were acked`);
    }
    const left = db.prepare<[], number>('SELECT count(*) FROM outbox').pluck().get() ?? 0;
    if (left > 0) broken('P9', '', `${left} messages are left in the outbox of ${queue.name}`);
  }
  checkDeadLetters(evidence, broken);
  const found = new Set(deadLetters.map(({ messageId }) => messageId));
  for (const [messageId, kind] of poison) {
    if (!found.has(messageId)) broken('P8', '', `${messageId} (${kind}) is not among the dead letters`);
  }
}

function checkDeadLetters({ deadLetters, poison, broken: planted }: Evidence, broken: Broken): void {
  for (const { service, messageId, subject, cause, detail, type } of deadLetters) {
    if (cause === 'delivery_limit') continue;
    const kind = poison.get(messageId);
    if (kind !== undefined) {
      if (poisonCauses[kind] !== cause)
        broken('P8', '', `${messageId} (${kind}) is dead-lettered for ${cause}: ${detail}`);
    } else if (cause !== 'reaction-failed' || !planted.has(`${service}/${type}/${subject}`)) {
      broken('P8', subject, `${service} dead-lettered a good ${type}: ${cause}: ${detail}`);
    }
  }
}

/** Of everything a service knows, except for what it keeps about messages. */
export function digestOf(db: Database): string {
  const hash = createHash('sha256');
  const tables = db
    .prepare<[], string>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND name NOT IN ('inbox', 'outbox', 'idempotency_keys') ORDER BY name`,
    )
    .pluck()
    .all();
  for (const table of tables) {
    let text = table;
    for (const row of db.prepare(`SELECT * FROM ${table}`).raw().iterate()) {
      text += (row as unknown[]).join('\x1f');
      text += '\x1e';
      if (text.length < 65_536) continue;
      hash.update(text);
      text = '';
    }
    hash.update(text);
  }
  return hash.digest('hex');
}
