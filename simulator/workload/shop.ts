// Who buys, and what there is to buy: customers with and without money, products with much, little and no stock.
import type { Random } from '../environment/random.ts';

interface Account {
  readonly userId: string;
  readonly balance: number;
  readonly blocked: boolean;
}

interface Product {
  readonly productId: string;
  readonly unitPrice: number;
  readonly stock: number;
  readonly available: boolean;
}

export const scarceProduct = 'last';
export const plentifulProducts = ['plenty-1', 'plenty-2', 'plenty-3', 'plenty-4', 'plenty-5'];
export const fewProducts = ['few-1', 'few-2', scarceProduct];
export const richUsers = ['rich-1', 'rich-2', 'rich-3', 'rich-4'];
export const poorUsers = ['poor-1', 'poor-2'];

export const accounts: readonly Account[] = [
  ...richUsers.map((userId) => ({ userId, balance: 1_000_000_000, blocked: false })),
  ...poorUsers.map((userId) => ({ userId, balance: 3_000, blocked: false })),
  { userId: 'blocked', balance: 1_000_000, blocked: true },
];

export const products: readonly Product[] = [
  ...plentifulProducts.map((productId, index) => ({
    productId,
    unitPrice: 10 + index,
    stock: 900_000,
    available: true,
  })),
  ...fewProducts.map((productId) => ({ productId, unitPrice: 50, stock: 10, available: true })),
  { productId: 'hidden', unitPrice: 5, stock: 100, available: false },
];

const deadlineMsDefault = 30_000;

/** Mostly a customer with money; now and then a blocked one, or one without an account. */
export function drawUser(random: Random): string {
  const percent = random.below(100);
  if (percent < 70) return random.pick(richUsers);
  if (percent < 92) return random.pick(poorUsers);
  return percent < 96 ? 'blocked' : 'nobody';
}

/** One to five products, now and then one that is not for sale or does not exist. */
export function drawBasket(random: Random): string[] {
  const basket = new Set<string>();
  const lines = random.between(1, 5);
  while (basket.size < lines) basket.add(random.pick(random.chance(0.12) ? fewProducts : plentifulProducts));
  if (random.chance(0.01)) basket.add(random.pick(['hidden', 'unheard-of']));
  return [...basket];
}

export function drawQuantity(productId: string, random: Random): number {
  return fewProducts.includes(productId) ? random.pick([1, 1, 2, 3]) : random.between(1, 5);
}

/** Mostly the default; otherwise short, or so short that the deadline passes on the way. */
export function drawDeadlineMs(random: Random): number {
  const percent = random.below(100);
  if (percent < 70) return deadlineMsDefault;
  return percent < 85 ? random.between(200, 5_000) : random.between(5, 60);
}
