// Places orders at a steady rate and keeps books of its own about each, over HTTP alone: when it was wanted, when it was
// acknowledged and under which id, and when it was seen to have ended.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { PerService } from '../../services.ts';
import { eventually } from '../eventually.ts';
import { mustSend, send } from '../losses/http.ts';
import type { Random } from './random.ts';
import { Slots } from './slots.ts';
import { accounts, nextWish, products, type Wish } from './wishes.ts';

const tickMs = 20;
const price = 100;
/** Looks at an order until it has ended: soon at first, then more rarely. */
const lookMsMin = 250;
const lookMsMax = 2_000;
/** Most orders placed, and looks at orders, on their way at once. */
const placingMax = 200;
const lookingMax = 32;
/** One order in so many waits for its outcome: those give the latency to the end. */
const waitsEvery = 10;
/** One acknowledged order in so many is placed once more with the same key. */
const repeatsEvery = 20;

/** Times are those of performance.now(). */
export interface Purchase extends Wish {
  readonly wantedAtMs: number;
  readonly key: string;
  tries: number;
  acknowledgedAtMs?: number;
  orderId?: string;
  endedAtMs?: number;
  /** `confirmed`, or the reason of the cancellation. */
  end?: string;
  /** Of the request that was answered. */
  ackMs?: number;
  /** From the request to its answer with the outcome, where it waited for that and was answered at the first try. */
  outcomeMs?: number;
}

const Order = z.object({ orderId: z.string(), status: z.string(), reason: z.string().optional() });
const Catalogue = z.object({ products: z.array(z.object({ productId: z.string() })) });

export class Shoppers {
  readonly purchases: Purchase[] = [];
  /** Acknowledgements of one key with different orders. */
  doubleAnswers = 0;
  readonly #urls: PerService<string>;
  readonly #random: Random;
  readonly #busy = new Set<Promise<void>>();
  readonly #placing = new Slots(placingMax);
  readonly #looking = new Slots(lookingMax);
  #timer: NodeJS.Timeout | undefined;
  #gone = false;

  constructor(urls: PerService<string>, random: Random) {
    this.#urls = urls;
    this.#random = random;
  }

  async prepare(): Promise<void> {
    for (const [userId, balance] of Object.entries(accounts))
      await mustSend('PUT', `${this.#urls['payment-service']}/accounts/${userId}`, { balance });
    for (const [productId, stock] of Object.entries(products))
      await mustSend('PUT', `${this.#urls['inventory-service']}/products/${productId}`, {
        ...{ name: productId, unitPrice: price, stock },
      });
    const wanted = Object.keys(products).length;
    await eventually(
      'order-service to sell the products',
      async () => Catalogue.parse(await mustSend('GET', `${this.#urls['order-service']}/products`)).products.length,
      (count) => count === wanted,
    );
  }

  /** Wants so many orders a second until stop(). */
  start(ordersPerS: number): void {
    const startedAtMs = performance.now();
    const before = this.purchases.length;
    this.#timer = setInterval(() => {
      const due = before + ((performance.now() - startedAtMs) / 1_000) * ordersPerS;
      while (this.purchases.length < due) this.#begin();
    }, tickMs);
  }

  /** Wants no more, and resolves when everything that was wanted has been acknowledged and has ended, or with the time. */
  async stop(healMsMax: number): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([Promise.all(this.#busy), delay(healMsMax, undefined, { ref: false })]);
    this.#gone = true;
  }

  leave(): void {
    this.#gone = true;
    clearInterval(this.#timer);
  }

  #begin(): void {
    const wish = nextWish(this.#random);
    const purchase: Purchase = { ...wish, wantedAtMs: performance.now(), key: crypto.randomUUID(), tries: 0 };
    this.purchases.push(purchase);
    const done = this.#live(purchase, this.purchases.length)
      .catch(() => {})
      .finally(() => this.#busy.delete(done));
    this.#busy.add(done);
  }

  async #live(purchase: Purchase, number: number): Promise<void> {
    const waits = number % waitsEvery === 0 && !purchase.cancels;
    for (let pauseMs = 100; purchase.orderId === undefined && !this.#gone; pauseMs = Math.min(2 * pauseMs, 2_000)) {
      await this.#place(purchase, waits).catch(() => {});
      if (purchase.orderId === undefined) await delay(pauseMs);
    }
    const { orderId } = purchase;
    if (orderId === undefined) return;
    if (purchase.cancels) await send('POST', `${this.#orders}/${orderId}/cancel`).catch(() => {});
    if (number % repeatsEvery === 0) await this.#place(purchase, false).catch(() => {});
    for (let pauseMs = lookMsMin; purchase.end === undefined && !this.#gone; ) {
      await delay(pauseMs);
      pauseMs = Math.min(2 * pauseMs, lookMsMax);
      await this.#look(purchase, orderId).catch(() => {});
    }
  }

  async #place(purchase: Purchase, waits: boolean): Promise<void> {
    const { userId, productId, key } = purchase;
    const headers = { 'idempotency-key': key, ...(waits ? { prefer: 'wait=5' } : {}) };
    const body = { userId, items: [{ productId, qty: 1 }] };
    let startedAtMs = 0;
    const answer = await this.#placing.use(() => {
      startedAtMs = performance.now();
      purchase.tries += 1;
      return send('POST', this.#orders, body, headers);
    });
    if (answer.status !== 200 && answer.status !== 202) return;
    const order = Order.parse(answer.body);
    if (purchase.orderId !== undefined && purchase.orderId !== order.orderId) this.doubleAnswers += 1;
    if (purchase.orderId !== undefined) return;
    const nowMs = performance.now();
    purchase.orderId = order.orderId;
    purchase.acknowledgedAtMs = nowMs;
    if (!waits) purchase.ackMs = nowMs - startedAtMs;
    else if (answer.status === 200 && purchase.tries === 1) purchase.outcomeMs = nowMs - startedAtMs;
    noteEnd(purchase, order);
  }

  async #look(purchase: Purchase, orderId: string): Promise<void> {
    const { status, body } = await this.#looking.use(() => send('GET', `${this.#orders}/${orderId}`));
    if (status === 200) noteEnd(purchase, Order.parse(body));
  }

  get #orders(): string {
    return `${this.#urls['order-service']}/orders`;
  }
}

/** `confirmed`, or the reason of the cancellation; undefined while an order is open. */
export function endOf({ status, reason }: { readonly status: string; readonly reason?: string | undefined }) {
  return status === 'cancelled' ? (reason ?? 'no reason') : status === 'confirmed' ? status : undefined;
}

function noteEnd(purchase: Purchase, order: z.output<typeof Order>): void {
  const end = endOf(order);
  if (end === undefined) return;
  purchase.end = end;
  purchase.endedAtMs = performance.now();
}
