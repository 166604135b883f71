// The labels of every series name that the services have, and of those that Prometheus itself makes.
import { orderMetrics } from '../../order-service/metrics.ts';
import { type MetricCatalogue, MetricRegistry } from '../../shared/runtime/http/metrics/metric-registry.ts';
import { serviceMetrics } from '../../shared/runtime/http/metrics/service-metrics-catalogue.ts';
import { readExposition } from './exposition.ts';

export async function labelsByName(): Promise<Map<string, readonly string[]>> {
  const catalogue: MetricCatalogue = { ...serviceMetrics, ...orderMetrics };
  const known = new Map<string, readonly string[]>([
    ['up', []],
    ['ALERTS', ['alertname', 'alertstate', 'severity']],
  ]);
  for (const [name, { kind, labels = [] }] of Object.entries(catalogue)) {
    if (kind !== 'histogram') known.set(name, labels);
    else
      for (const part of ['bucket', 'sum', 'count'])
        known.set(`${name}_${part}`, [...labels, ...(part === 'bucket' ? ['le'] : [])]);
  }
  for (const name of readExposition(await new MetricRegistry().text()).keys())
    if (!known.has(name)) known.set(name, []);
  return known;
}
