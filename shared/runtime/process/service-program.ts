// A service with everything around it but the process: node, routes, HTTP server. run-service.ts makes it a process, the
// tests use it as it is.
import type { Server } from 'node:http';
import { canHavePeers, consumedBy } from '../../contract/language.ts';
import { memberOf, serviceOf } from '../../contract/members.ts';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import { deletionRoute } from '../http/deletion-route.ts';
import { erasureRoute } from '../http/erasure-route.ts';
import { eventsRoutes } from '../http/events-routes.ts';
import { type HealthSources, healthRoutes, readinessOf } from '../http/health.ts';
import { createHttpServer } from '../http/http-app.ts';
import { IdempotencyKeys } from '../http/idempotency.ts';
import { JournalClient } from '../http/journal-client.ts';
import { MetricRegistry } from '../http/metrics/metric-registry.ts';
import { metricsRoute } from '../http/metrics/metrics-route.ts';
import { addServiceMetrics } from '../http/metrics/service-metrics.ts';
import { openApiDocument } from '../http/openapi.ts';
import { type ProblemError, unavailable } from '../http/problem.ts';
import type { HttpAnswer, Route } from '../http/route.ts';
import type { MeasuredBus } from '../messaging/bus.ts';
import type { Tracing } from '../messaging/tracing.ts';
import { eraseFromJournal } from '../node/erasure.ts';
import type { ServiceDefinition, ServiceParts } from '../node/service.ts';
import { ServiceNode } from '../node/service-node.ts';
import type { Database } from '../storage/database.ts';
import type { HitFailpoint } from '../storage/group-commit.ts';
import { WriteProbe } from '../storage/write-probe.ts';
import { instanceNames, type Settings, SettingsError, urlSettingOf } from './settings.ts';

export interface ServiceProgram<P extends ServiceParts> {
  readonly definition: ServiceDefinition<P>;
  /** First paragraph of the OpenAPI document. */
  readonly description: string;
  routes(node: ServiceNode<P>, settings: Settings, observed: Observed): Route[];
  /** Why a named instance cannot take part yet; undefined: it can. */
  notReady?(node: ServiceNode<P>): string | undefined;
  /** Adds the service's own metrics to those that every service has. */
  addMetrics?(registry: MetricRegistry, node: ServiceNode<P>, clock: Clock): void;
}

/** Where a service's own parts report what they do. */
export interface Observed {
  readonly log: Log;
  readonly metrics: MetricRegistry;
}

export interface ProgramEnvironment {
  readonly settings: Settings;
  readonly db: Database;
  readonly bus: MeasuredBus;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted when the service is to stop: requests that change something are refused from then on. */
  readonly stopping: AbortSignal;
  /** Left out: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  readonly hit?: HitFailpoint;
}

export interface AssembledService<P extends ServiceParts> {
  readonly node: ServiceNode<P>;
  /** Not listening yet. */
  readonly server: Server;
  /** The answer to GET /readyz. */
  readonly readiness: () => HttpAnswer;
  readonly document: Record<string, unknown>;
}

