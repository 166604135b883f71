// What inventory-service must do: products, the movements of their stock, and one reservation for each order.
import type { AnyEvent, DataOf } from '../../shared/contract/choreography.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Violation } from '../environment/violation.ts';
import {
  answered,
  emits,
  listDifference,
  refused,
  rowDifferences,
  type ServiceModel,
  silent,
} from './service-model.ts';
import type { Asked, At, Due, Inability } from './work.ts';

const stockMax = 1_000_000;

interface Product {
  name: string;
  unitPrice: number;
  stock: number;
  available: boolean;
  version: number;
  updatedAt: string;
  /** Oldest first. */
  readonly movements: Movement[];
}

interface Movement {
  readonly kind: string;
  readonly qty: number;
  readonly stockAfter: number;
  readonly orderId: string | null;
  readonly atMs: number;
}

interface Line {
  readonly productId: string;
  readonly qty: number;
}

interface Reservation {
  readonly status: 'reserved' | 'released' | 'rejected' | 'voided';
  readonly items: readonly Line[] | null;
  readonly shortages: readonly unknown[] | null;
}

export class InventoryModel implements ServiceModel {
  readonly tables = ['products', 'movements', 'reservations', 'adopted_instances'];
  #products = new Map<string, Product>();
  #reservations = new Map<string, Reservation>();
  #adopted = new Map<string, string>();

