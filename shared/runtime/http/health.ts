// Routes that every service has: is it alive, can it take work, what does it offer.
import { z } from 'zod';
import type { ServiceName } from '../../contract/choreography.ts';
import type { BusStatus } from '../messaging/bus.ts';
import type { RelayStatus } from '../messaging/outbox-relay.ts';
import type { Database } from '../storage/database.ts';
import { type Route, route } from './route.ts';

export interface HealthSources {
  readonly service: ServiceName;
  readonly db: Database;
  readonly outboxMax: number;
  relay(): RelayStatus;
  bus(): BusStatus;
  stopping(): boolean;
}

const Readiness = z.object({
  status: z.enum(['ready', 'not-ready']),
  service: z.string(),
  database: z.enum(['ok', 'unavailable']),
  broker: z.object({ publisher: z.string(), consumer: z.string(), lastError: z.string().optional() }),
  outbox: z.object({ waiting: z.int(), unroutable: z.record(z.string(), z.int()) }),
});

export function healthRoutes(sources: HealthSources): Route[] {
  return [
    route({
      method: 'GET',
      path: '/health_check',
      operationId: 'healthCheck',
      summary: 'Whether the service works',
      answers: { 200: { description: 'It does.', schema: z.object({ status: z.literal('ok'), service: z.string() }) } },
      handle: () => ({ status: 200, body: { status: 'ok', service: sources.service } }),
    }),
    route({
      method: 'GET',
      path: '/livez',
      operationId: 'livez',
      summary: 'Whether the process is alive',
      description: 'For a supervisor: no answer means that it should be started again.',
      answers: { 200: { description: 'It is.', schema: z.object({ status: z.literal('alive') }) } },
      handle: () => ({ status: 200, body: { status: 'alive' } }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      operationId: 'readyz',
      summary: 'Whether requests can be taken on now',
      description:
        'A broker that is away does not make a service unready: what it accepts waits in the outbox. ' +
        '`outbox.unroutable` counts messages for which no queue is bound: somebody must look.',
      answers: {
        200: { description: 'They can.', schema: Readiness },
        503: {
          description: 'The database can not be used, the outbox is full, or the service is stopping.',
          schema: Readiness,
        },
      },
      handle: () => {
        const database = isUsable(sources.db) ? 'ok' : 'unavailable';
        const outbox = database === 'ok' ? sources.relay() : { waiting: 0, unroutable: {} };
        const ready = database === 'ok' && outbox.waiting <= sources.outboxMax && !sources.stopping();
        return {
          status: ready ? 200 : 503,
          body: {
            status: ready ? 'ready' : 'not-ready',
            service: sources.service,
            database,
            broker: sources.bus(),
            outbox,
          },
        };
      },
    }),
  ];
}

function isUsable(db: Database): boolean {
  try {
    return db.prepare('SELECT 1').pluck().get() === 1 && db.pragma('query_only', { simple: true }) === 0;
  } catch {
    return false;
  }
}
