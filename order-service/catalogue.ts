// Where the prices of an order come from. Three ways to share another service's data:
//   copy    the own copy, which product.updated keeps up to date
//   sync    inventory-service is asked at every order
//   hybrid  the own copy; a product that it lacks is asked for once, and kept
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { Observed } from '../shared/runtime/process/service-program.ts';
import { type Settings, SettingsError } from '../shared/runtime/process/settings.ts';
import { type Known, keepProduct, type LookUp } from './commands.ts';
import { ProductClient } from './product-client.ts';
import type { OrderParts } from './service.ts';

/** What inventory-service has answered for one order, by product. */
export type Answers = ReadonlyMap<string, Known>;

export interface Catalogue {
  /** Asks what has to be asked before an order can be placed. Undefined: nothing has to be. */
  prepare(productIds: readonly string[]): Promise<Answers> | undefined;
  /** What the order then goes by. */
  lookUp(answers: Answers | undefined): LookUp;
}

/** @throws SettingsError when it would have to ask inventory-service, and its address is not set */
export function catalogueOf(
  node: ServiceNode<OrderParts>,
  { CATALOGUE, serviceUrls }: Pick<Settings, 'CATALOGUE' | 'serviceUrls'>,
  { log, metrics }: Observed,
): Catalogue {
  const urls = serviceUrls['inventory-service'];
  if (CATALOGUE === 'sync') {
    if (urls === undefined)
      throw new SettingsError('CATALOGUE=sync needs INVENTORY_SERVICE_URL: inventory-service is asked at every order');
    return synchronous(new ProductClient(urls, log, metrics));
  }
  if (CATALOGUE === 'copy' || urls === undefined) return copyOnly(node);
  return hybrid(node, new ProductClient(urls, log, metrics));
}

function copyOnly({ parts: { store } }: ServiceNode<OrderParts>): Catalogue {
  return { prepare: () => undefined, lookUp: () => (productId) => store.catalogue.entry(productId) ?? 'unknown' };
}

function synchronous(client: ProductClient): Catalogue {
  const fresh = new FreshAnswers((productId) => client.ask(productId));
  return {
    prepare: (productIds) => all(productIds, (productId) => fresh.ask(productId)),
    lookUp: (answers) => (productId) => answers?.get(productId) ?? 'unavailable',
  };
}

function hybrid(node: ServiceNode<OrderParts>, client: ProductClient): Catalogue {
  const { store } = node.parts;
  const asking = new Map<string, Promise<Known>>();
  // An entry is never deleted: an order for what was there once costs no look.
  const present = new Set<string>();
  const lacks = (productId: string): boolean => {
    if (present.has(productId)) return false;
    if (!store.catalogue.entry(productId)) return true;
    present.add(productId);
    return false;
  };
  const ask = (productId: string): Promise<Known> => {
    const known = asking.get(productId);
    if (known !== undefined) return known;
    const asked = client
      .ask(productId)
      .then((answer) => kept(node, answer))
      .finally(() => asking.delete(productId));
    asking.set(productId, asked);
    return asked;
  };
  return {
    prepare: (productIds) => {
      const missing = productIds.filter(lacks);
      return missing.length === 0 ? undefined : all(missing, ask);
    },
    // An event may have brought it meanwhile.
    lookUp: (answers) => (productId) => store.catalogue.entry(productId) ?? answers?.get(productId) ?? 'unknown',
  };
}

/** Keeps an answer in a transaction of its own: it stays also when the order that asked for it is refused. */
async function kept(node: ServiceNode<OrderParts>, answer: Known): Promise<Known> {
  if (typeof answer === 'string') return answer;
  // Where the database cannot be written now, the order itself is refused for that.
  await node.transact(() => keepProduct(node.parts.store, answer), node.newCause()).catch(() => {});
  return answer;
}

async function all(productIds: readonly string[], ask: (productId: string) => Promise<Known>): Promise<Answers> {
  const different = [...new Set(productIds)];
  return new Map(await Promise.all(different.map(async (id): Promise<[string, Known]> => [id, await ask(id)])));
}

/**
 * Answers about one thing at a time for all who ask. Who asks while one is on its way shares the next one, since that one may be
 * from before their question.
 */
export class FreshAnswers<T> {
  readonly #ask: (key: string) => Promise<T>;
  readonly #current = new Map<string, Promise<T>>();
  readonly #next = new Map<string, Promise<T>>();

  /** @param ask does not reject */
  constructor(ask: (key: string) => Promise<T>) {
    this.#ask = ask;
  }

  ask(key: string): Promise<T> {
    const current = this.#current.get(key);
    if (!current) return this.#begin(key);
    const next = this.#next.get(key) ?? current.then(() => this.#begin(key));
    this.#next.set(key, next);
    return next;
  }

  #begin(key: string): Promise<T> {
    this.#next.delete(key);
    const asked = this.#ask(key).finally(() => {
      if (this.#current.get(key) === asked) this.#current.delete(key);
    });
    this.#current.set(key, asked);
    return asked;
  }
}
