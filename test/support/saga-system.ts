// All services as real processes on a real broker, driven over HTTP, for scenario tests.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import { ServiceProcess } from '../../local/service-process.ts';
import { serviceAddresses } from '../../local/system.ts';
import { type PerService, perService, serviceNames } from '../../services.ts';
import { newVhost } from './broker.ts';
import { eventually } from './wait.ts';

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

export interface OrderView {
  readonly orderId: string;
  readonly status: 'pending' | 'cancelling' | 'confirmed' | 'cancelled';
  readonly reason?: string;
  readonly total: number;
  readonly waitsFor: readonly {
    readonly service: string;
    readonly events: readonly string[];
    readonly since: string;
  }[];
}

/** What a service says of its connections to the broker. */
export interface Readiness {
  readonly broker: { readonly publisher: string; readonly consumer: string; readonly lastError?: string };
}

export interface Item {
  readonly productId: string;
  readonly qty: number;
}

export async function http<T = Record<string, unknown>>(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply<T>> {
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as T, headers: response.headers };
}

/** Another run may take a port between its choice and its use. */
const startTries = 3;

export class SagaSystem {
  readonly amqpUrl: string;
  readonly #processes: PerService<ServiceProcess>;
  /** What the services logged, as JSON lines. */
  readonly logLines: string[] = [];
  readonly #dataDir: string;

