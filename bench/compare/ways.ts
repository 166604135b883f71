// What is compared: the problem of split databases and its three cures, and three ways to share another service's data.
import type { OrderDeployment } from '../../local/order-processes.ts';

export interface Way {
  readonly name: string;
  /** What it is a way of. */
  readonly of: 'databases' | 'catalogue';
  readonly title: string;
  readonly orders: OrderDeployment;
  /** Settings of all services. */
  readonly env?: Readonly<Record<string, string>>;
  /** The process that is killed in the middle, by its label. */
  readonly killed: string;
}

export const ways: readonly Way[] = [
  {
    name: 'split',
    of: 'databases',
    title: 'split: two databases that know nothing of each other',
    orders: { instances: 2, splitDatabases: true },
    killed: 'order-service.b',
  },
  {
    name: 'instances',
    of: 'databases',
    title: 'instances in sync, a database each',
    orders: { instances: 2 },
    killed: 'order-service.b',
  },
  {
    name: 'shared',
    of: 'databases',
    title: 'one shared database, two processes',
    orders: { instances: 2, sharedDatabase: true },
    killed: 'order-service-2',
  },
  {
    name: 'reads',
    of: 'databases',
    title: 'one write side, one read database',
    orders: { instances: 1, readDatabase: true },
    killed: 'order-service.reads',
  },
  ...(['copy', 'sync', 'hybrid'] as const).map(
    (name): Way => ({
      name,
      of: 'catalogue',
      title: { copy: 'copy, kept by events', sync: 'synchronous calls', hybrid: 'hybrid' }[name],
      orders: {},
      env: { CATALOGUE: name },
      killed: 'inventory-service',
    }),
  ),
];
