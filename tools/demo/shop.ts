// The three services as the demo uses them: typed calls, their answers checked, each shown or not.

import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { InventoryTotals, PaymentTotals } from '../../local/totals.ts';
import type { PerService } from '../../services.ts';
import {
  Account,
  accept,
  acceptOrMissing,
  DemoError,
  Order,
  OrderPage,
  OrderTotals,
  Payment,
  Product,
  Reservation,
  Timeline,
  type TimelineEvent,
  type Totals,
} from './answers.ts';
import { type Answer, type Call, type Client, curlLine, NoAnswerError } from './client.ts';
import type { Report } from './report.ts';

export interface OrderRequest {
  readonly userId: string;
  readonly items: readonly { readonly productId: string; readonly qty: number }[];
  readonly deadlineMs?: number;
}

export class Shop {
  /** The ids of every order that this run placed. */
  readonly placed: string[] = [];
  readonly #urls: PerService<string>;
  readonly #client: Client;
  readonly #report: Report;
  readonly #suffix: string;
  readonly #signal: AbortSignal;

  /** @param suffix ending of all ids, which makes them new in a system that has been used before */
  constructor(urls: PerService<string>, client: Client, report: Report, suffix: string, signal: AbortSignal) {
    this.#urls = urls;
    this.#client = client;
    this.#report = report;
    this.#suffix = suffix;
    this.#signal = signal;
  }

  id(name: string): string {
    return name + this.#suffix;
  }

  /** Places an order. @param waitS how long to wait for the outcome, in seconds; left out: not at all */
  async place(
    request: OrderRequest,
    { waitS, quiet = false }: { waitS?: number; quiet?: boolean } = {},
  ): Promise<{ order: Order; answer: Answer }> {
    const call: Call = {
      method: 'POST',
      url: `${this.#urls['order-service']}/orders`,
      ...(waitS === undefined ? {} : { headers: { prefer: `wait=${waitS}` } }),
      body: request,
    };
    const answer = await this.#call(call, quiet);
    const order = accept(Order, answer);
    this.placed.push(order.orderId);
    return { order, answer };
  }

  /** Any answer will do. */
  async cancel(orderId: string): Promise<Answer> {
    return this.#call({ method: 'POST', url: `${this.#urls['order-service']}/orders/${orderId}/cancel` });
  }

  async order(orderId: string, quiet = false): Promise<Order> {
    return accept(Order, await this.#call({ method: 'GET', url: this.#orderUrl(orderId) }, quiet));
  }

  async timeline(orderId: string): Promise<readonly TimelineEvent[]> {
    return accept(Timeline, await this.#call({ method: 'GET', url: `${this.#orderUrl(orderId)}/timeline` }, true))
      .events;
  }

  timelineCurl(orderId: string): string {
    return curlLine({ method: 'GET', url: `${this.#orderUrl(orderId)}/timeline` });
  }

  /** All orders of a user. */
  async ordersOf(userId: string): Promise<Order[]> {
    const orders: Order[] = [];
    let before: string | undefined;
    do {
      const url = `${this.#urls['order-service']}/orders?userId=${userId}&limit=100${before ? `&before=${before}` : ''}`;
      const page = accept(OrderPage, await this.#call({ method: 'GET', url }, true));
      orders.push(...page.orders);
      before = page.next;
    } while (before !== undefined);
    return orders;
  }

  async putAccount(userId: string, account: { balance: number; blocked?: boolean }): Promise<void> {
    accept(
      Account,
      await this.#call({ method: 'PUT', url: `${this.#urls['payment-service']}/accounts/${userId}`, body: account }),
    );
  }

  async account(userId: string, quiet = false): Promise<z.output<typeof Account>> {
    const url = `${this.#urls['payment-service']}/accounts/${userId}`;
    return accept(Account, await this.#call({ method: 'GET', url }, quiet));
  }

  /** Whether payment-service answers at all. */
  async paymentAnswers(): Promise<boolean> {
    try {
      await this.#client.call({ method: 'GET', url: `${this.#urls['payment-service']}/livez` });
      return true;
    } catch (error) {
      if (error instanceof NoAnswerError) return false;
      throw error;
    }
  }

  async putProduct(productId: string, product: { name: string; unitPrice: number; stock: number }): Promise<void> {
    const url = `${this.#urls['inventory-service']}/products/${productId}`;
    accept(Product, await this.#call({ method: 'PUT', url, body: product }));
  }

  async stock(productId: string, quiet = false): Promise<number> {
    const url = `${this.#urls['inventory-service']}/products/${productId}`;
    return accept(Product, await this.#call({ method: 'GET', url }, quiet)).stock;
  }

  /** Undefined: payment-service does not know the order. */
  async payment(orderId: string, quiet = false): Promise<z.output<typeof Payment> | undefined> {
    const url = `${this.#urls['payment-service']}/payments/${orderId}`;
    return acceptOrMissing(Payment, await this.#call({ method: 'GET', url }, quiet));
  }

  /** Undefined: inventory-service does not know the order. */
  async reservation(orderId: string, quiet = false): Promise<z.output<typeof Reservation> | undefined> {
    const url = `${this.#urls['inventory-service']}/reservations/${orderId}`;
    return acceptOrMissing(Reservation, await this.#call({ method: 'GET', url }, quiet));
  }

  async totals(quiet = false): Promise<Totals> {
    const totals = (service: keyof PerService<string>) =>
      this.#call({ method: 'GET', url: `${this.#urls[service]}/totals` }, quiet);
    return {
      order: accept(OrderTotals, await totals('order-service')),
      payment: accept(PaymentTotals, await totals('payment-service')),
      inventory: accept(InventoryTotals, await totals('inventory-service')),
    };
  }

  /**
   * Asks again until it holds.
   * @param what for the message, when it does not in time
   */
  async until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
    const deadlineMs = Date.now() + timeoutMs;
    while (!(await holds())) {
      if (Date.now() > deadlineMs) throw new DemoError(`waited ${timeoutMs / 1000} s in vain for: ${what}`);
      await delay(50, undefined, { signal: this.#signal });
    }
  }

  #orderUrl(orderId: string): string {
    return `${this.#urls['order-service']}/orders/${orderId}`;
  }

  async #call(call: Call, quiet = false): Promise<Answer> {
    const answer = await this.#client.call(call);
    if (!quiet) this.#report.request(answer);
    return answer;
  }
}