  private constructor(amqpUrl: string, env: Readonly<Record<string, string>>, ports: PerService<number>) {
    this.amqpUrl = amqpUrl;
    this.#dataDir = mkdtempSync(join(tmpdir(), 'saga-test-'));
    this.#processes = perService(
      (service) =>
        new ServiceProcess({
          service,
          amqpUrl,
          dataDir: this.#dataDir,
          port: ports[service],
          env: { ...serviceAddresses(ports), ...env },
          onLine: (line) => this.logLines.push(line),
        }),
    );
  }

  /** Prepares the services without starting any; on a virtual host of their own unless a URL is given. */
  static async prepare(env: Readonly<Record<string, string>> = {}, amqpUrl?: string): Promise<SagaSystem> {
    const free = await freePorts(serviceNames.length);
    return new SagaSystem(
      amqpUrl ?? (await newVhost()),
      env,
      perService((_, index) => free[index] ?? 0),
    );
  }

  static async start(
    env: Readonly<Record<string, string>> = {},
    amqpUrl?: string,
    tries = startTries,
  ): Promise<SagaSystem> {
    const system = await SagaSystem.prepare(env, amqpUrl);
    const starts = await Promise.allSettled(system.services.map((service) => service.start()));
    const failed = starts.find((start) => start.status === 'rejected');
    if (!failed) return system;
    // None is left behind, whichever it was.
    await system.stop();
    const portWasTaken = /port \d+ is taken/.test(String(failed.reason));
    if (portWasTaken && tries > 1) return SagaSystem.start(env, amqpUrl, tries - 1);
    throw failed.reason;
  }

  get services(): ServiceProcess[] {
    return serviceNames.map((name) => this.#processes[name]);
  }

  get order(): ServiceProcess {
    return this.#processes['order-service'];
  }

  get payment(): ServiceProcess {
    return this.#processes['payment-service'];
  }

  get inventory(): ServiceProcess {
    return this.#processes['inventory-service'];
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill()));
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  account(userId: string, balance: number): Promise<Reply> {
    return http('PUT', `${this.payment.url}/accounts/${userId}`, { balance });
  }

  /** Creates or changes a product, and waits until order-service knows it. */
  async product(productId: string, unitPrice: number, stock: number): Promise<void> {
    await http('PUT', `${this.inventory.url}/products/${productId}`, { name: productId, unitPrice, stock });
    await eventually(
      `order-service's catalogue to have ${productId} at ${unitPrice}`,
      () =>
        http<{ products: { productId: string; unitPrice: number }[] }>('GET', `${this.order.url}/products?limit=1000`),
      ({ body }) => body.products.some((entry) => entry.productId === productId && entry.unitPrice === unitPrice),
    );
  }

  async place(userId: string, items: readonly Item[], headers: Record<string, string> = {}): Promise<OrderView> {
    const { status, body } = await http<OrderView>('POST', `${this.order.url}/orders`, { userId, items }, headers);
    expect(status, JSON.stringify(body)).to.be.oneOf([200, 202]);
    return body;
  }

  async view(orderId: string): Promise<OrderView> {
    return (await http<OrderView>('GET', `${this.order.url}/orders/${orderId}`)).body;
  }

  cancel(orderId: string): Promise<Reply<OrderView>> {
    return http<OrderView>('POST', `${this.order.url}/orders/${orderId}/cancel`);
  }

  /** Resolves when the order has ended. */
  ended(orderId: string, timeoutMs?: number): Promise<OrderView> {
    return eventually(
      `order ${orderId} to end`,
      () => this.view(orderId),
      ({ status }) => status === 'confirmed' || status === 'cancelled',
      timeoutMs,
    );
  }

  /** Resolves when order-service knows of the event. */
  knows(orderId: string, type: string): Promise<unknown> {
    return eventually(
      `order-service to know '${type}' of order ${orderId}`,
      () => this.timeline(orderId),
      (types) => types.includes(type),
    );
  }

  async timeline(orderId: string): Promise<string[]> {
    const { body } = await http<{ events: { type: string }[] }>('GET', `${this.order.url}/orders/${orderId}/timeline`);
    return body.events.map(({ type }) => type);
  }

  async balance(userId: string): Promise<number> {
    return (await http<{ balance: number }>('GET', `${this.payment.url}/accounts/${userId}`)).body.balance;
  }

  async stock(productId: string): Promise<number> {
    return (await http<{ stock: number }>('GET', `${this.inventory.url}/products/${productId}`)).body.stock;
  }

  async totals(): Promise<Totals> {
    const get = async <T>(service: ServiceProcess) => (await http<T>('GET', `${service.url}/totals`)).body;
    const [order, payment, inventory] = await Promise.all([
      get<Totals['order']>(this.order),
      get<Totals['payment']>(this.payment),
      get<Totals['inventory']>(this.inventory),
    ]);
    return { order, payment, inventory };
  }

  /** Waits until no order is under way and every outbox is empty. */
  async quiet(timeoutMs = 60_000): Promise<Totals> {
    const totals = await eventually(
      'every order to end',
      () => this.totals(),
      ({ order }) => order.pending.orders === 0 && order.cancelling.orders === 0,
      timeoutMs,
    );
    for (const service of this.services) {
      await eventually(
        `the outbox of ${service.service} to be empty`,
        () => http<{ outbox: { waiting: number } }>('GET', `${service.url}/readyz`),
        ({ body }) => body.outbox.waiting === 0,
        timeoutMs,
      );
    }
    return totals;
  }

  /** P3, P4, P5: what the three services hold agrees, and every sum comes out even. */
  async expectBalanced(): Promise<Totals> {
    await this.quiet();
    const totals = await this.totals();
    const { order, payment, inventory } = totals;
    expect(payment.balances, 'balances').to.equal(payment.paidIn - payment.charged + payment.refunded);
    expect(inventory.stock, 'stock').to.equal(inventory.broughtIn - inventory.reserved + inventory.released);
    expect(payment.charged - payment.refunded, 'kept money').to.equal(order.confirmed.total);
    return totals;
  }
}

export interface Totals {
  readonly order: Readonly<
    Record<'pending' | 'cancelling' | 'confirmed' | 'cancelled', { readonly orders: number; readonly total: number }>
  >;
  readonly payment: {
    readonly balances: number;
    readonly paidIn: number;
    readonly charged: number;
    readonly refunded: number;
  };
  readonly inventory: {
    readonly stock: number;
    readonly broughtIn: number;
    readonly reserved: number;
    readonly released: number;
  };
}
