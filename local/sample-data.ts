// Products and accounts to try things with, put in over HTTP as anybody would.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { PerService } from '../services.ts';

interface SampleProduct {
  readonly productId: string;
  readonly name: string;
  /** Minor units. */
  readonly unitPrice: number;
  readonly stock: number;
}

interface SampleAccount {
  readonly userId: string;
  /** Minor units. */
  readonly balance: number;
  readonly blocked?: boolean;
  /** For people. */
  readonly note: string;
}

export const sampleProducts: readonly SampleProduct[] = [
  { productId: 'CATALOG-001', name: 'Coffee beans, 1 kg', unitPrice: 2_400, stock: 100_000 },
  { productId: 'CATALOG-002', name: 'Mug', unitPrice: 1_500, stock: 100_000 },
  { productId: 'CATALOG-003', name: 'Espresso machine', unitPrice: 45_000, stock: 3 },
];

export const sampleAccounts: readonly SampleAccount[] = [
  { userId: 'alice', balance: 100_000_000, note: 'rich' },
  { userId: 'bob', balance: 1_000, note: 'poor' },
  { userId: 'carol', balance: 1_000_000, blocked: true, note: 'blocked' },
];

const requestTimeoutMs = 10_000;
/** How long the catalogue of order-service may take to receive the products. */
const catalogueTimeoutMs = 15_000;

const ProductPage = z.object({ products: z.array(z.object({ productId: z.string() })) });
const PaymentTotals = z.object({ accounts: z.number() });

/**
 * Puts the samples in where there is nothing yet; what people have put in themselves is left alone.
 * Returns once order-service knows the products, so that they can be ordered at once.
 * @returns whether anything was put in
 */
export async function loadSampleData(urls: PerService<string>, signal?: AbortSignal): Promise<boolean> {
  const call = (method: string, url: string, body?: object) => json(method, url, body, signal);
  const inventory = urls['inventory-service'];
  const payment = urls['payment-service'];
  const { products } = ProductPage.parse(await call('GET', `${inventory}/products?limit=1`));
  const { accounts } = PaymentTotals.parse(await call('GET', `${payment}/totals`));
  if (accounts === 0) {
    for (const { userId, balance, blocked = false } of sampleAccounts) {
      await call('PUT', `${payment}/accounts/${userId}`, { balance, blocked });
    }
  }
  if (products.length === 0) {
    for (const { productId, ...product } of sampleProducts) {
      await call('PUT', `${inventory}/products/${productId}`, product);
    }
    await untilCatalogueHas(
      urls['order-service'],
      sampleProducts.map(({ productId }) => productId),
      signal,
    );
  }
  return accounts === 0 || products.length === 0;
}

/** Resolves once order-service knows these products. @throws Error when it does not in time */
export async function untilCatalogueHas(
  orderUrl: string,
  productIds: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const deadlineMs = Date.now() + catalogueTimeoutMs;
  for (;;) {
    const known = await catalogue(orderUrl, signal);
    const missing = productIds.filter((productId) => !known.has(productId));
    if (missing.length === 0) return;
    if (Date.now() > deadlineMs) {
      throw new Error(
        `order-service does not know ${missing.join(', ')} after ${catalogueTimeoutMs / 1000} s; ` +
          `GET ${orderUrl}/readyz shows whether it is connected to the broker`,
      );
    }
    await delay(20, undefined, { signal });
  }
}

/** The ids of all products in order-service's copy of the catalogue. */
async function catalogue(orderUrl: string, signal?: AbortSignal): Promise<Set<string>> {
  const limit = 1000;
  const known = new Set<string>();
  for (let after = ''; ; ) {
    const url = `${orderUrl}/products?limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ''}`;
    const { products } = ProductPage.parse(await json('GET', url, undefined, signal));
    for (const { productId } of products) known.add(productId);
    const last = products.at(-1);
    if (!last || products.length < limit) return known;
    after = last.productId;
  }
}

async function json(method: string, url: string, body?: object, signal?: AbortSignal): Promise<unknown> {
  const timeout = AbortSignal.timeout(requestTimeoutMs);
  const response = await fetch(url, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} was answered ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}
