// What people make inventory-service do. Each command runs inside one transaction; a ProblemError rolls it back.
import { emit } from '../shared/contract/choreography.ts';
import { quantityMax } from '../shared/contract/event-data.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { Moment } from '../shared/runtime/messaging/unit-of-work.ts';
import type { Transaction } from '../shared/saga.ts';
import type { InventoryStore, Product } from './store.ts';

export interface ProductRequest {
  readonly name: string;
  readonly unitPrice: number;
  readonly stock?: number | undefined;
  readonly available?: boolean | undefined;
}

/** Creates a product, or changes it. What the catalogue shows goes out as `product.updated`; a stock is set, not added to. */
export function putProduct(
  store: InventoryStore,
  tx: Transaction<'inventory-service'>,
  productId: string,
  { name, unitPrice, stock, available: wanted }: ProductRequest,
): { readonly product: Product; readonly created: boolean } {
  const before = store.product(productId);
  const available = wanted ?? before?.available ?? true;
  if (!before || before.name !== name || before.unitPrice !== unitPrice || before.available !== available) {
    const version = (before?.version ?? 0) + 1;
    store.putProduct({ productId, name, unitPrice, available, version, updatedAt: tx.now });
    tx.publish(emit('product.updated', { productId, name, unitPrice, available, version }));
  }
  const difference = stock === undefined ? 0 : stock - (before?.stock ?? 0);
  if (difference !== 0) store.move(productId, 'set', difference, null, tx.nowMs);
  return { product: existing(store, productId), created: !before };
}

/** @throws ProblemError 404 no such product; 422 the stock would leave its bounds */
export function restock(store: InventoryStore, at: Moment, productId: string, qty: number): Product {
  const { stock } = existing(store, productId);
  if (stock + qty > quantityMax) {
    throw new ProblemError(422, 'stock-too-high', `a stock may be at most ${quantityMax}; it is ${stock}`, {
      productId,
      stock,
    });
  }
  store.move(productId, 'restock', qty, null, at.nowMs);
  return existing(store, productId);
}

/** @throws ProblemError 404 */
export function existing(store: InventoryStore, productId: string): Product {
  const product = store.product(productId);
  if (!product) {
    throw new ProblemError(
      404,
      'no-such-product',
      `there is no product '${productId}'; PUT /products/${productId} creates it`,
      { productId },
    );
  }
  return product;
}
