// The people: they place orders, cancel them, look at them, pay money in and bring goods, all through the real commands.
// What they were answered is written down here, and the promises are checked against that.

import { putProduct, restock } from '../inventory-service/commands.ts';
import type { InventoryParts } from '../inventory-service/service.ts';
import { cancelOrder, type OrderRequest, placeOrder } from '../order-service/commands.ts';
import type { Order, OrderStatus } from '../order-service/order.ts';
import type { OrderParts } from '../order-service/service.ts';
import { deposit, putAccount } from '../payment-service/commands.ts';
import type { PaymentParts } from '../payment-service/service.ts';
import type { DataOf, ServiceName } from '../shared/contract/choreography.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { ServiceParts } from '../shared/runtime/node/service-node.ts';
import type { Cause, Transaction } from '../shared/runtime/node/transaction.ts';
import { isTransient } from '../shared/runtime/storage/database.ts';
import type { Counter, Faults } from './faults.ts';
import type { History } from './history.ts';
import type { Random } from './random.ts';
import type { Schedule } from './schedule.ts';
import { epochMs, uuidV7 } from './sim-clock.ts';
import type { SimService } from './sim-service.ts';

export interface Services {
  readonly order: SimService<'order-service', OrderParts>;
  readonly payment: SimService<'payment-service', PaymentParts>;
  readonly inventory: SimService<'inventory-service', InventoryParts>;
}

/** An order that somebody was told is accepted. */
export interface Accepted {
  readonly orderId: string;
  readonly userId: string;
  readonly total: number;
  readonly items: DataOf<'order.placed'>['items'];
  readonly deadlineAtMs: number;
  /** Its success is made to arrive in the millisecond of its deadline. */
  readonly tie: boolean;
  /** A cancellation was answered with 2xx. */
  cancelled: boolean;
  /** A cancellation was answered with 409. */
  refused: boolean;
  seen: OrderStatus | undefined;
}

/** Sums of what people were told is done, and of what they were told nothing about. */
interface Sums {
  answered: number;
  unanswered: number;
}

interface WorkloadOptions {
  readonly orders: number;
  readonly services: Services;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly faults: Faults;
  readonly races: Counter;
  readonly history: History;
  /** Called before order number `index` is asked for. */
  readonly beforeOrder: (index: number) => void;
}

/** A customer waits this long before asking again. */
const patienceMs = 3_000;
const cause: Cause = {
  causationId: '00000000-0000-7000-8000-000000000000',
  traceparent: '00-00000000000000000000000000000001-0000000000000001-01',
};
export const scarceProduct = 'last';
const plenty = ['plenty-1', 'plenty-2', 'plenty-3', 'plenty-4', 'plenty-5'];
const few = ['few-1', 'few-2', scarceProduct];
const rich = ['rich-1', 'rich-2', 'rich-3', 'rich-4'];
const poor = ['poor-1', 'poor-2'];
const deadlineMsDefault = 30_000;
const hourMs = 3_600_000;

export class Workload {
  readonly accepted = new Map<string, Accepted>();
  /** Requests that were refused with a problem: nothing of them may be stored. */
  refusedRequests = 0;
  /** Requests to place an order that were never answered: each may have placed one. */
  unansweredRequests = 0;
  readonly paidIn: Sums = { answered: 0, unanswered: 0 };
  readonly broughtIn: Sums = { answered: 0, unanswered: 0 };
  /** Promises that an answer has broken, as (promise, order, text). */
  readonly lies: [string, string, string][] = [];
  readonly #options: WorkloadOptions;
  readonly #recent: string[] = [];
  /** Requests without an outcome. */
  #open = 0;
  #placed = 0;
  #keys = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Everybody has what they came for. */
  get done(): boolean {
    return this.#placed >= this.#options.orders && this.#open === 0;
  }

