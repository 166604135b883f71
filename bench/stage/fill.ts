// Fills a service's database before it starts: products, accounts, and orders of the past with their events, through the
// service's own schema and stores, as if it had published and handled them. A process of its own, so that the three
// databases are filled at the same time.
import { inventoryService } from '../../inventory-service/service.ts';
import type { Order } from '../../order-service/order.ts';
import { orderService } from '../../order-service/service.ts';
import { paymentService } from '../../payment-service/service.ts';
import { choreography, type ServiceName } from '../../shared/contract/choreography.ts';
import { type CloudEvent, createEvent } from '../../shared/contract/cloud-event.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { orderOf, productName, type Shop, soldOut, unitPrice, userName } from '../load/shop.ts';
import { History } from './history.ts';
import { balance, stock } from './supplies.ts';

export interface FillSettings {
  readonly service: ServiceName;
  readonly databasePath: string;
  readonly shop: Shop;
  /** Confirmed orders of the past. */
  readonly orders: number;
  /** When the last of them was placed; the same in all databases. */
  readonly nowMs: number;
}

const rowsInTransaction = 5_000;
/** Orders whose events the journals hold, the newest ones: retention has deleted those of the others. */
const journaledOrdersMax = 1_000_000;

const fillers: Partial<
  Record<ServiceName, { definition: { migrations: readonly string[] }; fillerOf(db: Database, shop: Shop): Filler }>
> = {
  'order-service': { definition: orderService, fillerOf: orderFiller },
  'payment-service': { definition: paymentService, fillerOf: paymentFiller },
  'inventory-service': { definition: inventoryService, fillerOf: inventoryFiller },
};

const settings = await new Promise<FillSettings>((resolve) => process.once('message', resolve));
process.once('disconnect', () => process.exit(1));
const { nowMs } = settings;
fill(settings);
process.exit(0);

function fill({ service, databasePath, shop, orders }: FillSettings): void {
  const known = fillers[service];
  // It makes its own, empty database.
  if (!known) return;
  const db = openDatabase(databasePath, known.definition.migrations);
  const { products, accounts } = shop;
  const filler = known.fillerOf(db, shop);
  const history = new History(db, service, nowMs);
  inTransactions(db, products + 1, (index) =>
    filler.product(index === products ? soldOut : productName(index), index < products),
  );
  inTransactions(db, accounts, (index) => filler.account(userName(index)));
  const journaledFrom = Math.max(0, orders - journaledOrdersMax);
  inTransactions(db, orders, (index) => {
    const order = pastOrder(shop, index, orders);
    const events = pastEvents(order, index < journaledFrom ? undefined : index - journaledFrom + 1);
    filler.order(order, events);
    history.add(events, order.placedAtMs);
  });
  history.end();
  db.close();
}

function inTransactions(db: Database, count: number, one: (index: number) => void): void {
  const some = db.transaction((from: number, to: number) => {
    for (let index = from; index < to; index += 1) one(index);
  });
  for (let from = 0; from < count; from += rowsInTransaction) {
    some.immediate(from, Math.min(count, from + rowsInTransaction));
  }
}

interface Filler {
  product(productId: string, inStock: boolean): void;
  account(userId: string): void;
  order(order: PastOrder, events: readonly CloudEvent[]): void;
}

type PastOrder = Omit<Order, 'status' | 'reason' | 'origin'> & { eventId(step: number): string };

/** One order a millisecond, the last one just now; the same in all three databases. */
function pastOrder(shop: Shop, index: number, orders: number): PastOrder {
  const { userId, items } = orderOf(shop, 'confirmed', index);
  const atMs = nowMs - orders + index;
  const id = (kind: number) => uuidV7Like(atMs, kind, index);
  return {
    orderId: id(0),
    userId,
    items: items.map((item) => ({ ...item, unitPrice })),
    total: items.length * unitPrice,
    placedAtMs: atMs,
    deadlineAtMs: atMs + 30_000,
    eventId: id,
  };
}

function uuidV7Like(atMs: number, kind: number, index: number): string {
  const time = atMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-700${kind}-8000-${index.toString(16).padStart(12, '0')}`;
}

/** @param number of the order among those whose events the journals hold, from 1; undefined: it is older */
function pastEvents(
  { orderId, userId, items, total, deadlineAtMs, placedAtMs, eventId }: PastOrder,
  number: number | undefined,
) {
  const lines = items.map(({ productId, qty }) => ({ productId, qty }));
  const traceparent = `00-${eventId(1).replaceAll('-', '')}-00f067aa0ba902b7-00`;
  const events = [
    ['order.placed', (at: number) => 2 * at - 1, { orderId, userId, items, total, deadlineAt: isoTime(deadlineAtMs) }],
    ['payment.completed', (at: number) => at, { orderId, userId, amount: total, items }],
    ['inventory.reserved', (at: number) => at, { orderId, items: lines }],
    ['order.confirmed', (at: number) => 2 * at, { orderId, userId, total }],
  ] as const;
  return events.map(([type, positionAt, data], step) =>
    createEvent(
      choreography,
      { type, data },
      {
        id: eventId(step + 1),
        source: choreography.events[type].by,
        time: isoTime(placedAtMs + step),
        causationId: eventId(step),
        traceparent,
        ...(number === undefined ? {} : { position: positionAt(number) }),
      },
    ),
  );
}

function orderFiller(db: Database): Filler {
  const { store } = orderService.build(db);
  return {
    product: (productId) =>
      void store.catalogue.putEntry({
        productId,
        name: `Product ${productId}`,
        unitPrice,
        available: true,
        version: 1,
      }),
    account: () => {},
    order: ({ eventId, ...order }, events) => {
      store.insert(order);
      for (const event of events) store.addFact(event);
      store.setStatus(order.orderId, 'confirmed', undefined);
    },
  };
}

function paymentFiller(db: Database): Filler {
  const { store } = paymentService.build(db);
  return {
    product: () => {},
    account: (userId) => {
      store.putAccount(userId, false);
      store.enter(userId, 'adjustment', balance, null, nowMs);
    },
    order: ({ orderId, userId, total: amount, placedAtMs }) => {
      store.enter(userId, 'charge', -amount, orderId, placedAtMs);
      store.putPayment({ status: 'completed', orderId, userId, amount }, placedAtMs);
    },
  };
}

function inventoryFiller(db: Database, shop: Shop): Filler {
  const { store } = inventoryService.build(db);
  return {
    product: (productId, inStock) => {
      store.putProduct({ productId, name: `Product ${productId}`, unitPrice, available: true, version: 1 });
      if (inStock) store.move(productId, 'set', stock * shop.lines, null, nowMs);
    },
    account: () => {},
    order: ({ orderId, items: priced, placedAtMs }) => {
      const items = priced.map(({ productId, qty }) => ({ productId, qty }));
      for (const { productId, qty } of items) store.move(productId, 'reserve', -qty, orderId, placedAtMs);
      store.putReservation({ status: 'reserved', orderId, items }, placedAtMs);
    },
  };
}
