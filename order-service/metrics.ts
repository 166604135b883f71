// The metrics that only order-service has: how many orders there are, what the open ones wait for, how long a saga takes.
import type { Clock } from '../shared/runtime/environment/clock.ts';
import type { MetricCatalogue, MetricRegistry, Sample } from '../shared/runtime/http/metrics/metric-registry.ts';
import { ageSeconds } from '../shared/runtime/http/metrics/service-metrics.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import { OpenOrders } from './open-orders.ts';
import { placedAtMsOf } from './order.ts';
import type { OrderParts } from './service.ts';

export const orderMetrics = {
  saga_orders: { kind: 'gauge', help: 'Orders, by status.', labels: ['status'] },
  saga_orders_waiting: {
    kind: 'gauge',
    help: 'Orders that have not ended, by the service that they wait for. One may wait for two.',
    labels: ['waits_for'],
  },
  saga_orders_oldest_waiting_age_seconds: {
    kind: 'gauge',
    help: 'Time since the oldest of them was placed; 0: there is none.',
    labels: ['waits_for'],
  },
  saga_duration_seconds: {
    kind: 'histogram',
    help: 'From the placing of an order to its end, by outcome.',
    labels: ['outcome'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600],
  },
} as const satisfies MetricCatalogue;

const outcomes: Readonly<Record<string, 'confirmed' | 'cancelled'>> = {
  'order.confirmed': 'confirmed',
  'order.cancelled': 'cancelled',
};

export function addOrderMetrics(registry: MetricRegistry, node: ServiceNode<OrderParts>, clock: Clock): void {
  const { statistics } = node.parts;
  const open = new OpenOrders(statistics, clock);
  const { saga_duration_seconds: duration, ...read } = orderMetrics;
  registry.read(read, {
    saga_orders: () => {
      const ended = statistics.ended().map(({ status, orders }) => ({ labels: { status }, value: orders }));
      return [...ended, ...samples('status', open.count()?.byStatus, (orders) => orders)];
    },
    saga_orders_waiting: () => samples('waits_for', open.count()?.byService, ({ orders }) => orders),
    saga_orders_oldest_waiting_age_seconds: () =>
      samples('waits_for', open.count()?.byService, ({ oldestPlacedAtMs }) =>
        oldestPlacedAtMs === undefined ? 0 : ageSeconds(oldestPlacedAtMs, clock),
      ),
  });
  const observe = registry.histogram('saga_duration_seconds', duration);
  node.onPublished(({ type, subject, time }) => {
    const outcome = outcomes[type];
    if (outcome) observe(Math.max(0, Date.parse(time) - placedAtMsOf(subject)) / 1_000, { outcome });
  });
}

function samples<T>(label: string, values: Readonly<Record<string, T>> = {}, read: (value: T) => number): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value: read(value) }));
}
