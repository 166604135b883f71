import { epochMs, uuidV7 } from '../environment/sim-clock.ts';
import { Answers } from './answers.ts';
import { Customers } from './customers.ts';
import { Requests } from './requests.ts';
import { fewProducts, plentifulProducts, poorUsers, richUsers, scarceProduct } from './shop.ts';
import { Staff } from './staff.ts';
import type { WorkloadOptions } from './workload-options.ts';

const hourMs = 3_600_000;
const burstMax = 1_000;

export class Workload {
  readonly answers = new Answers();
  readonly #options: WorkloadOptions;
  readonly #requests: Requests;
  readonly #customers: Customers;
  readonly #staff: Staff;
  #ended = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#requests = new Requests(options.schedule, options.model, options.given);
    this.#staff = new Staff(options.services, this.#requests, this.answers);
    this.#customers = new Customers(options, this.#requests, this.answers, this.#staff.prices);
  }

  /** Every order has been placed, and every customer has an answer or has given up. */
  get done(): boolean {
    return this.#customers.placed >= this.#options.orders && this.#requests.open === 0;
  }

  /** Nobody places another order: the run has gone on for long enough. */
  end(): void {
    this.#ended = true;
  }

  prepare(): void {
    this.#staff.prepare();
  }

  start(): void {
    this.#options.schedule.after(0, () => this.#next());
  }

  #next(): void {
    const { orders, random, schedule, beforeOrder } = this.#options;
    const index = this.#customers.placed;
    if (index >= orders || this.#ended) return;
    beforeOrder(index);
    this.#placeOrders(index);
    this.#besides();
    // Mostly busy, now and then nobody for a long time; together about three hours.
    const pauseMs = random.chance(0.02) ? random.waiting((3 * hourMs) / (orders * 0.02)) : random.waiting(4);
    schedule.after(pauseMs, () => this.#next());
  }

  /** One order; twice in a run many at once: for the last units of one product, and on one account. */
  #placeOrders(index: number): void {
    const { orders, random } = this.#options;
    const burst = Math.min(burstMax, Math.floor(orders / 10), orders - index);
    if (index === Math.floor(orders / 4) && burst > 1) {
      for (let i = 0; i < burst; i++) {
        this.#customers.place({ userId: random.pick(richUsers), products: [scarceProduct] });
      }
    } else if (index === Math.floor(orders / 2) && burst > 1) {
      for (let i = 0; i < burst; i++) {
        this.#customers.place({ userId: 'rich-1', products: [random.pick(plentifulProducts)] });
      }
    } else if (random.chance(0.04)) {
      this.#placeAtBoundary(index);
    } else {
      this.#customers.place();
    }
  }

  /** A new customer has exactly what the order costs, or one less, or one more. */
  #placeAtBoundary(index: number): void {
    const { random } = this.#options;
    const items = random
      .shuffle([...plentifulProducts])
      .slice(0, random.between(1, 3))
      .map((productId) => ({ productId, qty: random.between(2, 5) }));
    const cost = items.reduce((sum, { productId, qty }) => sum + qty * (this.#staff.prices.get(productId) ?? 0), 0);
    const userId = `edge-${index}`;
    this.#requests.open += 1;
    this.#staff.open(userId, cost + random.pick([-1, 0, 0, 1]), () => {
      this.#requests.open -= 1;
    });
    this.#customers.place({ userId, items });
  }

  /** A new product is ordered at once, before its event has come to order-service, and its price changes meanwhile. */
  #offerNew(): void {
    const { random, schedule } = this.#options;
    const productId = `new-${this.#customers.placed}`;
    this.#staff.add(productId, random.between(10, 20), random.between(0, 100));
    if (random.chance(0.5)) {
      schedule.after(random.below(20), () => this.#staff.reprice(productId, random.between(10, 20)));
    }
    schedule.after(random.below(10), () => this.#customers.place({ products: [productId] }));
  }

  #besides(): void {
    const { random, faults, schedule } = this.#options;
    const { recent } = this.answers;
    if (random.chance(0.03)) this.#staff.deposit(random.pick(poorUsers), random.between(100, 3_000));
    if (random.chance(0.03)) this.#staff.restock(random.pick(fewProducts), random.between(1, 6));
    if (random.chance(0.04)) {
      // Several in a row: each can overtake the one before.
      const productId = random.pick(plentifulProducts);
      for (let changes = random.between(1, 4); changes > 0; changes--) {
        schedule.after(random.below(20), () => this.#staff.reprice(productId, random.between(10, 20)));
      }
    }
    if (random.chance(0.01)) this.#offerNew();
    if (random.chance(0.005)) this.#staff.block(random.pick([...richUsers, 'blocked']), random.chance(0.3));
    if (random.chance(0.005)) this.#staff.offer(random.pick([...plentifulProducts, 'hidden']), random.chance(0.7));
    if (random.chance(0.2) && recent.length > 0) this.#customers.look(random.pick(recent));
    if (faults.on('cancel') && random.chance(0.01)) {
      faults.add('cancel');
      this.#customers.cancel(uuidV7(epochMs, random));
    }
    if (faults.on('cancel') && random.chance(0.02) && recent.length > 0) {
      faults.add('cancel');
      this.#customers.cancel(random.pick(recent));
    }
  }
}
