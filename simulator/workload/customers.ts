// The customers: they place orders, repeat requests that went unanswered, cancel, and look at what became of it.
import { cancelOrder, type OrderRequest, placeOrder } from '../../order-service/commands.ts';
import type { Order, OrderStatus } from '../../order-service/order.ts';
import type { OrderStore } from '../../order-service/store.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import { isTransient } from '../../shared/runtime/storage/database.ts';
import type { PromiseId } from '../environment/violation.ts';
import type { Answers } from './answers.ts';
import { MissingProducts, type Answers as ProductAnswers } from './missing-products.ts';
import type { Requests } from './requests.ts';
import { drawBasket, drawDeadlineMs, drawQuantity, drawUser } from './shop.ts';
import type { WorkloadOptions } from './workload-options.ts';

/** A customer gives up after this many attempts. */
const attemptsMax = 20;

/** What an order is to be like; the rest is left to chance. */
interface Wish {
  readonly userId?: string;
  readonly products?: readonly string[];
  readonly items?: OrderRequest['items'];
}

interface Attempt {
  readonly request: OrderRequest;
  /** Idempotency-Key. */
  readonly key: string | undefined;
  readonly tie: boolean;
  readonly number: number;
}

export class Customers {
  readonly #options: WorkloadOptions;
  readonly #requests: Requests;
  readonly #answers: Answers;
  readonly #prices: ReadonlyMap<string, number>;
  readonly #missing: MissingProducts;
  placed = 0;

  /** @param prices what customers take for the prices */
  constructor(options: WorkloadOptions, requests: Requests, answers: Answers, prices: ReadonlyMap<string, number>) {
    this.#prices = prices;
    this.#options = options;
    this.#requests = requests;
    this.#answers = answers;
    this.#missing = new MissingProducts(options, requests);
  }

  place(wish: Wish = {}): void {
    const { random, faults } = this.#options;
    this.placed += 1;
    const products = wish.products ?? drawBasket(random);
    const tie = faults.on('deadline-tie') && random.chance(0.02);
    const request: OrderRequest = {
      userId: wish.userId ?? drawUser(random),
      items: wish.items ?? products.map((productId) => this.#line(productId)),
      deadlineMs: tie ? random.between(500, 3_000) : drawDeadlineMs(random),
    };
    // Now and then a client uses a key again that belongs to another request.
    const number = random.chance(0.01) ? Math.max(1, this.placed - 1) : this.placed;
    const key = random.chance(0.5) ? `key-${number}` : undefined;
    this.#requests.open += 1;
    this.#attempt({ request, key, tie, number: 1 });
  }

  /** Some customers say which price they have seen; it may have changed since. */
  #line(productId: string): OrderRequest['items'][number] {
    const { random } = this.#options;
    const qty = drawQuantity(productId, random);
    return random.chance(0.1) ? { productId, qty, unitPrice: this.#prices.get(productId) ?? 10 } : { productId, qty };
  }

  #attempt(attempt: Attempt): void {
    const productIds = attempt.request.items.map(({ productId }) => productId);
    this.#missing.ask(productIds, (answers) => this.#submit(attempt, answers));
  }

