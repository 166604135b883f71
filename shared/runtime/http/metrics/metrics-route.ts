// GET /metrics, for Prometheus. It is answered whatever the load is, and does not wait for the database.
import { z } from 'zod';
import { type Route, route } from '../route.ts';
import type { MetricRegistry } from './metric-registry.ts';

export function metricsRoute(registry: MetricRegistry): Route {
  return route({
    method: 'GET',
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    description:
      'In the text format of Prometheus. What cannot be told now, such as the depth of a queue without a connection to the ' +
      'broker, is left out.',
    lane: 'service',
    answers: { 200: { description: 'All metrics.', schema: z.string(), contentType: 'text/plain' } },
    handle: async () => ({
      status: 200,
      body: await registry.text(),
      headers: { 'content-type': registry.contentType },
    }),
  });
}
