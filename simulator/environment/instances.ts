// The instances of order-service in a run: which there are, which take part by now, and who has adopted whom.
import { instanceRoutes } from '../../order-service/instance-routes.ts';
import type { OrderParts } from '../../order-service/service.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { SimService } from './sim-service.ts';

export type OrderService = SimService<OrderParts>;

/** Names of the instances in a run; one for each number. */
const names = ['a', 'b', 'c'] as const;
export const instancesMax = names.length;

/** How many instances the run of a seed has, where nobody says otherwise: half of the runs have none. */
export function instancesOfSeed(seed: number): number {
  return [0, 3, 0, 2, 0, 3, 0, 1][seed % 8] ?? 0;
}

/** @param count 0: order-service has no name, and is alone */
export function instanceNames(count: number): string[] {
  return names.slice(0, count);
}

export class Instances {
  /** All that there ever are; without instances, the one order-service. */
  readonly all: readonly OrderService[];
  readonly #joined = new Set<OrderService>();
  /** Instances that are gone for good, and who has adopted them. */
  readonly adopted = new Map<OrderService, OrderService>();
  /** Instances that are still to be adopted, or to come back after that. */
  readonly awaited = new Set<OrderService>();

  /** @param joinLater how many of them are not there from the beginning */
  constructor(all: readonly OrderService[], joinLater: number) {
    this.all = all;
    for (const one of all.slice(0, all.length - joinLater)) this.#joined.add(one);
  }

  get named(): boolean {
    return this.all.some(({ name, member }) => name !== member);
  }

  /** Those that take part: they are there by now, and not gone for good. */
  get standing(): OrderService[] {
    return this.all.filter((one) => this.#joined.has(one) && !one.gone && !this.adopted.has(one));
  }

  /** Those whose addresses the others know. */
  get known(): OrderService[] {
    return this.all.filter((one) => this.#joined.has(one) && !this.adopted.has(one));
  }

  get waiting(): OrderService[] {
    return this.all.filter((one) => !this.#joined.has(one));
  }

  join(one: OrderService): void {
    this.#joined.add(one);
    one.boot();
  }

  /** Where a gateway sends the next request: to one that is ready, if there is one. */
  choose(pick: (from: readonly OrderService[]) => OrderService): OrderService {
    const { standing } = this;
    const ready = standing.filter(isReady);
    return pick(ready.length > 0 ? ready : standing);
  }

  decides(origin: string, decider: string): boolean {
    for (let at: string | undefined = origin; at !== undefined; ) {
      if (at === decider) return true;
      at = [...this.adopted].find(([gone]) => gone.member === at)?.[1].member;
    }
    return false;
  }
}

export function isReady({ node }: OrderService): boolean {
  return node !== undefined && node.parts.notReady() === undefined;
}

/** As the route does it. */
export function adopt(by: OrderService, gone: OrderService, done: (ok: boolean) => void): void {
  const { node } = by;
  const route =
    node && instanceRoutes(node, { [gone.member]: [] }).find(({ operationId }) => operationId === 'adoptInstance');
  if (!node || !route || !('command' in route)) return done(false);
  node.submit(
    (tx: Transaction) => route.command(tx, { params: { member: gone.member } } as never),
    node.newCause(),
    ({ ok }) => done(ok),
  );
}

/** The orders that one instance has accepted and that are open, as far as this one knows. */
export function openOrdersOf({ member }: OrderService, { database }: OrderService): string[] {
  const open = database.db
    .prepare<[string], string>("SELECT order_id FROM orders WHERE origin = ? AND status IN ('pending', 'cancelling')")
    .pluck();
  return open.all(member);
}
