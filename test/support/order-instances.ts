// What tests of several order-service instances share: three of them in this process, a product, two customers.
import type { AnyEvent } from '../../shared/contract/choreography.ts';
import { removeDatabases } from './files.ts';
import { SagaInProcess } from './saga-in-process.ts';
import type { Answer } from './serve.ts';
import { eventually } from './wait.ts';

export const users = ['ann', 'bob'] as const;
export const balance = 100_000_000;
const item = { productId: 'CATALOG-001', qty: 1 };

export class OrderInstances {
  readonly saga: SagaInProcess;
  readonly names: readonly string[];

  private constructor(saga: SagaInProcess, names: readonly string[]) {
    this.saga = saga;
    this.names = names;
  }

  static async start(names: readonly string[] = ['a', 'b', 'c']): Promise<OrderInstances> {
    const saga = await SagaInProcess.start(names);
    const instances = new OrderInstances(saga, names);
    for (const user of users) await saga.at('payment-service').put(`/accounts/${user}`, { balance });
    await saga
      .at('inventory-service')
      .put(`/products/${item.productId}`, { name: 'Berlin', unitPrice: 1500, stock: 1_000 });
    await instances.know(({ body }) => body.products.length === 1, '/products');
    return instances;
  }

  async close(): Promise<void> {
    await this.saga.close();
    removeDatabases();
  }

  place(instance: string, userId: string = users[0], { headers = {}, qty = 1, ...rest }: PlaceOptions = {}) {
    return this.saga.order(instance).post('/orders', { userId, items: [{ ...item, qty }], ...rest }, headers);
  }

  /** Resolves when each of them answers so. */
  async know(
    good: (answer: Answer) => boolean,
    path: string,
    instances: readonly string[] = this.names,
  ): Promise<void> {
    for (const instance of instances)
      await eventually(`${instance} to answer ${path} as expected`, () => this.saga.order(instance).get(path), good);
  }

  knowOrder(orderId: string, instances?: readonly string[]): Promise<void> {
    return this.know(({ status }) => status === 200, `/orders/${orderId}`, instances);
  }

  has(orderId: string, status: string, instances?: readonly string[]): Promise<void> {
    return this.know(({ body }) => body.status === status, `/orders/${orderId}`, instances);
  }

  /** Resolves with what all answer to every read, once that is the same and no order is open. */
  async same(instances: readonly string[] = this.names): Promise<string> {
    const [text = ''] = await eventually(
      'all instances to answer the same, and no order to be open',
      () => Promise.all(instances.map((instance) => this.saga.everything(instance, users))),
      ([first = '', ...others]) =>
        others.every((other) => other === first) && /"pending":{"orders":0,.*"cancelling":{"orders":0,/.test(first),
    );
    return text;
  }

  published(instance: string): AnyEvent['type'][] {
    return this.saga
      .order(instance)
      .published()
      .map(({ type }) => type);
  }
}

interface PlaceOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly qty?: number;
  readonly deadlineMs?: number;
}
