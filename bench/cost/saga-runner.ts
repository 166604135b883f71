// The three services in one process over a loopback broker, with databases in files, and a number of sagas in flight.
import { join } from 'node:path';
import { putProduct } from '../../inventory-service/commands.ts';
import { inventoryService } from '../../inventory-service/service.ts';
import { placeOrder } from '../../order-service/commands.ts';
import { orderService } from '../../order-service/service.ts';
import { putAccount } from '../../payment-service/commands.ts';
import { paymentService } from '../../payment-service/service.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import { queueOf, wholeTopology } from '../../shared/contract/topology.ts';
import { type Clock, systemClock } from '../../shared/runtime/environment/clock.ts';
import type { Log } from '../../shared/runtime/environment/log.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceDefinition, ServiceParts } from '../../shared/runtime/node/service.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { orderOf, productName, type Shop, unitPrice, userName } from '../load/shop.ts';
import { LoopbackBroker } from './loopback-bus.ts';

const shop: Shop = { products: 50, accounts: 100, lines: 1 };
const deadlineMs = 60_000;
const batchMax = 64;
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Groups end after so many works and never after so many milliseconds: how busy the machine is must not show in the counts. */
const startedAtMs = systemClock.steadyMs();
const clock: Clock = { ...systemClock, steadyMs: () => startedAtMs };

export class SagaRunner {
  readonly broker = new LoopbackBroker(wholeTopology(choreography).bindings);
  readonly #databases: Database[] = [];
  readonly #folder: string;
  readonly #order;
  readonly #payment;
  readonly #inventory;
  #placed = 0;
  #ended: () => void = () => {};

  constructor(folder: string) {
    this.#folder = folder;
    this.#order = this.#start(orderService);
    this.#payment = this.#start(paymentService);
    this.#inventory = this.#start(inventoryService);
    this.#order.onPublished(({ type }) => {
      if (type === 'order.confirmed') this.#ended();
      if (type === 'order.cancelled') throw new Error('an order that should have been confirmed was cancelled');
    });
  }

  async fill(): Promise<void> {
    const { store: accounts } = this.#payment.parts;
    const { store: products } = this.#inventory.parts;
    for (let index = 0; index < shop.accounts; index += 1) {
      await transact(this.#payment, (tx) => putAccount(accounts, tx, userName(index), { balance: 1e12 }));
    }
    const known = this.#order.parts.store;
    for (let index = 0; index < shop.products; index += 1) {
      const product = { name: 'Thing', unitPrice, stock: 1e9 };
      await transact(this.#inventory, (tx) => putProduct(products, tx, productName(index), product));
      while (!known.catalogue.entry(productName(index))) await nextTurn();
    }
  }

  /** Runs so many sagas, each to its end. */
  run(sagas: number, inFlight: number): Promise<void> {
    const last = this.#placed + sagas;
    let left = sagas;
    return new Promise((resolve) => {
      this.#ended = () => {
        left -= 1;
        if (left === 0) resolve();
        else if (this.#placed < last) setImmediate(() => this.#place());
      };
      for (let index = 0; index < Math.min(inFlight, sagas); index += 1) this.#place();
    });
  }

  /** Resolves when nothing is on its way in any service. */
  async quiet(): Promise<void> {
    const nodes = [this.#order, this.#payment, this.#inventory];
    while (nodes.some(({ handler, relay, commit }) => !(handler.idle && relay.drained && commit.idle)))
      await nextTurn();
  }

  /** Pages written to the write-ahead logs since the last call, and empties them. */
  walPages(): number {
    let pages = 0;
    for (const db of this.#databases) {
      const [copied] = db.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
      pages += copied?.log ?? 0;
      db.pragma('wal_checkpoint(TRUNCATE)');
    }
    return pages;
  }

  /** Bytes of the databases, after walPages(). */
  bytes(): number {
    const size = (db: Database) =>
      Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
    return this.#databases.reduce((sum, db) => sum + size(db), 0);
  }

  close(): void {
    for (const node of [this.#order, this.#payment, this.#inventory]) node.stop();
    for (const db of this.#databases) db.close();
  }

  #start<P extends ServiceParts>(definition: ServiceDefinition<P>): ServiceNode<P> {
    const { name, migrations } = definition;
    const db = openDatabase(join(this.#folder, `${name}.db`), migrations);
    // Every page that a group writes is counted, so none may be copied out of the log before.
    db.pragma('wal_autocheckpoint = 0');
    this.#databases.push(db);
    const bus = this.broker.connect(queueOf(name));
    const node = new ServiceNode(definition, { db, bus, clock, log: silent, batchMax });
    node.start();
    return node;
  }

  #place(): void {
    const { store } = this.#order.parts;
    const order = { ...orderOf(shop, 'confirmed', this.#placed), deadlineMs };
    this.#placed += 1;
    this.#order.submit(
      (tx) => placeOrder(store, tx, order),
      this.#order.newCause(),
      (result) => {
        if (!result.ok) throw result.error;
      },
    );
  }
}

function transact<P extends ServiceParts, R>(node: ServiceNode<P>, command: (tx: Transaction) => R): Promise<R> {
  return node.transact(command, node.newCause());
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