  #submit(attempt: Attempt, products: ProductAnswers): void {
    const { request, key, tie } = attempt;
    const unavailable = [...products.keys()].filter((productId) => products.get(productId) === 'unavailable');
    this.#requests.submit(
      this.#options.services['order-service'],
      { what: 'place order', ...request, key, unavailable },
      (tx, { store }) => this.#place(store, tx, key, request, products),
      (answer) => {
        if (this.#repeated(attempt, answer)) return;
        if (answer === 'unanswered') this.#answers.unansweredRequests += 1;
        else if (!(answer instanceof Error)) this.#accepted(answer, tie);
        this.#requests.open -= 1;
      },
    );
  }

  /** As the route does it. */
  #place(
    store: OrderStore,
    tx: Transaction,
    key: string | undefined,
    request: OrderRequest,
    products: ProductAnswers,
  ): Order {
    const lookUp = (productId: string) => store.catalogue.entry(productId) ?? products.get(productId) ?? 'unknown';
    const place = () => placeOrder(store, tx, request, lookUp);
    if (key === undefined) return place();
    const keys = this.#options.services['order-service'].idempotencyKeys;
    const scope = { operation: 'placeOrder', owner: request.userId };
    return keys.once(scope, key, request, tx.nowMs, () => ({ status: 202, body: place() })).body as Order;
  }

  /** Tries again where that is safe: with an Idempotency-Key, or after a 503. */
  #repeated(attempt: Attempt, answer: Order | Error | 'unanswered'): boolean {
    const { schedule, random, races } = this.#options;
    if (attempt.number >= attemptsMax) return false;
    if (answer === 'unanswered' && attempt.key !== undefined) {
      races.add('request repeated after a crash, with its key');
    } else if (answer instanceof Error && isTransient(answer)) {
      races.add('request answered 503, and repeated');
    } else {
      return false;
    }
    schedule.after(random.between(50, 1_000), () => this.#attempt({ ...attempt, number: attempt.number + 1 }));
    return true;
  }

  #accepted(order: Order, tie: boolean): void {
    const { random, schedule, faults, history } = this.#options;
    const { orderId, total } = order;
    history.add(schedule.nowMs, 'client', `order accepted: ${total}`, orderId, 'order-service');
    if (!this.#answers.orderAccepted(order, tie)) return;
    if (tie || !faults.on('cancel') || !random.chance(0.15)) return;
    const times = random.chance(0.3) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      faults.add('cancel');
      const delayMs = random.pick([random.below(8), random.below(40), random.below(2_000), random.below(40_000)]);
      this.#requests.open += 1;
      schedule.after(delayMs, () => {
        this.#requests.open -= 1;
        this.cancel(orderId);
      });
    }
  }

  cancel(orderId: string): void {
    const { services, races, history, schedule } = this.#options;
    this.#requests.open += 1;
    let before: string = 'unknown';
    this.#requests.submit(
      services['order-service'],
      { what: 'cancel order', orderId },
      (tx, { store }) => {
        before = store.order(orderId)?.status ?? 'unknown';
        return cancelOrder(store, tx, orderId);
      },
      (answer) => {
        this.#requests.open -= 1;
        if (answer === 'unanswered' || (answer instanceof Error && !(answer instanceof ProblemError))) return;
        const status = answer instanceof ProblemError ? String(answer.status) : answer.status;
        races.add(`cancel while ${before}: ${status === 'cancelling' || status === 'cancelled' ? 'accepted' : status}`);
        history.add(schedule.nowMs, 'client', `cancels: ${status}`, orderId, 'order-service');
        this.#cancellationAnswered(orderId, status);
      },
    );
  }

  #cancellationAnswered(orderId: string, status: string): void {
    const known = this.#answers.accepted.get(orderId);
    if (!known) return;
    if (status === '409') known.refused = true;
    else if (status === '404') this.#violated('P1', orderId, 'was accepted, but is unknown when it is cancelled');
    else known.cancelled = true;
  }

  /** Reads an order as `GET` does: a status may only ever go forward. */
  look(orderId: string): void {
    const { node } = this.#options.services['order-service'];
    const known = this.#answers.accepted.get(orderId);
    if (!node || !known) return;
    const status = node.parts.store.order(orderId)?.status;
    if (status === undefined) return this.#violated('P1', orderId, 'was accepted, and does not exist any more');
    const must = this.#options.model.statusOf(orderId);
    if (status !== must) this.#violated('P2', orderId, `is shown as ${status}, and must be ${must}`);
    const { seen } = known;
    if (seen !== undefined && seen !== status && !nextStatuses[seen].includes(status)) {
      this.#violated('P2', orderId, `was ${seen}, and is ${status} now`);
    }
    known.seen = status;
  }

  #violated(promise: PromiseId, subject: string, text: string): void {
    this.#answers.violations.push({ promise, subject, text });
  }
}

/** Where a status may go from here. */
const nextStatuses: Record<OrderStatus, readonly OrderStatus[]> = {
  pending: ['cancelling', 'confirmed', 'cancelled'],
  cancelling: ['cancelled'],
  confirmed: [],
  cancelled: [],
};
