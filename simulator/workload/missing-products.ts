// What order-service does before it takes an order, where CATALOGUE=hybrid: products that its copy of the catalogue lacks are
// asked of inventory-service, over a network with latency, and kept. Their events may come before, meanwhile or after.

import type { Product } from '../../inventory-service/store.ts';
import type { CatalogueEntry } from '../../order-service/catalogue-copy.ts';
import { type Known, keepProduct } from '../../order-service/commands.ts';
import type { Requests } from './requests.ts';
import type { WorkloadOptions } from './workload-options.ts';

export type Answers = ReadonlyMap<string, Known>;

export class MissingProducts {
  readonly #options: WorkloadOptions;
  readonly #requests: Requests;

  constructor(options: WorkloadOptions, requests: Requests) {
    this.#options = options;
    this.#requests = requests;
  }

  /** Calls back with what was answered; at once where nothing has to be asked. */
  ask(productIds: readonly string[], done: (answers: Answers) => void): void {
    const store = this.#options.services['order-service'].node?.parts.store;
    const missing = productIds.filter(
      (productId) => this.#options.hybrid && store && !store.catalogue.entry(productId),
    );
    const answers = new Map<string, Known>();
    if (missing.length === 0) return done(answers);
    for (const productId of missing) {
      this.#fetch(productId, (known) => {
        answers.set(productId, known);
        if (answers.size === missing.length) done(answers);
      });
    }
  }

  #fetch(productId: string, done: (known: Known) => void): void {
    const { schedule, random, services, races } = this.#options;
    const slow = random.chance(0.2);
    schedule.after(random.between(1, 5), () => {
      const { node } = services['inventory-service'];
      if (!node) return done('unavailable');
      const product = node.parts.store.product(productId);
      schedule.after(random.between(1, slow ? 900 : 5), () => {
        if (!product) return done('unknown');
        const known = services['order-service'].node?.parts.store.catalogue.entry(productId);
        if (known)
          races.add(`product fetched while its event came: ${known.version > product.version ? 'older' : 'as new'}`);
        else races.add('product fetched before its event came');
        this.#keep(entryOf(product), done);
      });
    });
  }

  #keep(entry: CatalogueEntry, done: (known: Known) => void): void {
    this.#requests.submit(
      this.#options.services['order-service'],
      { what: 'keep product', ...entry },
      (_, { store }) => keepProduct(store, entry),
      () => done(entry),
    );
  }
}

function entryOf({ productId, name, unitPrice, available, version, updatedAt }: Product): CatalogueEntry {
  return { productId, name, unitPrice, available, version, asOf: updatedAt };
}
