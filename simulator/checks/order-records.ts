// What the services' databases hold about each order, put together by order id.
import { type PerSagaService, type PerService, serviceNames } from '../../services.ts';
import type { EventType } from '../../shared/contract/choreography.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Finding } from '../environment/violation.ts';

export interface OrderRecord {
  readonly row: OrderRow;
  readonly facts: Set<EventType>;
  payment: { readonly status: string; readonly amount: number | null } | undefined;
  /** Status of the reservation. */
  reservation: string | undefined;
  readonly ledger: { readonly kind: string; readonly amount: number }[];
  readonly movements: { readonly product: string; readonly kind: string; readonly qty: number }[];
}

export interface OrderRow {
  readonly order_id: string;
  readonly user_id: string;
  readonly status: string;
  readonly items: string;
  readonly total: number;
}

export interface OrderRecords {
  readonly byId: ReadonlyMap<string, OrderRecord>;
  /** Rows about orders that order-service does not have. */
  readonly orphans: readonly Finding[];
}

/** Finds the order that a row is about. Undefined: order-service does not have it, which is noted as an orphan. */
type Find = (orderId: string, what: string) => OrderRecord | undefined;

/** A service of the saga whose tables no reader reads does not compile. */
const readers: PerSagaService<(db: Database, find: Find) => void> = {
  'order-service': readFacts,
  'payment-service': readPayments,
  'inventory-service': readReservations,
};

export function readOrderRecords(databases: PerService<Database>): OrderRecords {
  const byId = readOrders(databases['order-service']);
  const orphans: Finding[] = [];
  const find: Find = (orderId, what) => {
    const record = byId.get(orderId);
    if (!record) orphans.push({ subject: orderId, text: `${what}, but order-service has no such order` });
    return record;
  };
  for (const name of serviceNames) readers[name]?.(databases[name], find);
  return { byId, orphans };
}

function readOrders(db: Database): Map<string, OrderRecord> {
  const rows = db.prepare<[], OrderRow>('SELECT order_id, user_id, status, items, total FROM orders').all();
  return new Map(
    rows.map((row) => {
      const unread = { payment: undefined, reservation: undefined, ledger: [], movements: [] };
      return [row.order_id, { row, facts: new Set(), ...unread }];
    }),
  );
}

function readFacts(db: Database, find: Find): void {
  const facts = db.prepare<[], { order_id: string; type: EventType }>('SELECT order_id, type FROM facts').all();
  for (const { order_id, type } of facts) find(order_id, `there is the fact ${type}`)?.facts.add(type);
}

function readPayments(db: Database, find: Find): void {
  const payments = db.prepare<[], { order_id: string; status: string; amount: number | null }>(
    'SELECT order_id, status, amount FROM payments',
  );
  for (const { order_id, status, amount } of payments.all()) {
    const record = find(order_id, `there is a payment, ${status}`);
    if (record) record.payment = { status, amount };
  }
  const ledger = db.prepare<[], { order_id: string; kind: string; amount: number }>(
    'SELECT order_id, kind, amount FROM ledger WHERE order_id IS NOT NULL',
  );
  for (const { order_id, ...entry } of ledger.all()) find(order_id, `there is a ${entry.kind}`)?.ledger.push(entry);
}

function readReservations(db: Database, find: Find): void {
  const reservations = db.prepare<[], { order_id: string; status: string }>(
    'SELECT order_id, status FROM reservations',
  );
  for (const { order_id, status } of reservations.all()) {
    const record = find(order_id, `there is a reservation, ${status}`);
    if (record) record.reservation = status;
  }
  const movements = db.prepare<[], { order_id: string; product: string; kind: string; qty: number }>(
    'SELECT order_id, product_id AS product, kind, qty FROM movements WHERE order_id IS NOT NULL',
  );
  for (const { order_id, ...movement } of movements.all()) find(order_id, 'stock has moved')?.movements.push(movement);
}
