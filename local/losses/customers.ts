// Customers who order all the time, at a steady rate, also while a service is away: each repeats an order until it is answered.
import { z } from 'zod';
import type { PerService } from '../../services.ts';
import { eventually } from '../eventually.ts';
import { mustSend, send } from './http.ts';

const tickMs = 20;
const answerTimeoutMs = 60_000;

const price = 100;
/** RARE runs out at once. */
const stockOf = { PEN: 1_000_000, RARE: 30 } as const;
/** `poor` can pay for the first few orders; `nobody` has no account at all. */
const balanceOf = { rich: 1_000_000_000, poor: 2_000 } as const;

interface Wish {
  readonly userId: string;
  readonly productId: string;
  readonly cancels: boolean;
}

/** Of ten orders, six are paid for and in stock, and each of the others takes another path. */
const wishes: readonly Wish[] = [
  { userId: 'nobody', productId: 'PEN', cancels: false },
  { userId: 'rich', productId: 'RARE', cancels: false },
  { userId: 'rich', productId: 'PEN', cancels: true },
  { userId: 'poor', productId: 'PEN', cancels: false },
  ...Array.from({ length: 6 }, () => ({ userId: 'rich', productId: 'PEN', cancels: false })),
];

export interface Placed extends Wish {
  readonly orderId: string;
}

const Order = z.object({ orderId: z.string() });
const Catalogue = z.object({ products: z.array(z.object({ productId: z.string(), unitPrice: z.number() })) });

export class Customers {
  readonly placed: Placed[] = [];
  readonly #urls: PerService<string>;
  readonly #inFlight = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #orders = 0;
  #failure: unknown;
  #gone = false;

  constructor(urls: PerService<string>) {
    this.#urls = urls;
  }

  /** Creates the accounts and the products; resolves when order-service sells them. */
  async prepare(): Promise<void> {
    for (const [userId, balance] of Object.entries(balanceOf)) {
      await mustSend('PUT', `${this.#urls['payment-service']}/accounts/${userId}`, { balance });
    }
    for (const [productId, stock] of Object.entries(stockOf)) {
      const product = { name: productId, unitPrice: price, stock };
      await mustSend('PUT', `${this.#urls['inventory-service']}/products/${productId}`, product);
      await eventually(`order-service to sell ${productId}`, () => this.priceOf(productId));
    }
  }

  /** What order-service sells it for. */
  async priceOf(productId: string): Promise<number | undefined> {
    const answer = await mustSend('GET', `${this.#urls['order-service']}/products?limit=1000`);
    return Catalogue.parse(answer).products.find((product) => product.productId === productId)?.unitPrice;
  }

  /** Orders so many times a second, until stop(). */
  start(ordersPerS: number): void {
    const startedAtMs = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startedAtMs) / 1_000) * ordersPerS;
      for (; this.#orders < due; this.#orders += 1) {
        const wish = wishes[this.#orders % wishes.length];
        if (wish) void this.order(wish.userId, wish.productId, wish.cancels);
      }
    }, tickMs);
  }

  /** Places one order, and repeats it until it is answered; the key makes that one order. */
  order(userId: string, productId: string, cancels = false): Promise<void> {
    const ordered = this.#order({ userId, productId, cancels })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(ordered));
    this.#inFlight.add(ordered);
    return ordered;
  }

  async #order(wish: Wish): Promise<void> {
    const { userId, productId, cancels } = wish;
    const orders = `${this.#urls['order-service']}/orders`;
    const body = { userId, items: [{ productId, qty: 1 }] };
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const answer = await eventually(
      `an order of ${userId} to be accepted`,
      () => (this.#gone ? undefined : send('POST', orders, body, headers)),
      (seen) => seen === undefined || seen.status === 200 || seen.status === 202,
      answerTimeoutMs,
    );
    if (!answer) return;
    const { orderId } = Order.parse(answer.body);
    this.placed.push({ ...wish, orderId });
    // The request may get lost with a service that is killed; then this customer keeps the order.
    if (cancels) await send('POST', `${orders}/${orderId}/cancel`).catch(() => {});
  }

  /** Resolves when that many more orders than now are accepted. */
  async more(orders: number): Promise<void> {
    const wanted = this.placed.length + orders;
    await eventually(`${orders} more orders`, () => this.placed.length >= wanted, Boolean, answerTimeoutMs);
  }

  /** They go, and no longer care for answers. */
  leave(): void {
    this.#gone = true;
    clearInterval(this.#timer);
  }

  /** Resolves when every order is answered. @throws what kept an order from being accepted */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }
}
