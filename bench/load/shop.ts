// The shop that is measured: which products and accounts there are, and what its customers order.

export interface Shop {
  readonly products: number;
  readonly accounts: number;
  /** Lines of an order, each of another product. */
  readonly lines: number;
}

/** Every step succeeds, or the last one finds nothing in stock and the payment is refunded. */
export type Scenario = 'confirmed' | 'refused';

export const standardShop: Shop = { products: 1_000, accounts: 1_000, lines: 1 };

/** A product that is for sale and never in stock. */
export const soldOut = 'sold-out';
export const unitPrice = 1_500;

export function productName(index: number): string {
  return `product-${String(index).padStart(6, '0')}`;
}

export function userName(index: number): string {
  return `user-${String(index).padStart(6, '0')}`;
}

export interface OrderBody {
  readonly userId: string;
  readonly items: readonly { readonly productId: string; readonly qty: number }[];
}

/** Order number `index`: users and products take turns in an order that looks random and is the same in every run. */
export function orderOf(shop: Shop, scenario: Scenario, index: number): OrderBody {
  const first = scattered(index * 2 + 1) % shop.products;
  const items = Array.from({ length: shop.lines }, (_, line) => ({
    productId: productName((first + line) % shop.products),
    qty: 1,
  }));
  if (scenario === 'refused') items[shop.lines - 1] = { productId: soldOut, qty: 1 };
  return { userId: userName(scattered(index * 2) % shop.accounts), items };
}

/** Steele and Vigna's 32-bit finaliser. */
function scattered(index: number): number {
  let mixed = Math.imul(index, 0x9e3779b1) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