  copy(): InventoryModel {
    const copy = new InventoryModel();
    const products = [...this.#products].map(([productId, product]): [string, Product] => [
      productId,
      { ...product, movements: [...product.movements] },
    ]);
    copy.#products = new Map(products);
    copy.#reservations = new Map(this.#reservations);
    copy.#adopted = new Map(this.#adopted);
    return copy;
  }

  react(event: AnyEvent, { nowMs }: At): Due | Inability {
    if (event.type === 'payment.completed') return this.#paid(event.data, nowMs);
    if (event.type === 'order.withdrawn')
      return this.#adopted.has(event.source) ? silent('overruled') : this.#withdrawn(event.data, nowMs);
    if (event.type === 'instance.adopted') {
      if (!this.#adopted.has(event.data.instance)) this.#adopted.set(event.data.instance, event.data.by);
      return silent('noted');
    }
    return silent('not for inventory-service');
  }

  /** All lines or none. */
  #paid({ orderId, items: passed }: DataOf<'payment.completed'>, nowMs: number): Due | Inability {
    const known = this.#reservations.get(orderId);
    if (known) return known.status === 'voided' ? silent('fenced') : 'ContradictoryEventError';
    const items = passed.map(({ productId, qty }) => ({ productId, qty }));
    const shortages = items
      .map(({ productId, qty }) => ({ productId, wanted: qty, available: this.#products.get(productId)?.stock ?? 0 }))
      .filter(({ wanted, available }) => wanted > available);
    if (shortages.length > 0) {
      this.#reservations.set(orderId, { status: 'rejected', items, shortages });
      return emits('inventory.rejected', { orderId, shortages });
    }
    for (const { productId, qty } of items) this.#move(productId, 'reserve', -qty, orderId, nowMs);
    this.#reservations.set(orderId, { status: 'reserved', items, shortages: null });
    return emits('inventory.reserved', { orderId, items });
  }

  #withdrawn({ orderId, attempt }: DataOf<'order.withdrawn'>, nowMs: number): Due {
    const known = this.#reservations.get(orderId);
    if (!known) {
      this.#reservations.set(orderId, { status: 'voided', items: null, shortages: null });
      return emits('inventory.voided', { orderId });
    }
    const released = emits('inventory.released', { orderId, items: known.items });
    if (known.status === 'reserved') {
      for (const { productId, qty } of known.items ?? []) this.#move(productId, 'release', qty, orderId, nowMs);
      this.#reservations.set(orderId, { ...known, status: 'released' });
      return released;
    }
    if (attempt === undefined) return silent('compensated');
    return known.status === 'released' ? released : emits('inventory.voided', { orderId });
  }

  request(asked: Asked, { nowMs }: At): Due {
    if (asked.what === 'put product') return this.#put(asked, nowMs);
    if (asked.what !== 'restock') throw new Error(`inventory-service does not ${asked.what}`);
    const { productId, qty } = asked;
    const product = this.#products.get(productId);
    if (!product) return refused(404, 'no-such-product');
    if (product.stock + qty > stockMax) return refused(422, 'stock-too-high');
    this.#move(productId, 'restock', qty, null, nowMs);
    return answered(shown(productId, product));
  }

  /** What the catalogue shows is published when it changes. */
  #put(asked: Extract<Asked, { what: 'put product' }>, nowMs: number): Due {
    const { productId, name, unitPrice } = asked;
    const before = this.#products.get(productId);
    const updatedAt = new Date(nowMs).toISOString();
    const product = before ?? { name, unitPrice, stock: 0, available: true, version: 0, updatedAt, movements: [] };
    this.#products.set(productId, product);
    const available = asked.available ?? product.available;
    const changed =
      !before || product.name !== name || product.unitPrice !== unitPrice || product.available !== available;
    if (changed) Object.assign(product, { name, unitPrice, available, version: product.version + 1, updatedAt });
    const difference = (asked.stock ?? product.stock) - product.stock;
    if (difference !== 0) this.#move(productId, 'set', difference, null, nowMs);
    const { version } = product;
    const data = { productId, name, unitPrice, available, version };
    const value = { product: shown(productId, product), created: before === undefined };
    return answered(value, changed ? [{ type: 'product.updated', data }] : []);
  }

  #move(productId: string, kind: string, qty: number, orderId: string | null, atMs: number): void {
    const product = this.#products.get(productId);
    if (!product) throw new Error(`the model has no product ${productId}`);
    product.stock += qty;
    product.movements.push({ kind, qty, stockAfter: product.stock, orderId, atMs });
  }

  deadline(): Due {
    return { emits: [] };
  }

  *differences(db: Database): Generator<Violation> {
    const adopted = db.prepare<[], [string, string]>('SELECT instance, adopted_by FROM adopted_instances').raw().all();
    yield* rowDifferences('P2', 'who has adopted this instance', adopted, this.#adopted);
    const reservations = db.prepare<
      [],
      { orderId: string; status: string; items: string | null; shortages: string | null }
    >('SELECT order_id AS orderId, status, items, shortages FROM reservations');
    const rows = reservations
      .all()
      .map(({ orderId, status, items, shortages }): [string, Reservation] => [
        orderId,
        { status, items: JSON.parse(items ?? 'null'), shortages: JSON.parse(shortages ?? 'null') } as Reservation,
      ]);
    yield* rowDifferences('P4', 'its reservation', rows, this.#reservations);
    const products = db.prepare<[], Omit<Shown, 'available'> & { available: number }>(
      'SELECT product_id AS productId, name, unit_price AS unitPrice, stock, available, version, updated_at AS updatedAt FROM products',
    );
    const found = products
      .all()
      .map((row): [string, Shown] => [row.productId, { ...row, available: row.available === 1 }]);
    const must = [...this.#products].map(([productId, product]): [string, Shown] => [
      productId,
      shown(productId, product),
    ]);
    yield* rowDifferences('P4', 'the product', found, new Map(must));
    for (const [productId, { movements }] of this.#products) {
      const wrong = listDifference(movementsOf(db, productId), movements);
      if (wrong) yield { promise: 'P4', subject: '', text: `the movements of ${productId}: ${wrong}` };
    }
  }
}

type Shown = { readonly productId: string } & Omit<Product, 'movements'>;

/** As staff see it. */
function shown(productId: string, { name, unitPrice, stock, available, version, updatedAt }: Product): Shown {
  return { productId, name, unitPrice, stock, available, version, updatedAt };
}

/** Newest first. */
function movementsOf(db: Database, productId: string): Iterable<Movement> {
  return db
    .prepare<[string], Movement>(
      `SELECT kind, qty, stock_after AS stockAfter, order_id AS orderId, at_ms AS atMs FROM movements
       WHERE product_id = ? ORDER BY movement_id DESC`,
    )
    .iterate(productId);
}
