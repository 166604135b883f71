// A service as a process: settings, log, database, broker, HTTP, and an orderly end. Each main.ts is a call of this.
import { mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { ServiceName } from '../../contract/choreography.ts';
import { topologyFor } from '../../contract/topology.ts';
import { systemClock } from '../environment/clock.ts';
import { createLog, type ProcessLog } from '../environment/log.ts';
import { healthRoutes } from '../http/health.ts';
import { createHttpServer } from '../http/http-app.ts';
import { openApiDocument } from '../http/openapi.ts';
import { type ProblemError, unavailable } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { migrationsOf, type ServiceDefinition, ServiceNode, type ServiceParts } from '../node/service-node.ts';
import { AmqpBus } from '../rabbitmq/amqp-bus.ts';
import { openDatabase, UnusableDatabaseError } from '../storage/database.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';

interface ServiceProgram<S extends ServiceName, P extends ServiceParts<S>> {
  readonly definition: ServiceDefinition<S, P>;
  /** First paragraph of the OpenAPI document. */
  readonly description: string;
  routes(node: ServiceNode<S, P>, settings: Settings): Route[];
}

/** Exit code of a start that a person must repair first: wrong settings, damaged database, port taken. */
const cannotStart = 78;
/** How long the last lines of the log may take. */
const logFlushMsMax = 1_000;

/** Runs until SIGTERM or SIGINT; then takes no more work, finishes what was begun, and exits with 0. */
export async function runService<S extends ServiceName, P extends ServiceParts<S>>(
  program: ServiceProgram<S, P>,
): Promise<void> {
  const { name, port } = program.definition;
  try {
    const settings = readSettings(process.env, { PORT: String(port), DATABASE_PATH: `data/${name}.db` });
    await start(program, settings, createLog(name, settings.LOG_LEVEL));
  } catch (error) {
    process.stderr.write(`${name} can not start: ${startError(error)}\n`);
    process.exit(cannotStart);
  }
}

async function start<S extends ServiceName, P extends ServiceParts<S>>(
  { definition, description, routes }: ServiceProgram<S, P>,
  settings: Settings,
  log: ProcessLog,
): Promise<void> {
  const { name } = definition;
  const path = resolve(settings.DATABASE_PATH);
  mkdirSync(dirname(path), { recursive: true });
  const db = openDatabase(path, migrationsOf(definition));
  const bus = new AmqpBus({
    url: settings.AMQP_URL,
    service: name,
    topology: topologyFor(name),
    prefetch: settings.PREFETCH,
    log,
  });
  const node = new ServiceNode(definition, { db, bus, clock: systemClock, log, batchMax: settings.EVENT_BATCH_MAX });
  const stopping = new AbortController();
  const own = routes(node, settings);
  const health = healthRoutes({
    service: name,
    db,
    outboxMax: settings.OUTBOX_MAX,
    relay: () => node.relay.status(),
    bus: () => bus.status(),
    stopping: () => stopping.signal.aborted,
  });
  const document = openApiDocument(name, description, [...own, ...health]);
  const server = createHttpServer({
    routes: [...health, openApiRoute(document), ...own],
    prefixes: [`/${name}`],
    clock: systemClock,
    log,
    stopping: stopping.signal,
    refuse: () => {
      if (stopping.signal.aborted) return unavailable('stopping', 'this service is stopping', 1);
      return refusal(node.relay.waiting, settings.OUTBOX_MAX);
    },
  });
  await listen(server, settings);
  node.start();
  const { port } = server.address() as AddressInfo;
  log.info({ port, database: path }, 'started');
  // For whoever started this process and waits for it.
  process.send?.({ listening: port });

  const stop = (signal: string): void => {
    // Asked again by a person who does not want to wait. Nothing is lost by that either.
    if (stopping.signal.aborted && signal === 'SIGINT') process.exit(130);
    if (stopping.signal.aborted) return;
    stopping.abort();
    log.info({ signal }, 'stopping');
    // The deadline of the whole end: what is not published by then stays in the outbox, what is not acked comes again.
    setTimeout(
      () => exit(db, log, 'not everything was finished in time; nothing is lost'),
      settings.SHUTDOWN_MS,
    ).unref();
    shutDown(server, bus, node)
      .then(() => exit(db, log, 'stopped'))
      .catch((error: unknown) => exit(db, log, `the stop failed: ${String(error)}`));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  // The parent went away without a word.
  if (process.send) process.once('disconnect', () => stop('disconnect'));
}

async function shutDown(
  server: Server,
  bus: AmqpBus,
  node: { handler: { idle: boolean }; relay: { drained: boolean }; stop(): void },
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await bus.stopConsuming();
  const graceMs = 2_000;
  setTimeout(() => server.closeAllConnections(), graceMs).unref();
  await closed;
  await until(() => node.handler.idle && (node.relay.drained || !bus.canPublish()));
  node.stop();
  await bus.stop();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function exit(db: { close(): void }, log: ProcessLog, message: string): void {
  log.info({}, message);
  db.close();
  // In process.exit() pino writes what is left, and tries again for ever when the reader is gone (a parent that was
  // killed): so it is flushed before. Where the reader hangs, only a signal ends us; there is nothing more to lose.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), logFlushMsMax);
  log.flush(() => process.exit(0));
}

function refusal(waiting: number, max: number): ProblemError | undefined {
  if (waiting <= max) return undefined;
  return unavailable(
    'outbox-full',
    `${waiting} messages wait for the broker; nothing more is accepted until they are through`,
    5,
  );
}

function openApiRoute(document: object): Route {
  return {
    method: 'GET',
    path: '/openapi.json',
    operationId: 'openapi',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1' } },
    handle: () => ({ status: 200, body: document }),
  };
}

function listen(server: Server, { PORT, HOST }: Settings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(PORT, HOST, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function startError(error: unknown): string {
  if (error instanceof SettingsError || error instanceof UnusableDatabaseError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE')
    return `port ${port} is taken; stop what listens there, or set PORT to another (0: any free one)`;
  if (code === 'EACCES' && port !== undefined)
    return `port ${port} may not be used by this user; set PORT to one above 1023`;
  return error.stack ?? error.message;
}