  /** Opens accounts and fills the shelves. */
  prepare(): void {
    const { payment, inventory } = this.#options.services;
    const account = (userId: string, balance: number, blocked = false) => {
      this.paidIn.answered += balance;
      this.#submit(
        payment,
        (tx, parts) => putAccount(parts.store, tx, userId, { balance, blocked }),
        () => {},
      );
    };
    for (const userId of rich) account(userId, 1_000_000_000);
    for (const userId of poor) account(userId, 3_000);
    account('blocked', 1_000_000, true);
    const product = (productId: string, unitPrice: number, stock: number, available = true) => {
      this.broughtIn.answered += stock;
      this.#submit(
        inventory,
        (tx, parts) => putProduct(parts.store, tx, productId, { name: productId, unitPrice, stock, available }),
        () => {},
      );
    };
    plenty.forEach((productId, index) => {
      product(productId, 10 + index, 900_000);
    });
    for (const productId of few) product(productId, 50, 10);
    product('hidden', 5, 100, false);
  }

  start(): void {
    this.#options.schedule.after(0, () => this.#next());
  }

  // ---- the stream of requests

  #next(): void {
    const { orders, random, schedule, beforeOrder } = this.#options;
    const index = this.#placed;
    if (index >= orders) return;
    beforeOrder(index);
    // Twice in a run many come at once: for the last units of one product, and on one account.
    const burst = Math.min(1_000, Math.floor(orders / 10), orders - index);
    if (index === Math.floor(orders / 4) && burst > 1) {
      for (let i = 0; i < burst; i++) this.#place({ userId: random.pick(rich), products: [scarceProduct] });
    } else if (index === Math.floor(orders / 2) && burst > 1) {
      for (let i = 0; i < burst; i++) this.#place({ userId: 'rich-1', products: [random.pick(plenty)] });
    } else {
      this.#place({});
    }
    this.#besides();
    // Mostly busy, now and then nobody for a long time; together about eight hours.
    const pauseMs = random.chance(0.02) ? random.waiting((8 * hourMs) / (orders * 0.02)) : random.waiting(4);
    schedule.after(pauseMs, () => this.#next());
  }

  #besides(): void {
    const { random, services } = this.#options;
    if (random.chance(0.03)) this.#deposit(random.pick(poor), random.between(100, 3_000));
    if (random.chance(0.03)) this.#restock(random.pick(few), random.between(1, 6));
    if (random.chance(0.02)) {
      // Several in a row: each can overtake the one before.
      const productId = random.pick(plenty);
      for (let changes = random.between(1, 4); changes > 0; changes--) {
        const unitPrice = random.between(10, 20);
        this.#submit(
          services.inventory,
          (tx, parts) => putProduct(parts.store, tx, productId, { name: productId, unitPrice }),
          () => {},
        );
      }
    }
    if (random.chance(0.2) && this.#recent.length > 0) this.#look(random.pick(this.#recent));
    const { faults } = this.#options;
    if (faults.on('cancel') && random.chance(0.01)) {
      faults.add('cancel');
      this.#cancel(uuidV7(epochMs, random));
    }
    if (faults.on('cancel') && random.chance(0.02) && this.#recent.length > 0) {
      faults.add('cancel');
      this.#cancel(random.pick(this.#recent));
    }
  }

  #place({ userId, products }: { userId?: string; products?: readonly string[] }): void {
    const { random, faults } = this.#options;
    this.#placed += 1;
    const chosen = products ?? this.#basket();
    const tie = faults.on('deadline-tie') && random.chance(0.02);
    const request: OrderRequest = {
      userId: userId ?? this.#user(),
      items: chosen.map((productId) => ({ productId, qty: few.includes(productId) ? 1 : random.between(1, 5) })),
      deadlineMs: tie ? random.between(500, 3_000) : this.#deadlineMs(),
    };
    this.#keys += 1;
    const key = random.chance(0.5) ? `key-${this.#keys}` : undefined;
    this.#open += 1;
    this.#ask(request, key, tie, 1);
  }

  #ask(request: OrderRequest, key: string | undefined, tie: boolean, attempt: number): void {
    const { services, schedule, random, races } = this.#options;
    const again = () => schedule.after(random.between(50, 1_000), () => this.#ask(request, key, tie, attempt + 1));
    this.#submit(
      services.order,
      (tx, { store, keys }) =>
        keys.once('POST /orders', key, request, tx.nowMs, () => ({ status: 201, body: placeOrder(store, tx, request) }))
          .body as Order,
      (result) => {
        if (result === 'unanswered') {
          if (key !== undefined && attempt < 20) {
            races.add('request repeated after a crash, with its key');
            again();
            return;
          }
          this.unansweredRequests += 1;
        } else if (result instanceof Error) {
          if (isTransient(result) && attempt < 20) {
            races.add('request answered 503, and repeated');
            again();
            return;
          }
          if (!isTransient(result)) this.refusedRequests += 1;
        } else {
          this.#answered(result, tie);
        }
        this.#open -= 1;
      },
    );
  }

  #answered(order: Order, tie: boolean): void {
    const { random, schedule, faults, history } = this.#options;
    const { orderId, userId, total, deadlineAtMs } = order;
    const items = order.items.map(({ productId, qty, unitPrice }) => ({ productId, qty, unitPrice }));
    history.add(schedule.nowMs, 'client', `order accepted: ${total}`, orderId, 'order-service');
    if (this.accepted.has(orderId)) return;
    this.accepted.set(orderId, {
      orderId,
      userId,
      total,
      items,
      deadlineAtMs,
      tie,
      cancelled: false,
      refused: false,
      seen: undefined,
    });
    this.#recent.push(orderId);
    if (this.#recent.length > 2_000) this.#recent.splice(0, 1_000);
    if (tie || !faults.on('cancel') || !random.chance(0.15)) return;
    const times = random.chance(0.3) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      faults.add('cancel');
      const delayMs = random.pick([random.below(8), random.below(40), random.below(2_000), random.below(40_000)]);
      this.#open += 1;
      schedule.after(delayMs, () => {
        this.#open -= 1;
        this.#cancel(orderId);
      });
    }
  }

  #cancel(orderId: string): void {
    const { services, races, history, schedule } = this.#options;
    this.#open += 1;
    let before: string = 'unknown';
    this.#submit(
      services.order,
      (tx, { store }) => {
        before = store.order(orderId)?.status ?? 'unknown';
        return cancelOrder(store, tx, orderId);
      },
      (result) => {
        this.#open -= 1;
        if (result === 'unanswered' || (result instanceof Error && !(result instanceof ProblemError))) return;
        const answer = result instanceof ProblemError ? String(result.status) : result.status;
        races.add(`cancel while ${before}: ${answer === 'cancelling' || answer === 'cancelled' ? 'accepted' : answer}`);
        history.add(schedule.nowMs, 'client', `cancels: ${answer}`, orderId, 'order-service');
        const known = this.accepted.get(orderId);
        if (!known) return;
        if (answer === '409') known.refused = true;
        else if (answer === '404') this.#lie('P1', orderId, 'was accepted, but is unknown when it is cancelled');
        else known.cancelled = true;
      },
    );
  }

  /** Reads an order as `GET` does: a status may only ever go forward. */
  #look(orderId: string): void {
    const { node } = this.#options.services.order;
    const known = this.accepted.get(orderId);
    if (!node || !known) return;
    const status = node.parts.store.order(orderId)?.status;
    if (status === undefined) return this.#lie('P1', orderId, 'was accepted, and is not there any more');
    const { seen } = known;
    if (seen !== undefined && seen !== status && !onward[seen].includes(status)) {
      this.#lie('P2', orderId, `was ${seen}, and is ${status} now`);
    }
    known.seen = status;
  }

  #deposit(userId: string, amount: number): void {
    this.#tally(this.paidIn, amount, this.#options.services.payment, (tx, parts) =>
      deposit(parts.store, tx, userId, amount),
    );
  }

  #restock(productId: string, qty: number): void {
    this.#tally(this.broughtIn, qty, this.#options.services.inventory, (tx, parts) =>
      restock(parts.store, tx, productId, qty),
    );
  }

  #tally<S extends ServiceName, P extends ServiceParts<S>>(
    sums: Sums,
    amount: number,
    service: SimService<S, P>,
    command: (tx: Transaction<S>, parts: P) => unknown,
  ): void {
    this.#submit(service, command, (result) => {
      if (result === 'unanswered') sums.unanswered += amount;
      else if (!(result instanceof Error)) sums.answered += amount;
    });
  }

  #lie(promise: string, orderId: string, text: string): void {
    this.lies.push([promise, orderId, text]);
  }

  // ---- what people want

  #user(): string {
    const { random } = this.#options;
    const dice = random.below(100);
    if (dice < 70) return random.pick(rich);
    if (dice < 92) return random.pick(poor);
    return dice < 96 ? 'blocked' : 'nobody';
  }

  #basket(): string[] {
    const { random } = this.#options;
    const basket = new Set<string>();
    const lines = random.between(1, 5);
    while (basket.size < lines) basket.add(random.chance(0.12) ? random.pick(few) : random.pick(plenty));
    if (random.chance(0.01)) basket.add(random.pick(['hidden', 'unheard-of']));
    return [...basket];
  }

  #deadlineMs(): number {
    const { random } = this.#options;
    const dice = random.below(100);
    if (dice < 70) return deadlineMsDefault;
    return dice < 85 ? random.between(200, 5_000) : random.between(5, 60);
  }

  // ---- asking a service

  /** Waits for the service to be there. `unanswered`: it died over the request. */
  #submit<S extends ServiceName, P extends ServiceParts<S>, R>(
    service: SimService<S, P>,
    command: (tx: Transaction<S>, parts: P) => R,
    settled: (result: R | Error | 'unanswered') => void,
  ): void {
    service.whenUp(() => {
      const { node, owner } = service;
      if (!node) return this.#submit(service, command, settled);
      let open = true;
      node.submit(
        (tx) => command(tx, node.parts),
        cause,
        (result) => {
          open = false;
          settled(result.ok ? result.value : (result.error as Error));
        },
      );
      const look = () => {
        if (!open) return;
        if (owner?.alive) this.#options.schedule.after(patienceMs, look);
        else settled('unanswered');
      };
      this.#options.schedule.after(patienceMs, look);
    });
  }
}

/** Where a status may go from here. */
const onward: Record<OrderStatus, readonly OrderStatus[]> = {
  pending: ['cancelling', 'confirmed', 'cancelled'],
  cancelling: ['cancelled'],
  confirmed: [],
  cancelled: [],
};
