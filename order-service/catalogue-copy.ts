// Order-service's own copy of the catalogue: its SQL. The table is made in store.ts.
import type { Database } from '../shared/runtime/storage/database.ts';

/** What order-service knows of a product: its own copy, kept up to date by `product.updated`. */
export interface CatalogueEntry {
  readonly productId: string;
  readonly name: string;
  /** Minor units. */
  readonly unitPrice: number;
  readonly available: boolean;
  readonly version: number;
  /** When the product became this version, ISO 8601 UTC; undefined: before this was kept. */
  readonly asOf?: string | undefined;
}

interface CatalogueRow {
  product_id: string;
  name: string;
  unit_price: number;
  available: number;
  version: number;
  as_of: string | null;
}

export class CatalogueCopy {
  readonly #entry;
  readonly #entries;
  readonly #putEntry;

  constructor(db: Database) {
    this.#entry = db.prepare<[string], CatalogueRow>('SELECT * FROM catalogue WHERE product_id = ?');
    this.#entries = db.prepare<[string, number], CatalogueRow>(
      'SELECT * FROM catalogue WHERE product_id > ? ORDER BY product_id LIMIT ?',
    );
    this.#putEntry = db.prepare(
      `INSERT INTO catalogue (product_id, name, unit_price, available, version, as_of) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (product_id) DO UPDATE SET
         name = excluded.name, unit_price = excluded.unit_price, available = excluded.available,
         version = excluded.version, as_of = excluded.as_of
       WHERE excluded.version > catalogue.version`,
    );
  }

  entry(productId: string): CatalogueEntry | undefined {
    const row = this.#entry.get(productId);
    return row && toEntry(row);
  }

  /** In the order of their ids, from after `afterProductId`. */
  entries(limit: number, afterProductId = ''): CatalogueEntry[] {
    return this.#entries.all(afterProductId, limit).map(toEntry);
  }

  /** Keeps the entry unless a version as new is known. False: it was outdated. */
  putEntry({ productId, name, unitPrice, available, version, asOf }: CatalogueEntry): boolean {
    return this.#putEntry.run(productId, name, unitPrice, available ? 1 : 0, version, asOf ?? null).changes === 1;
  }
}

function toEntry(row: CatalogueRow): CatalogueEntry {
  return {
    productId: row.product_id,
    name: row.name,
    unitPrice: row.unit_price,
    available: row.available === 1,
    version: row.version,
    ...(row.as_of === null ? {} : { asOf: row.as_of }),
  };
}
