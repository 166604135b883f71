// What the benchmark reads from the databases after it has killed services, and the shop of its peers.
import { expect } from 'chai';
import { OrderRecords } from '../../bench/stage/order-records.ts';
import { peersFolder } from '../../bench/stage/peers.ts';
import { inventoryService } from '../../inventory-service/service.ts';
import { orderService } from '../../order-service/service.ts';
import { paymentService } from '../../payment-service/service.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';

interface PeerEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}
type Reactions = Readonly<Record<string, (data: PeerEvent['data']) => PeerEvent | undefined>>;
interface PeerService {
  readonly reactions: Reactions;
}
interface PeerOrders extends PeerService {
  place(order: { userId: string; items: { productId: string; qty: number }[] }): { orderId: string } | undefined;
}

const newPaths = () => ({
  'order-service': { databasePath: newDatabasePath() },
  'payment-service': { databasePath: newDatabasePath() },
  'inventory-service': { databasePath: newDatabasePath() },
});

/** The peers' shop with one product, of which so many are in stock, and one account. */
async function openPeerShop(stock: number) {
  const shop = (file: string) => import(new URL(`shop/${file}`, peersFolder).href);
  const paths = newPaths();
  const database = await shop('database.js');
  const open = async (file: string, service: keyof typeof paths, row: string) => {
    const module = await shop(file);
    const db: Database = database.openDatabase(module.schema, paths[service].databasePath);
    db.exec(row);
    return { db, module };
  };
  const order = await open('orders.js', 'order-service', "INSERT INTO products VALUES ('p', 100)");
  const payment = await open('payments.js', 'payment-service', "INSERT INTO accounts VALUES ('u', 1000)");
  const inventory = await open('stock.js', 'inventory-service', `INSERT INTO products VALUES ('p', ${stock})`);
  const orders: PeerOrders = order.module.ordersIn(order.db);
  const payments: PeerService = payment.module.paymentsIn(payment.db);
  const stocked: PeerService = inventory.module.stockIn(inventory.db);
  const balance = payment.db.prepare<[], number>('SELECT balance FROM accounts').pluck();
  return { paths, orders, payments, stocked, services: [orders, payments, stocked], balance: () => balance.get() };
}

/** Hands an event, and all that follow from it, to every service that reacts to it. Returns the types in order. */
function passOn(services: readonly PeerService[], first: PeerEvent): string[] {
  const seen: string[] = [];
  const queue = [first];
  for (let event = queue.shift(); event; event = queue.shift()) {
    seen.push(event.type);
    for (const { reactions } of services) {
      const next = reactions[event.type]?.(event.data);
      if (next) queue.push(next);
    }
  }
  return seen;
}

const items = [{ productId: 'p', qty: 2 }];

function placed(orders: PeerOrders, qty = 2): PeerEvent & { readonly orderId: string } {
  const order = orders.place({ userId: 'u', items: [{ productId: 'p', qty }] });
  if (!order) throw new Error('the order was not placed');
  return { type: 'order.placed', orderId: order.orderId, data: { ...order } };
}

describe("the peers' shop", () => {
  afterEach(removeDatabases);

  it('confirms an order that is paid for and in stock', async () => {
    const { orders, services, paths, balance } = await openPeerShop(5);
    const event = placed(orders);
    expect(passOn(services, event)).to.deep.equal([
      'order.placed',
      'payment.completed',
      'inventory.reserved',
      'order.confirmed',
    ]);
    expect(new OrderRecords('plain', paths).statusOf(event.orderId)).to.equal('confirmed');
    expect(balance()).to.equal(800);
  });

  it('refunds an order of which one piece is not in stock, and cancels it', async () => {
    const { orders, services, paths, balance } = await openPeerShop(1);
    const event = placed(orders);
    expect(passOn(services, event)).to.deep.equal([
      'order.placed',
      'payment.completed',
      'inventory.rejected',
      'payment.refunded',
      'order.cancelled',
    ]);
    expect(new OrderRecords('plain', paths).statusOf(event.orderId)).to.equal('cancelled');
    expect(balance()).to.equal(1000);
  });

  it('cancels an order that costs one more than the account has', async () => {
    const { orders, services, paths } = await openPeerShop(20);
    const event = placed(orders, 11);
    expect(passOn(services, event)).to.deep.equal(['order.placed', 'payment.failed', 'order.cancelled']);
    expect(new OrderRecords('moleculer', paths).statusOf(event.orderId)).to.equal('cancelled');
  });

  it('charges again when order.placed is redelivered, and takes stock again with payment.completed', async () => {
    const { orders, payments, stocked, paths } = await openPeerShop(5);
    const { orderId, data } = placed(orders);
    const records = new OrderRecords('plain', paths);
    payments.reactions['order.placed']?.(data);
    stocked.reactions['payment.completed']?.({ orderId, items });
    expect([records.chargedTwice(), records.reservedTwice()]).to.deep.equal([[], []]);
    payments.reactions['order.placed']?.(data);
    stocked.reactions['payment.completed']?.({ orderId, items });
    expect([records.chargedTwice(), records.reservedTwice()]).to.deep.equal([[orderId], [orderId]]);
  });
});

describe("the records of this project's services", () => {
  afterEach(removeDatabases);

  it('show an order that was charged twice, or whose stock was taken twice', () => {
    const paths = newPaths();
    openDatabase(paths['order-service'].databasePath, orderService.migrations);
    const payments = openDatabase(paths['payment-service'].databasePath, paymentService.migrations);
    const inventory = openDatabase(paths['inventory-service'].databasePath, inventoryService.migrations);
    // Otherwise they refuse what is to be found.
    payments.exec('DROP INDEX ledger_once');
    inventory.exec('DROP INDEX movements_once');
    const { store: accounts } = paymentService.build(payments);
    const { store: products } = inventoryService.build(inventory);
    accounts.putAccount('u', false);
    accounts.enter('u', 'deposit', 1000, null, 0);
    products.putProduct({ productId: 'p', name: 'P', unitPrice: 100, available: true, version: 1 });
    products.move('p', 'set', 5, null, 0);
    for (const orderId of ['once', 'twice', 'twice']) {
      accounts.enter('u', 'charge', -100, orderId, 0);
      products.move('p', 'reserve', -1, orderId, 0);
    }
    accounts.enter('u', 'refund', 100, 'once', 0);
    const records = new OrderRecords('services', paths);
    expect(records.statusOf('once')).to.equal(undefined);
    expect([records.chargedTwice(), records.reservedTwice()]).to.deep.equal([['twice'], ['twice']]);
  });
});
