// Fills a service's database before it starts: products, accounts, and orders of the past, through the service's own
// schema and store. A process of its own, so that the three databases are filled at the same time.
import { inventoryService } from '../../inventory-service/service.ts';
import type { Order } from '../../order-service/order.ts';
import { orderService } from '../../order-service/service.ts';
import { paymentService } from '../../payment-service/service.ts';
import { choreography, type ServiceName } from '../../shared/contract/choreography.ts';
import { createEvent } from '../../shared/contract/cloud-event.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { Inbox } from '../../shared/runtime/storage/inbox.ts';
import { orderOf, productName, type Shop, soldOut, unitPrice, userName } from '../load/shop.ts';
import { balance, stock } from './supplies.ts';

export interface FillSettings {
  readonly service: ServiceName;
  readonly databasePath: string;
  readonly shop: Shop;
  /** Confirmed orders of the past. */
  readonly orders: number;
}

const rowsInTransaction = 5_000;

const fillers: Partial<
  Record<ServiceName, { definition: { migrations: readonly string[] }; fillerOf(db: Database, shop: Shop): Filler }>
> = {
  'order-service': { definition: orderService, fillerOf: orderFiller },
  'payment-service': { definition: paymentService, fillerOf: paymentFiller },
  'inventory-service': { definition: inventoryService, fillerOf: inventoryFiller },
};

const settings = await new Promise<FillSettings>((resolve) => process.once('message', resolve));
process.once('disconnect', () => process.exit(1));
const nowMs = Date.now();
fill(settings);
process.exit(0);

function fill({ service, databasePath, shop, orders }: FillSettings): void {
  const known = fillers[service];
  // It makes its own, empty database.
  if (!known) return;
  const db = openDatabase(databasePath, known.definition.migrations);
  const { products, accounts } = shop;
  const filler = known.fillerOf(db, shop);
  inTransactions(db, products + 1, (index) =>
    filler.product(index === products ? soldOut : productName(index), index < products),
  );
  inTransactions(db, accounts, (index) => filler.account(userName(index)));
  inTransactions(db, orders, (index) => filler.order(pastOrder(shop, index, orders)));
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
  order(order: PastOrder): void;
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

function orderFiller(db: Database): Filler {
  const { store } = orderService.build(db);
  const inbox = new Inbox(db, []);
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
    order: ({ eventId, ...order }) => {
      const { orderId, userId, items, total, deadlineAtMs } = order;
      store.insert(order);
      const lines = items.map(({ productId, qty }) => ({ productId, qty }));
      const events = [
        ['order.placed', 'order-service', { orderId, userId, items, total, deadlineAt: isoTime(deadlineAtMs) }],
        ['payment.completed', 'payment-service', { orderId, userId, amount: total, items: lines }],
        ['inventory.reserved', 'inventory-service', { orderId, items: lines }],
        ['order.confirmed', 'order-service', { orderId, userId, total }],
      ] as const;
      events.forEach(([type, source, data], step) => {
        store.addFact(
          createEvent(
            choreography,
            { type, data },
            {
              id: eventId(step + 1),
              source,
              time: isoTime(order.placedAtMs + step),
              causationId: eventId(step),
              traceparent: '',
            },
          ),
        );
        if (source !== 'order-service')
          inbox.accept({ id: eventId(step + 1), source, position: undefined }, order.placedAtMs);
      });
      store.setStatus(orderId, 'confirmed', undefined);
    },
  };
}

function paymentFiller(db: Database): Filler {
  const { store } = paymentService.build(db);
  const inbox = new Inbox(db, []);
  return {
    product: () => {},
    account: (userId) => {
      store.putAccount(userId, false);
      store.enter(userId, 'adjustment', balance, null, nowMs);
    },
    order: ({ orderId, userId, total: amount, placedAtMs, eventId }) => {
      store.enter(userId, 'charge', -amount, orderId, placedAtMs);
      store.putPayment({ status: 'completed', orderId, userId, amount }, placedAtMs);
      inbox.accept({ id: eventId(1), source: 'order-service', position: undefined }, placedAtMs);
    },
  };
}

function inventoryFiller(db: Database, shop: Shop): Filler {
  const { store } = inventoryService.build(db);
  const inbox = new Inbox(db, []);
  return {
    product: (productId, inStock) => {
      store.putProduct({ productId, name: `Product ${productId}`, unitPrice, available: true, version: 1 });
      if (inStock) store.move(productId, 'set', stock * shop.lines, null, nowMs);
    },
    account: () => {},
    order: ({ orderId, items: priced, placedAtMs, eventId }) => {
      const items = priced.map(({ productId, qty }) => ({ productId, qty }));
      for (const { productId, qty } of items) store.move(productId, 'reserve', -qty, orderId, placedAtMs);
      store.putReservation({ status: 'reserved', orderId, items }, placedAtMs);
      inbox.accept({ id: eventId(2), source: 'payment-service', position: undefined }, placedAtMs);
    },
  };
}
