// Routes that every service has: is it alive, can it take work, what is wrong. None of them touches the database: a probe
// must get its answer also when a write hangs.
import { z } from 'zod';
import type { BusStatus } from '../messaging/bus.ts';
import type { PutBack } from '../messaging/journal-queries.ts';
import type { RelayStatus } from '../messaging/outbox-relay.ts';
import type { PublisherStatus } from '../messaging/publisher-reconciliation.ts';
import { type HttpAnswer, type Route, route } from './route.ts';

export interface HealthSources {
  readonly service: string;
  readonly outboxMax: number;
  /** Why the last write failed, if it did. */
  storageError(): string | undefined;
  relay(): RelayStatus;
  bus(): BusStatus;
  reconciliation(): Readonly<Record<string, PublisherStatus>>;
  putBack(): PutBack | undefined;
  stopping(): boolean;
  /** The named instance, where there are several. */
  readonly instance?: string | undefined;
  /** Named instances whose events come here although their addresses are not set. */
  strangers?(): readonly string[];
  /** Why it cannot take part yet. */
  notReady?(): string | undefined;
}

const Readiness = z.object({
  status: z.enum(['ready', 'not-ready']),
  service: z.string(),
  instance: z.string().optional(),
  warnings: z.array(z.string()).describe('What needs attention; empty if nothing does.'),
  database: z.enum(['ok', 'unavailable']),
  broker: z.object({
    publisher: z.string(),
    consumer: z.string(),
    lastError: z.string().optional(),
    confirmsNothing: z.boolean().optional(),
    deadLetters: z.int().optional().describe('Messages in the dead-letter queue of this service, a few seconds ago.'),
  }),
  outbox: z.object({ waiting: z.int(), unroutable: z.record(z.string(), z.int()) }),
  reconciliation: z
    .record(
      z.string(),
      z.object({
        state: z.enum(['off', 'starting', 'reconciled', 'behind', 'unreachable']),
        reconciledUntil: z.int(),
        head: z.int(),
        fetched: z.int(),
        unknown: z.int(),
        lastError: z.string().optional(),
      }),
    )
    .describe('How far the journal of each publisher has been compared with the events handled here.'),
});

export function healthRoutes(sources: HealthSources): Route[] {
  return [
    route({
      method: 'GET',
      path: '/health_check',
      operationId: 'healthCheck',
      summary: 'Health check',
      lane: 'probe',
      answers: {
        200: {
          description: 'Service is running.',
          schema: z.object({ status: z.literal('ok'), service: z.string() }),
        },
      },
      handle: () => ({ status: 200, body: { status: 'ok', service: sources.service } }),
    }),
    route({
      method: 'GET',
      path: '/livez',
      operationId: 'livez',
      summary: 'Liveness',
      description: 'For a supervisor: restart the process if it does not answer.',
      lane: 'probe',
      answers: { 200: { description: 'The process is alive.', schema: z.object({ status: z.literal('alive') }) } },
      handle: () => ({ status: 200, body: { status: 'alive' } }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      operationId: 'readyz',
      summary: 'Readiness',
      description:
        'Whether the service can accept requests, and what needs attention. It is ready even without a broker, since what it ' +
        'accepts waits in the outbox; `warnings` then says so.',
      lane: 'probe',
      answers: {
        200: { description: 'The service can accept requests.', schema: Readiness },
        503: {
          description:
            'The database cannot be written, the outbox is full, the service is stopping, or the instance is catching up.',
          schema: Readiness,
        },
      },
      handle: () => readinessOf(sources),
    }),
  ];
}

/** The answer to GET /readyz. */
export function readinessOf(sources: HealthSources): HttpAnswer {
  const database = sources.storageError() === undefined ? 'ok' : 'unavailable';
  const outbox = sources.relay();
  const joined = sources.notReady?.() === undefined;
  const ready = joined && database === 'ok' && outbox.waiting <= sources.outboxMax && !sources.stopping();
  const [broker, reconciliation] = [sources.bus(), sources.reconciliation()];
  return {
    status: ready ? 200 : 503,
    body: {
      status: ready ? 'ready' : 'not-ready',
      service: sources.service,
      ...(sources.instance === undefined ? {} : { instance: sources.instance }),
      warnings: warnings(sources, broker, outbox, reconciliation),
      database,
      broker,
      outbox,
      reconciliation,
    },
  };
}

function warnings(
  { storageError, putBack, outboxMax, notReady, strangers }: HealthSources,
  broker: BusStatus,
  { waiting, unroutable }: RelayStatus,
  reconciliation: Readonly<Record<string, PublisherStatus>>,
): string[] {
  const found: string[] = [];
  const why = notReady?.();
  if (why !== undefined) found.push(why);
  const error = storageError();
  if (error !== undefined) found.push(`the database cannot be written: ${error}`);
  if (broker.consumer !== 'connected') found.push(`no events are consumed: the consumer is ${broker.consumer}`);
  if (broker.publisher !== 'connected') found.push(`no events are published: the publisher is ${broker.publisher}`);
  if (broker.confirmsNothing)
    found.push('the broker takes messages and confirms none: look at its disk and its log, and restart it');
  if (broker.deadLetters === 1) found.push('a dead letter waits: npm run dead-letters -- list');
  else if (broker.deadLetters) found.push(`${broker.deadLetters} dead letters wait: npm run dead-letters -- list`);
  if (waiting > outboxMax) found.push(`the outbox is full: ${waiting} events wait for the broker`);
  for (const [type, count] of Object.entries(unroutable))
    found.push(`${count} × ${type} wait: no queue is bound for it`);
  const back = putBack();
  if (back) {
    found.push(
      `this database was put back to an earlier state: ${back.consumer} has seen position ${back.seen} of its journal; run npm run audit`,
    );
  }
  for (const stranger of strangers?.() ?? []) {
    found.push(`events of ${stranger} come here, and its address is not set: what the broker loses of it stays lost`);
  }
  for (const [publisher, { state, unknown, lastError }] of Object.entries(reconciliation)) {
    if (state === 'off') found.push(`reconciliation with ${publisher} is off: its URL is not set`);
    if (state === 'behind') found.push(`events of ${publisher} are missing here and are being fetched`);
    if (state === 'unreachable') found.push(`the journal of ${publisher} cannot be read: ${lastError ?? ''}`);
    if (unknown > 0)
      found.push(`${unknown} events handled here are not in the journal of ${publisher}; run npm run audit`);
  }
  return found;
}
