// Three services that answer what the audit reads, from maps that a test fills as it likes: also with what real services
// would never hold.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type {
  HeldOrder,
  HeldPayment,
  HeldProduct,
  HeldReservation,
  InventorySums,
  PaymentSums,
} from '../../local/audit/answers.ts';
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';

export const nowMs = Date.parse('2030-01-01T12:00:00.000Z');
const at = (ms: number): string => new Date(ms).toISOString();

/** The nth order id; a larger n comes later in the lists. */
export function idOf(n: number): string {
  return `01a1fc35-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

type Answer = readonly [status: number, body: object];

export class FakeServices {
  readonly orders = new Map<string, HeldOrder>();
  readonly payments = new Map<string, HeldPayment>();
  readonly reservations = new Map<string, HeldReservation>();
  readonly products = new Map<string, HeldProduct>();
  readonly copies = new Map<string, HeldProduct>();
  readonly warnings: Record<ServiceName, string[]> = perService(() => []);
  reconciliation = 'reconciled';
  /** Added to what the sums would be. */
  paymentOffset: Partial<PaymentSums> = {};
  inventoryOffset: Partial<InventorySums> = {};
  /** Most entries of a page, whatever is asked for. */
  pageMax = 1_000;
  /** Every request, such as `order-service GET /orders?limit=100`. */
  readonly requests: string[] = [];
  /** Called before each answer. */
  onRequest: (request: string) => void = () => {};
  onCancel: (orderId: string) => Answer = () => [409, problem('order-confirmed')];
  readonly #servers: Server[] = [];
  #urls: PerService<string> = perService(() => '');

  async start(): Promise<void> {
    const listening = serviceNames.map(async (service) => {
      const server = createServer((request, response) => this.#respond(service, request, response));
      this.#servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return [service, `http://127.0.0.1:${(server.address() as AddressInfo).port}`] as const;
    });
    const urls = new Map(await Promise.all(listening));
    this.#urls = perService((service) => urls.get(service) ?? '');
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }

  get urls(): PerService<string> {
    return this.#urls;
  }

  /** A confirmed order of alice, 2 × PEN for 300, as all three services should hold it. */
  addConfirmed(n: number): string {
    const orderId = idOf(n);
    this.orders.set(orderId, orderOf(orderId, 'confirmed'));
    this.payments.set(orderId, { orderId, status: 'completed', userId: 'alice', amount: 300, updatedAt: at(nowMs) });
    this.reservations.set(orderId, { orderId, status: 'reserved', items: [pens], updatedAt: at(nowMs) });
    return orderId;
  }

  /** The same order, withdrawn after all was done. */
  addCancelled(n: number): string {
    const orderId = this.addConfirmed(n);
    this.change(orderId, { order: 'cancelled', payment: 'refunded', reservation: 'released' });
    return orderId;
  }

  /** The same order, open since its deadline. */
  addOpen(n: number, status: 'pending' | 'cancelling', deadlineAgoMs: number): string {
    const orderId = idOf(n);
    const waitsFor = [{ service: 'payment-service', events: ['payment.voided'], since: at(nowMs - deadlineAgoMs) }];
    this.orders.set(orderId, { ...orderOf(orderId, status), deadlineAt: at(nowMs - deadlineAgoMs), waitsFor });
    return orderId;
  }

  addProduct(productId: string): HeldProduct {
    const product = { productId, name: productId, unitPrice: 150, available: true, version: 3 };
    this.products.set(productId, product);
    this.copies.set(productId, product);
    return product;
  }

  /** Other statuses, or `none`: the service knows nothing of the order. */
  change(
    orderId: string,
    to: {
      order?: HeldOrder['status'] | 'none';
      payment?: HeldPayment['status'] | 'none';
      reservation?: HeldReservation['status'] | 'none';
    },
  ): void {
    replace(this.orders, orderId, to.order);
    replace(this.payments, orderId, to.payment);
    replace(this.reservations, orderId, to.reservation);
  }

  #respond(service: ServiceName, request: IncomingMessage, response: ServerResponse): void {
    const name = `${service} ${request.method} ${request.url}`;
    this.requests.push(name);
    this.onRequest(name);
    const url = new URL(request.url ?? '', 'http://fake');
    const [status, body] = this.#answer(
      service,
      request.method ?? '',
      url.pathname.slice(1).split('/'),
      url.searchParams,
    );
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #answer(service: ServiceName, method: string, [list = '', id, action]: string[], query: URLSearchParams): Answer {
    if (method === 'POST' && action === 'cancel' && id !== undefined) return this.onCancel(id);
    if (list === 'readyz') return [200, this.#readiness(service)];
    if (list === 'totals') return [200, this.#totals(service)];
    if (list === 'products') {
      const from = service === 'order-service' ? this.copies : this.products;
      const { entries } = page(from, query, this.pageMax);
      return [200, { products: entries }];
    }
    const lists = { orders: this.orders, payments: this.payments, reservations: this.reservations };
    const from: ReadonlyMap<string, object> | undefined = Object.entries(lists).find(([name]) => name === list)?.[1];
    if (!from) return [404, problem('no-such-route')];
    if (id !== undefined) return from.has(id) ? [200, from.get(id) ?? {}] : [404, problem('no-such-order')];
    const { entries, next } = page(from, query, this.pageMax);
    return [200, { [list]: entries, next }];
  }

  #readiness(service: ServiceName): object {
    const others = serviceNames.filter((name) => name !== service);
    const reconciliation = Object.fromEntries(others.map((name) => [name, { state: this.reconciliation }]));
    return { service, warnings: this.warnings[service], reconciliation };
  }

  #totals(service: ServiceName): object {
    if (service === 'order-service') return { confirmed: { orders: this.orders.size, total: 0 } };
    if (service === 'payment-service') {
      const [completed, refunded] = (['completed', 'refunded'] as const).map((status) =>
        sum(
          [...this.payments.values()].filter((payment) => payment.status === status).map(({ amount }) => amount ?? 0),
        ),
      ) as [number, number];
      const sums = { balances: 10_000 - completed, paidIn: 10_000, charged: completed + refunded, refunded };
      return plus(sums, this.paymentOffset);
    }
    const units = (status: string) =>
      sum(
        [...this.reservations.values()]
          .filter((reservation) => reservation.status === status)
          .flatMap(({ items = [] }) => items.map(({ qty }) => qty)),
      );
    const [reserved, released] = [units('reserved'), units('released')];
    const sums = { stock: 5_000 - reserved, broughtIn: 5_000, reserved: reserved + released, released };
    return plus(sums, this.inventoryOffset);
  }
}

