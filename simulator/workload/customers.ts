// The customers: they place orders, repeat requests that went unanswered, cancel, and look at what became of it.
import { cancelOrder, type OrderRequest, placeOrder } from '../../order-service/commands.ts';
import { hashesOf, placedBefore } from '../../order-service/idempotency.ts';
import type { Order, OrderStatus } from '../../order-service/order.ts';
import type { OrderParts } from '../../order-service/service.ts';
import { latestVersion } from '../../order-service/versions.ts';
import { ProblemError, unavailable } from '../../shared/runtime/http/problem.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import { isTransient } from '../../shared/runtime/storage/database.ts';
import type { OrderService } from '../environment/instances.ts';
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
  #lastUserId: string | undefined;

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
    // Now and then a client uses a key again that belongs to another of its requests.
    const reuses = wish.userId === undefined && this.#lastUserId !== undefined && random.chance(0.01);
    const userId = (reuses ? this.#lastUserId : undefined) ?? wish.userId ?? drawUser(random);
    this.#lastUserId = userId;
    const request: OrderRequest = {
      userId,
      items: wish.items ?? products.map((productId) => this.#line(productId)),
      deadlineMs: tie ? random.between(500, 3_000) : drawDeadlineMs(random),
    };
    const key = reuses || random.chance(0.5) ? `key-${reuses ? this.placed - 1 : this.placed}` : undefined;
    // A client that is in a hurry repeats its request before it has an answer: two instances may get it.
    const hurries = this.#options.instances.named && key !== undefined && random.chance(0.1);
    for (let times = hurries ? 2 : 1; times > 0; times--) {
      this.#requests.open += 1;
      this.#attempt({ request, key, tie, number: 1 });
    }
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
    const { request, key } = attempt;
    let service: OrderService | undefined;
    this.#requests.submit(
      () => {
        service = this.#gateway();
        return service;
      },
      { what: 'place order', ...request, key, fetched: products },
      (tx, parts) => this.#place(service as OrderService, parts, tx, { key, request, products }),
      (answer) => {
        if (this.#repeated(attempt, answer)) return;
        if (answer === 'unanswered') this.#answers.unansweredRequests += 1;
        else if (!(answer instanceof Error)) this.#accepted(answer, attempt);
        this.#requests.open -= 1;
      },
    );
  }

  /** Where there are several instances, any that is ready may get the next request. */
  #gateway(): OrderService {
    const { instances, random } = this.#options;
    return instances.choose((from) => (from.length === 1 ? (from[0] as OrderService) : random.pick(from)));
  }

  /** As the route does it. */
  #place(
    { idempotencyKeys: keys }: OrderService,
    parts: OrderParts,
    tx: Transaction,
    asked: { readonly key: string | undefined; readonly request: OrderRequest; readonly products: ProductAnswers },
  ): Order {
    refuseUnlessReady(parts);
    const { store } = parts;
    const { key, request, products } = asked;
    const lookUp = (productId: string) => store.catalogue.entry(productId) ?? products.get(productId) ?? 'unknown';
    const place = () => {
      if (key === undefined || !store.instances.named) return placeOrder(store, tx, request, lookUp);
      const idempotency = hashesOf(request.userId, key, request);
      return placedBefore(store, tx, idempotency) ?? placeOrder(store, tx, { ...request, idempotency }, lookUp);
    };
    if (key === undefined) return place();
    const scope = { operation: 'placeOrder', owner: request.userId };
    return keys.once(scope, key, request, tx.nowMs, () => ({ status: 202, body: place() })).body as Order;
  }

  /** Tries again where that is safe: with an Idempotency-Key, or after a 503. */
  #repeated(attempt: Attempt, answer: Order | Error | 'unanswered'): boolean {
    const { schedule, random, races } = this.#options;
    if (attempt.number >= attemptsMax) return false;
    if (answer === 'unanswered' && attempt.key !== undefined) {
      races.add('request repeated after a crash, with its key');
      // At another instance: what the first has accepted is another order, and one of them is charged.
      if (this.#options.instances.named) this.#answers.unansweredRequests += 1;
    } else if (answer instanceof Error && (isTransient(answer) || isUnavailable(answer))) {
      races.add('request answered 503, and repeated');
    } else {
      return false;
    }
    schedule.after(random.between(50, 1_000), () => this.#attempt({ ...attempt, number: attempt.number + 1 }));
    return true;
  }

  #accepted(order: Order, { tie, key }: Attempt): void {
    const { random, schedule, faults, history } = this.#options;
    const { orderId, total } = order;
    history.add(schedule.nowMs, 'client', `order accepted: ${total}`, orderId, 'order-service');
    if (!this.#answers.orderAccepted(order, tie, key)) return;
    if (this.#options.instances.named) this.#lookElsewhere(orderId);
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

  /** Reads its own write at once, at whatever instance: the answer has brought a version. */
  #lookElsewhere(orderId: string): void {
    const { random, schedule } = this.#options;
    const known = this.#answers.accepted.get(orderId);
    if (known) known.seen ??= { status: 'pending', version: 'order.placed' };
    if (random.chance(0.3)) schedule.after(random.below(5), () => this.look(orderId));
  }

  cancel(orderId: string): void {
    const { races, history, schedule } = this.#options;
    this.#requests.open += 1;
    let before: string = 'unknown';
    let passedOn = false;
    this.#requests.submit(
      () => this.#gateway(),
      { what: 'cancel order', orderId },
      (tx, parts) => {
        refuseUnlessReady(parts);
        const { store } = parts;
        const order = store.order(orderId);
        before = order?.status ?? 'unknown';
        passedOn = order?.status === 'pending' && !store.instances.decides(order.origin);
        return cancelOrder(store, tx, orderId);
      },
      (answer) => {
        this.#requests.open -= 1;
        if (passedOn) races.add('cancelled at an instance that does not decide');
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
    else if (status === '503') return;
    else if (status === '404') this.#unknown('P1', orderId, 'was accepted, but is unknown when it is cancelled');
    else if (status !== 'pending') known.cancelled = true;
  }

  /** An instance gets to know the orders of the others a moment later. */
  #unknown(promise: PromiseId, orderId: string, text: string): void {
    if (!this.#options.instances.named) this.#violated(promise, orderId, text);
  }

  /** Reads an order as `GET` does: a status may only ever go forward. */
  look(orderId: string): void {
    const { instances, model, races } = this.#options;
    const { node } = this.#gateway();
    const known = this.#answers.accepted.get(orderId);
    if (!node || !known || node.parts.notReady() !== undefined) return;
    const { store } = node.parts;
    const status = store.order(orderId)?.status;
    if (status === undefined && instances.named && known.seen)
      return races.add('read that waits for its Saga-Minimum-Version');
    if (status === undefined) return this.#unknown('P1', orderId, 'was accepted, and does not exist any more');
    const version = latestVersion(store, orderId);
    if (!instances.named) {
      const must = model.statusOf(orderId);
      if (status !== must) this.#violated('P2', orderId, `is shown as ${status}, and must be ${must}`);
    }
    const { seen } = known;
    // A read that does not bring the version of the one before may be behind it.
    const minimum = seen?.version;
    const waits = instances.named && minimum !== undefined && !store.fact(orderId, minimum);
    if (waits) return races.add('read that waits for its Saga-Minimum-Version');
    if (instances.named && seen) races.add('read at an instance that knows the version it brings');
    if (seen && this.#isBehind(seen.status, status)) {
      this.#violated('P2', orderId, `was ${seen.status}, and is ${status} now`);
    }
    known.seen = { status, version };
  }

  /** Among instances, what one has not decided yet may look further elsewhere: only the end is final. */
  #isBehind(before: OrderStatus, now: OrderStatus): boolean {
    if (before === now) return false;
    if (!this.#options.instances.named) return !nextStatuses[before].includes(now);
    return before === 'confirmed' || before === 'cancelled';
  }

  #violated(promise: PromiseId, subject: string, text: string): void {
    this.#answers.violations.push({ promise, subject, text });
  }
}

function refuseUnlessReady(parts: OrderParts): void {
  const why = parts.notReady();
  if (why !== undefined) throw unavailable('not-ready', why, 5);
}

function isUnavailable(error: Error): boolean {
  return error instanceof ProblemError && error.status === 503;
}

/** Where a status may go from here. */
const nextStatuses: Record<OrderStatus, readonly OrderStatus[]> = {
  pending: ['cancelling', 'confirmed', 'cancelled'],
  cancelling: ['cancelled'],
  confirmed: [],
  cancelled: [],
};
