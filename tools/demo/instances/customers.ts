// Customers of several instances: each places an order through the gateway, and reads its list back at a random instance, with
// the version that came with the answer. Whatever is away, an order is repeated under its key until it is answered.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Answer, type Call, type Client, NoAnswerError } from '../client.ts';

const usersCount = 50;
/** At most so many orders are placed at the same time: each is among the newest of its user when it is read back. */
const width = 16;
const listLimit = 50;
const retryMs = 100;
const answerMsMax = 60_000;

export const productId = 'CATALOG-002';
export const soldOutId = 'CATALOG-003';
export const poorUser = 'bob';
export const users: readonly string[] = [
  poorUser,
  ...Array.from({ length: usersCount - 1 }, (_, index) => `customer-${index + 1}`),
];

const Placed = z.object({ orderId: z.string(), status: z.string() });
const List = z.object({ orders: z.array(z.object({ orderId: z.string() })) });

export interface CustomersOptions {
  readonly client: Client;
  readonly gatewayUrl: string;
  /** Addresses of the instances that are expected to answer now. */
  readonly instanceUrls: () => readonly string[];
  readonly signal: AbortSignal;
}

export class Customers {
  /** Ids of the accepted orders. */
  readonly accepted: string[] = [];
  /** Reads that were answered with a list. */
  reads = 0;
  /** Of them, lists without the order that had just been placed. */
  readonly stale: string[] = [];
  /** Requests that had to be sent again. */
  repeated = 0;
  readonly #options: CustomersOptions;
  #begun = 0;

  constructor(options: CustomersOptions) {
    this.#options = options;
  }

  /** Resolves when so many orders have been accepted and read back, counted from the beginning. */
  async orderUntil(count: number): Promise<void> {
    const customer = async (): Promise<void> => {
      while (this.#begun < count) {
        const number = this.#begun;
        this.#begun += 1;
        await this.#order(number);
      }
    };
    await Promise.all(Array.from({ length: width }, customer));
  }

  async #order(number: number): Promise<void> {
    const { gatewayUrl } = this.#options;
    const userId = users[number % users.length] ?? poorUser;
    const orders = `${gatewayUrl}/order-service/${userId}/orders`;
    const answer = await this.#repeat(`order ${number} to be accepted`, () => ({
      method: 'POST',
      url: orders,
      headers: { 'idempotency-key': `order-${number}` },
      // One in twenty cannot be had.
      body: { productId: number % 20 === 7 ? soldOutId : productId, qty: 1 },
    }));
    const { orderId } = Placed.parse(answer.body);
    this.accepted.push(orderId);
    await this.#readBack(userId, orderId, String(answer.headers['saga-version']));
    // One in ten is cancelled, wherever the request ends up; it may be too late for that.
    if (number % 10 === 3) {
      const url = `${gatewayUrl}/order-service/orders/${orderId}/cancel`;
      const answered = (status: number) => isDone(status) || status === 409;
      await this.#repeat(`the cancellation of ${orderId} to be answered`, () => ({ method: 'POST', url }), answered);
    }
  }

  async #readBack(userId: string, orderId: string, version: string): Promise<void> {
    const answer = await this.#repeat(`a list with ${orderId}`, () => ({
      method: 'GET',
      url: `${this.#randomInstance()}/${userId}/orders?limit=${listLimit}`,
      headers: { 'saga-minimum-version': version },
    }));
    const { orders } = List.parse(answer.body);
    this.reads += 1;
    if (!orders.some((order) => order.orderId === orderId)) this.stale.push(`${orderId} at ${answer.call.url}`);
  }

  #randomInstance(): string {
    const urls = this.#options.instanceUrls();
    return urls[Math.floor(Math.random() * urls.length)] ?? this.#options.gatewayUrl;
  }

  async #repeat(what: string, request: () => Call, good: (status: number) => boolean = isDone): Promise<Answer> {
    const { client, signal } = this.#options;
    for (const endMs = performance.now() + answerMsMax; ; await delay(retryMs, undefined, { signal })) {
      const answer = await client.call(request()).catch((error: unknown) => {
        if (error instanceof NoAnswerError) return error;
        throw error;
      });
      if (!(answer instanceof NoAnswerError) && good(answer.status)) return answer;
      const seen = answer instanceof Error ? answer.message : `${answer.status} ${answer.text.slice(0, 300)}`;
      if (performance.now() > endMs) throw new Error(`waited ${answerMsMax / 1_000} s for ${what}: ${seen}`);
      this.repeated += 1;
    }
  }
}

function isDone(status: number): boolean {
  return status < 300;
}