const pens = { productId: 'PEN', qty: 2 };

function orderOf(orderId: string, status: HeldOrder['status']): HeldOrder {
  return {
    ...{ orderId, userId: 'alice', status, items: [pens], total: 300, waitsFor: [] },
    placedAt: at(nowMs - 60_000),
    deadlineAt: at(nowMs - 30_000),
  };
}

function replace<T extends { readonly status: string }>(
  held: Map<string, T>,
  orderId: string,
  status: T['status'] | 'none' | undefined,
): void {
  const before = held.get(orderId);
  if (status === 'none') held.delete(orderId);
  else if (status !== undefined && before) held.set(orderId, { ...before, status });
}

function page(from: ReadonlyMap<string, object>, query: URLSearchParams, pageMax: number) {
  const after = query.get('after') ?? '';
  const limit = Math.min(Number(query.get('limit')), pageMax);
  const ids = [...from.keys()].sort().filter((id) => id > after);
  const shown = ids.slice(0, limit);
  return { entries: shown.map((id) => from.get(id)), next: ids.length > limit ? shown.at(-1) : undefined };
}

function problem(code: string): object {
  return { type: `urn:problem:${code}`, title: code, status: 400, detail: code };
}

function plus<T extends Record<string, number>>(sums: T, offset: Partial<T>): Record<string, number> {
  return Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, value + (offset[name] ?? 0)]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
