// Orders whose outcome is known beforehand, for a visitor to place. Two of them need a service that is away for a while.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import type { Scenario, Tried } from '../model/messages.ts';
import type { Controls } from './controls.ts';
import { ask, askFor } from './service-client.ts';

const catalogueTimeoutMs = 10_000;
/** A saga takes a few milliseconds, so a customer who cancels at once may be late. */
const cancelTriesMax = 20;
const pausedMs = 4_000;
const deadlineMs = 1_500;
const cancelAfterMs = 1_500;

const Placed = z.looseObject({ orderId: z.uuid() });
const Products = z.looseObject({ products: z.array(z.looseObject({ productId: z.string() })) });

const rich = 'visitor';
const poor = 'visitor-poor';
const mug = { productId: 'VISITOR-MUG', name: 'Mug', unitPrice: 1_500, stock: 1_000_000 };
const rare = { productId: 'VISITOR-RARE', name: 'Vase, only one left', unitPrice: 45_000, stock: 1 };

export interface ScenarioUrls {
  readonly order: string;
  readonly payment: string;
  readonly inventory: string;
}

const needsControl = 'It needs payment-service to be away for a while, which only npm start can do.';

export class Scenarios {
  readonly #urls: ScenarioUrls;
  readonly #controls: Controls | undefined;
  #supplies: Promise<void> | undefined;

  constructor(urls: ScenarioUrls, controls: Controls | undefined) {
    this.#urls = urls;
    this.#controls = controls;
  }

  list(): Scenario[] {
    const slow = this.#controls ? {} : { unavailable: needsControl };
    const pause = `payment-service is paused for ${pausedMs / 1_000} s, so that the order has to wait`;
    return [
      { name: 'ok', title: 'Order', does: 'One mug, paid for and in stock. It is confirmed within milliseconds.' },
      {
        name: 'no-money',
        title: 'Order, no money',
        does: 'The account is empty. The payment is refused; nothing has to be undone.',
      },
      {
        name: 'no-stock',
        title: 'Order, no stock',
        does: 'Five of the last one: the payment is taken, and refunded when the stock is missing.',
      },
      {
        name: 'cancel',
        title: 'Order, then cancel',
        does: this.#controls
          ? `The customer cancels after ${cancelAfterMs / 1_000} s; ${pause}.`
          : 'The customer cancels at once. The saga may be faster; then another order is tried.',
      },
      {
        name: 'deadline',
        title: 'Order, deadline passes',
        does: `The order may take ${deadlineMs / 1_000} s; ${pause}.`,
        ...slow,
      },
    ];
  }

  async play(name: string): Promise<Tried> {
    this.#supplies ??= this.#bringSupplies();
    await this.#supplies.catch((error: unknown) => {
      this.#supplies = undefined;
      throw error;
    });
    if (name === 'ok') return { orderId: await this.#place(rich, mug.productId, 1), note: 'Placed.' };
    if (name === 'no-money') {
      // Somebody may have paid in meanwhile.
      await askFor('PUT', `${this.#urls.payment}/accounts/${poor}`, { balance: 0 });
      return { orderId: await this.#place(poor, mug.productId, 2), note: 'Placed.' };
    }
    if (name === 'no-stock') return { orderId: await this.#place(rich, rare.productId, 5), note: 'Placed.' };
    if (name === 'cancel') return this.#controls ? this.#cancelWhilePaused(this.#controls) : this.#cancelAtOnce();
    if (name === 'deadline') return this.#passDeadline();
    throw new ProblemError(404, 'no-such-scenario', 'there is no such scenario');
  }

  async #cancelAtOnce(): Promise<Tried> {
    for (let tries = 1; tries <= cancelTriesMax; tries += 1) {
      const orderId = await this.#place(rich, mug.productId, 1);
      const { status } = await ask('POST', `${this.#urls.order}/orders/${orderId}/cancel`);
      if (status < 300)
        return { orderId, note: tries === 1 ? 'Cancelled in time.' : `Cancelled in time, at try ${tries}.` };
    }
    throw new ProblemError(409, 'too-fast', `${cancelTriesMax} orders were confirmed before they could be cancelled`);
  }

  async #cancelWhilePaused(controls: Controls): Promise<Tried> {
    await controls.act('payment-service', 'pause');
    const orderId = await this.#place(rich, mug.productId, 1);
    const cancel = async () => {
      await delay(cancelAfterMs);
      await ask('POST', `${this.#urls.order}/orders/${orderId}/cancel`);
    };
    // The page watches it meanwhile; the saga itself shows how it went.
    cancel().catch(() => {});
    return { orderId, note: `payment-service is paused; the customer cancels in ${cancelAfterMs / 1_000} s.` };
  }

  async #passDeadline(): Promise<Tried> {
    if (!this.#controls) throw new ProblemError(409, 'not-available', needsControl);
    await this.#controls.act('payment-service', 'pause');
    const orderId = await this.#place(rich, mug.productId, 1, { deadlineMs });
    return { orderId, note: `payment-service is paused; the deadline passes in ${deadlineMs / 1_000} s.` };
  }

  async #place(userId: string, productId: string, qty: number, more: object = {}): Promise<string> {
    const order = { userId, items: [{ productId, qty }], ...more };
    return Placed.parse(await askFor('POST', `${this.#urls.order}/orders`, order)).orderId;
  }

  /** Customers and products of the visitor's own; the account is filled up again. */
  async #bringSupplies(): Promise<void> {
    const { payment, inventory, order } = this.#urls;
    await askFor('PUT', `${payment}/accounts/${rich}`, { balance: 100_000_000 });
    await askFor('PUT', `${payment}/accounts/${poor}`, { balance: 0 });
    for (const { productId, ...product } of [mug, rare])
      await askFor('PUT', `${inventory}/products/${productId}`, product);
    const endMs = performance.now() + catalogueTimeoutMs;
    for (;;) {
      const { products } = Products.parse(await askFor('GET', `${order}/products?limit=2&after=VISITOR-L`));
      if ([mug, rare].every(({ productId }) => products.some((one) => one.productId === productId))) return;
      if (performance.now() > endMs)
        throw new ProblemError(
          503,
          'not-ready',
          'order-service has not received the products yet; is the broker away?',
        );
      await delay(20);
    }
  }
}
