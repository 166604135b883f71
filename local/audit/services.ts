// The routes of the three services that the audit reads.

import { type PerService, perService } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { InventoryTotals, PaymentTotals } from '../totals.ts';
import {
  type HeldByAll,
  type HeldOrder,
  type HeldPayment,
  type HeldProduct,
  type HeldReservation,
  OrderAnswer,
  OrderPage,
  OrderTotals,
  PaymentAnswer,
  PaymentPage,
  ProductPage,
  Readiness,
  type ReadinessOf,
  ReservationAnswer,
  ReservationPage,
} from './answers.ts';
import { type Entry, inPages, type Joined, joinedById, upTo } from './id-order.ts';
import { type Answer, AuditError, ServiceClient } from './service-client.ts';

/** The largest pages that the routes give. */
const orderPageMax = 100;
const pageMax = 1_000;
/** From so many orders on, near each other, pages are fewer requests than one for each order at each service. */
const rangeMin = 10;

export class Services {
  readonly #order: ServiceClient;
  readonly #payment: ServiceClient;
  readonly #inventory: ServiceClient;

  constructor(urls: PerService<string>, delay: (ms: number) => Promise<unknown>) {
    const clients = perService((service) => new ServiceClient(service, urls[service], delay));
    this.#order = clients['order-service'];
    this.#payment = clients['payment-service'];
    this.#inventory = clients['inventory-service'];
  }

  /** @throws AuditError that names every service which is not there, or is another one */
  async readiness(): Promise<PerService<ReadinessOf>> {
    const found = new Map<ServiceName, ReadinessOf>();
    const problems: string[] = [];
    await Promise.all(
      [this.#order, this.#payment, this.#inventory].map(async (client) => {
        try {
          const readiness = await client.probe('/readyz', Readiness);
          found.set(client.service, readiness);
          if (readiness.service !== client.service)
            problems.push(`At ${client.url} is ${readiness.service}, not ${client.service}.`);
        } catch (error) {
          if (!(error instanceof AuditError)) throw error;
          problems.push(error.message);
        }
      }),
    );
    if (problems.length > 0) throw new AuditError(problems.sort().join('\n'));
    return perService((service) => found.get(service) ?? { service, warnings: [], reconciliation: {} });
  }

  async orderCount(): Promise<number> {
    const totals = await this.#order.get('/totals', OrderTotals);
    return Object.values(totals).reduce((sum, { orders }) => sum + orders, 0);
  }

  paymentTotals = () => this.#payment.get('/totals', PaymentTotals);
  inventoryTotals = () => this.#inventory.get('/totals', InventoryTotals);

  /** Every order that at least one of them knows, in the order of their ids. */
  heldByAll(): AsyncGenerator<
    Joined<Required<{ order: HeldOrder; payment: HeldPayment; reservation: HeldReservation }>>
  > {
    return joinedById({ order: this.#orders(), payment: this.#payments(), reservation: this.#reservations() });
  }

  /**
   * These orders again, by id. Order-service is asked first: what it says follows from what the others had committed
   * before, so an order that ends in between does not look like a disagreement.
   * @param after an order before the first of them
   * @param ids in ascending order, near each other
   */
  async held(after: string | undefined, ids: readonly string[]): Promise<ReadonlyMap<string, HeldByAll>> {
    if (ids.length < rangeMin) {
      return new Map(await Promise.all(ids.map(async (id) => [id, await this.heldOf(id)] as const)));
    }
    const until = ids.at(-1) ?? '';
    const orders = await upTo(this.#orders(after), until);
    const [payments, reservations] = await Promise.all([
      upTo(this.#payments(after), until),
      upTo(this.#reservations(after), until),
    ]);
    return new Map(
      ids.map((id) => [id, { order: orders.get(id), payment: payments.get(id), reservation: reservations.get(id) }]),
    );
  }

  async heldOf(orderId: string): Promise<HeldByAll> {
    const segment = encodeURIComponent(orderId);
    const order = await this.#order.find(`/orders/${segment}`, OrderAnswer);
    const [payment, reservation] = await Promise.all([
      this.#payment.find(`/payments/${segment}`, PaymentAnswer),
      this.#inventory.find(`/reservations/${segment}`, ReservationAnswer),
    ]);
    return { order, payment, reservation };
  }

  /** Every product, with the catalogue's copy of it. */
  products(): AsyncGenerator<Joined<{ product: HeldProduct; copy: HeldProduct }>> {
    return joinedById({ product: productsOf(this.#inventory), copy: productsOf(this.#order) });
  }

  #orders(from?: string): AsyncGenerator<Entry<HeldOrder>> {
    const read = async (after: string | undefined) => {
      const { orders, next } = await this.#order.get(`/orders?${query(orderPageMax, after)}`, OrderPage);
      return { entries: orders.map((value) => ({ id: value.orderId, value })), next };
    };
    return inPages('GET /orders of order-service', read, from);
  }

  #payments(from?: string): AsyncGenerator<Entry<HeldPayment>> {
    const read = async (after: string | undefined) => {
      const { payments, next } = await this.#payment.get(`/payments?${query(pageMax, after)}`, PaymentPage);
      return { entries: payments.map((value) => ({ id: value.orderId, value })), next };
    };
    return inPages('GET /payments of payment-service', read, from);
  }

  #reservations(from?: string): AsyncGenerator<Entry<HeldReservation>> {
    const read = async (after: string | undefined) => {
      const path = `/reservations?${query(pageMax, after)}`;
      const { reservations, next } = await this.#inventory.get(path, ReservationPage);
      return { entries: reservations.map((value) => ({ id: value.orderId, value })), next };
    };
    return inPages('GET /reservations of inventory-service', read, from);
  }

  cancel(orderId: string): Promise<Answer> {
    return this.#order.post(`/orders/${encodeURIComponent(orderId)}/cancel`);
  }
}

function productsOf(client: ServiceClient): AsyncGenerator<Entry<HeldProduct>> {
  return inPages(`GET /products of ${client.service}`, async (after) => {
    const { products } = await client.get(`/products?${query(pageMax, after)}`, ProductPage);
    // Order-service names no next page: a page that is not full is the last.
    const next = products.length === pageMax ? products.at(-1)?.productId : undefined;
    return { entries: products.map((value) => ({ id: value.productId, value })), next };
  });
}

function query(limit: number, after: string | undefined): string {
  return new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after }) }).toString();
}