export function assembleService<P extends ServiceParts>(
  program: ServiceProgram<P>,
  { settings, db, bus, clock, log, stopping, tracing, hit }: ProgramEnvironment,
): AssembledService<P> {
  const { definition, description } = program;
  const { name } = definition;
  checkInstance(definition, settings);
  const journals = journalsFrom(definition, settings);
  const node = new ServiceNode(definition, {
    db,
    bus,
    clock,
    log,
    batchMax: settings.EVENT_BATCH_MAX,
    reconcileIntervalMs: settings.RECONCILE_INTERVAL_MS,
    retentionMs: settings.JOURNAL_RETENTION_MS,
    journals,
    tracing,
    ...(settings.INSTANCE === undefined ? {} : { instance: settings.INSTANCE, peers: peersAmong(journals, name) }),
    ...(hit ? { hit } : {}),
  });
  const probe = new WriteProbe(db, node.commit, clock);
  stopping.addEventListener('abort', () => probe.stop(), { once: true });
  const metrics = new MetricRegistry();
  const own = program.routes(node, settings, { log, metrics });
  addServiceMetrics(metrics, { node, contract: definition.contract, bus, clock, outboxMax: settings.OUTBOX_MAX });
  program.addMetrics?.(metrics, node, clock);
  const health: HealthSources = {
    service: name,
    outboxMax: settings.OUTBOX_MAX,
    storageError: () => node.commit.lastError,
    relay: () => node.relay.status(),
    bus: () => bus.status(),
    reconciliation: () => node.reconciliation.status(),
    putBack: () => node.putBack,
    stopping: () => stopping.aborted,
    instance: settings.INSTANCE,
    strangers: () => node.strangers(),
    notReady: () => program.notReady?.(node),
  };
  const shared = [
    ...healthRoutes(health),
    ...eventsRoutes({ journal: node.journal, queries: node.journalQueries }),
    metricsRoute(metrics),
    // Reconciliation may ask for events as long as the journal has them, and a day is for clocks and pauses.
    deletionRoute(node, settings.JOURNAL_RETENTION_MS + 86_400_000),
    erasureRoute(node, [...(node.parts.erasing ?? []), eraseFromJournal(db)]),
  ];
  const document = openApiDocument(name, description, [...own, ...shared]);
  const server = createHttpServer({
    // A user may be called `events`: the fixed paths come first.
    routes: [...shared, openApiRoute(document), ...own],
    prefixes: [`/${name}`],
    clock,
    log,
    tracing,
    stopping,
    transact: (command, cause) => node.transact(command, cause),
    keys: new IdempotencyKeys(db),
    refuse: () => {
      if (stopping.aborted) return unavailable('stopping', 'this service is stopping', 1);
      return outboxFull(node.relay.waiting, settings.OUTBOX_MAX);
    },
  });
  return { node, server, readiness: () => readinessOf(health), document };
}

/** @throws SettingsError for an instance of a service that has none, or among named instances for one without a name */
function checkInstance({ contract, name }: ServiceDefinition, settings: Settings): void {
  const { INSTANCE, ROLE } = settings;
  if (ROLE === 'reads' && (INSTANCE === undefined || !canHavePeers(contract, name)))
    throw new SettingsError('ROLE=reads needs INSTANCE: only a named instance of order-service can be a read side');
  if (INSTANCE === undefined) {
    const names = instanceNames(settings)[name];
    if (!names) return;
    throw new SettingsError(
      `${urlSettingOf(name)} names the instances ${names.join(', ')}, but INSTANCE does not say which one this is`,
    );
  }
  if (canHavePeers(contract, name)) return;
  throw new SettingsError(
    `INSTANCE=${INSTANCE} is wrong: ${name} has no named instances; several processes of it share one database`,
  );
}

/** The journals of those whose events this service consumes, as far as their URLs are set. */
function journalsFrom(
  { contract, name }: ServiceDefinition,
  { INSTANCE, serviceUrls }: Settings,
): Record<string, JournalClient> {
  const types = consumedBy(contract, name, INSTANCE !== undefined);
  const publishers = new Set(types.map((type) => contract.events[type]?.by ?? ''));
  const read = Object.entries(serviceUrls).filter(
    ([member]) => publishers.has(serviceOf(member)) && member !== memberOf(name, INSTANCE),
  );
  return Object.fromEntries(read.map(([member, urls]) => [member, new JournalClient(urls)]));
}

/** The other instances of a service. */
function peersAmong(journals: Readonly<Record<string, JournalClient>>, service: string): Record<string, JournalClient> {
  return Object.fromEntries(Object.entries(journals).filter(([member]) => serviceOf(member) === service));
}

function outboxFull(waiting: number, max: number): ProblemError | undefined {
  if (waiting <= max) return undefined;
  return unavailable(
    'outbox-full',
    `${waiting} events wait for the broker; nothing more is accepted until they are through`,
    5,
  );
}

function openApiRoute(document: object): Route {
  return {
    method: 'GET',
    path: '/openapi.json',
    operationId: 'openapi',
    summary: 'This document',
    lane: 'service',
    answers: { 200: { description: 'OpenAPI 3.1' } },
    handle: () => ({ status: 200, body: document }),
  };
}
