// The audit: walks everything that the three services hold side by side, and reports what disagrees. It only reads.
import { type PerService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { OrderId } from '../../shared/contract/event-data.ts';
import type { HeldByAll, InventorySums, PaymentSums, ReadinessOf } from './answers.ts';
import type { Disagreement, ReconciliationState, Timing } from './finding.ts';
import { brokenBy } from './order-rules.ts';
import { productDisagreement } from './product-rules.ts';
import type { Services } from './services.ts';
import { type Look, Settling } from './settling.ts';
import {
  inventorySumsDisagreement,
  ledgerDisagreement,
  movementsDisagreement,
  paymentSumsDisagreement,
} from './totals-rules.ts';

export interface Observer {
  /** What a service itself warns of. It is no disagreement, but often the cause of one. */
  warning(service: ServiceName, text: string): void;
  disagreement(disagreement: Disagreement): void;
  progress(compared: number, orders: number): void;
}

export interface Summary {
  /** Read of each. */
  readonly orders: number;
  readonly payments: number;
  readonly reservations: number;
  readonly products: number;
  /** Orders that disagreed at first and agreed when they were read again. */
  readonly settled: number;
  readonly disagreements: number;
  /** How many break each rule. */
  readonly byRule: Readonly<Record<string, number>>;
  /** Ids of the orders that `--repair` can do something about. */
  readonly repairable: readonly string[];
  /** What could not be compared, and why. */
  readonly notCompared: readonly string[];
}

/** @throws AuditError when a service cannot be read */
export async function audit(services: Services, timing: Timing, observer: Observer): Promise<Summary> {
  const readiness = await services.readiness();
  for (const service of serviceNames)
    for (const warning of readiness[service].warnings) observer.warning(service, warning);
  return new Audit(services, timing, observer, readiness).run();
}

class Audit {
  readonly #services: Services;
  readonly #timing: Timing;
  readonly #observer: Observer;
  readonly #reconciliation: ReconciliationState;
  #disagreements = 0;
  readonly #byRule: Record<string, number> = {};
  readonly #repairable: string[] = [];
  readonly #notCompared: string[] = [];

  constructor(services: Services, timing: Timing, observer: Observer, readiness: PerService<ReadinessOf>) {
    this.#services = services;
    this.#timing = timing;
    this.#observer = observer;
    this.#reconciliation = (service, publisher) => readiness[service].reconciliation[publisher]?.state ?? 'off';
  }

  async run(): Promise<Summary> {
    const products = await this.#products();
    const before = await this.#totals();
    const walked = await this.#orders();
    this.#sums(before, await this.#totals(), walked);
    const { orders, payments, reservations, settled } = walked;
    return {
      ...{ orders, payments, reservations, products, settled },
      disagreements: this.#disagreements,
      byRule: this.#byRule,
      repairable: this.#repairable,
      notCompared: this.#notCompared,
    };
  }

  #report(disagreement: Disagreement): void {
    this.#disagreements += 1;
    for (const { rule } of disagreement.broken) this.#byRule[rule] = (this.#byRule[rule] ?? 0) + 1;
    if (disagreement.broken.some(({ repairable }) => repairable)) this.#repairable.push(disagreement.id);
    this.#observer.disagreement(disagreement);
  }

  async #orders() {
    const { nowMs, graceMs } = this.#timing;
    const of = (id: string, held: HeldByAll) => this.#orderDisagreement(id, held, { nowMs: nowMs(), graceMs });
    const look: Look = async ({ after, ids }) => {
      const held = await this.#services.held(after, ids);
      return new Map(
        ids.flatMap((id) => {
          const disagreement = of(id, held.get(id) ?? {});
          return disagreement ? [[id, disagreement]] : [];
        }),
      );
    };
    const settling = new Settling(this.#timing, look, (disagreement) => this.#report(disagreement));
    const count = { orders: 0, payments: 0, reservations: 0, completed: 0, reserved: 0 };
    const expected = await this.#services.orderCount();
    let place = 0;
    let before: string | undefined;
    for await (const { id, of: held } of this.#services.heldByAll()) {
      const { order, payment, reservation } = held;
      if (order) count.orders += 1;
      if (payment) count.payments += 1;
      if (reservation) count.reservations += 1;
      if (payment?.status === 'completed') count.completed += payment.amount ?? 0;
      if (reservation?.status === 'reserved')
        count.reserved += reservation.items?.reduce((sum, { qty }) => sum + qty, 0) ?? 0;
      const disagreement = of(id, held);
      place += 1;
      // What cannot be the id of an order was not written by the services, and they would refuse to be asked for it.
      const possible = OrderId.safeParse(id).success;
      if (disagreement && possible) await settling.add(id, place, before);
      else if (disagreement) this.#report(disagreement);
      if (possible) before = id;
      this.#observer.progress(count.orders, Math.max(expected, count.orders));
    }
    await settling.finish();
    return { ...count, settled: settling.settled };
  }

  #orderDisagreement(
    id: string,
    { order, payment, reservation }: HeldByAll,
    at: { readonly nowMs: number; readonly graceMs: number },
  ): Disagreement | undefined {
    const broken = brokenBy({ order, payment, reservation }, { ...at, reconciliation: this.#reconciliation });
    if (broken.length === 0) return undefined;
    const holds = {
      'order-service': order ?? null,
      'payment-service': payment ?? null,
      'inventory-service': reservation ?? null,
    };
    return { about: 'order', id, holds, broken };
  }

  /** There are far fewer products than orders, so all are read again when some differ. */
  async #products(): Promise<number> {
    let products = 0;
    const differing = async (): Promise<Disagreement[]> => {
      const found: Disagreement[] = [];
      products = 0;
      for await (const { id, of: held } of this.#services.products()) {
        if (held.product) products += 1;
        const disagreement = productDisagreement(id, held, this.#reconciliation);
        if (disagreement) found.push(disagreement);
      }
      return found;
    };
    let found = await differing();
    for (const part of [0.1, 0.3, 0.6]) {
      if (found.length === 0) break;
      await this.#timing.delay(part * this.#timing.settleMs);
      const again = new Map((await differing()).map((disagreement) => [disagreement.id, disagreement]));
      found = found.flatMap(({ id }) => again.get(id) ?? []);
    }
    for (const disagreement of found) this.#report(disagreement);
    return products;
  }

  async #totals(): Promise<{ readonly payment: PaymentSums; readonly inventory: InventorySums }> {
    const [payment, inventory] = await Promise.all([this.#services.paymentTotals(), this.#services.inventoryTotals()]);
    return { payment, inventory };
  }

  #sums(
    before: { readonly payment: PaymentSums; readonly inventory: InventorySums },
    { payment, inventory }: { readonly payment: PaymentSums; readonly inventory: InventorySums },
    walked: { readonly completed: number; readonly reserved: number },
  ): void {
    const moneyMoved = payment.charged !== before.payment.charged || payment.refunded !== before.payment.refunded;
    const stockMoved =
      inventory.reserved !== before.inventory.reserved || inventory.released !== before.inventory.released;
    const moved = 'orders were handled while they were read; run the audit again when the system is quiet';
    if (moneyMoved) this.#notCompared.push(`the sum of the payments with the ledger: ${moved}`);
    if (stockMoved) this.#notCompared.push(`the sum of the reservations with the movements of stock: ${moved}`);
    const found = [
      paymentSumsDisagreement(payment),
      moneyMoved ? undefined : ledgerDisagreement(payment, walked.completed),
      inventorySumsDisagreement(inventory),
      stockMoved ? undefined : movementsDisagreement(inventory, walked.reserved),
    ];
    for (const disagreement of found) if (disagreement) this.#report(disagreement);
  }
}
