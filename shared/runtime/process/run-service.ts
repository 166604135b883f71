// A service as a process: settings, log, database, broker, HTTP, and an orderly end. Each main.ts is a call of this.
import { mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, resolve } from 'node:path';
import { memberOf } from '../../contract/members.ts';
import { topologyFor } from '../../contract/topology.ts';
import { systemClock } from '../environment/clock.ts';
import { createLog, type ProcessLog } from '../environment/log.ts';
import { HealthThread } from '../http/health-thread.ts';
import type { ServiceParts } from '../node/service.ts';
import type { ServiceNode } from '../node/service-node.ts';
import { AmqpBus } from '../rabbitmq/amqp-bus.ts';
import { type Database, openDatabase, UnusableDatabaseError } from '../storage/database.ts';
import type { HitFailpoint } from '../storage/group-commit.ts';
import { bytesOf, checkedAtOpenBytesMax } from '../storage/integrity.ts';
import { findDamageInBackground } from '../storage/integrity-thread.ts';
import { journalIdOf } from '../storage/journal.ts';
import type { ProcessTracing } from '../tracing/otlp-tracing.ts';
import { freeMemoryWhenIdle } from './idle-memory.ts';
import { assembleService, type ServiceProgram } from './service-program.ts';
import { instanceNames, readSettings, type Settings, SettingsError } from './settings.ts';
import { startTracing } from './start-tracing.ts';

/** Exit code of a start that a person must repair first: wrong settings, damaged database, port taken. */
const cannotStart = 78;
/** Exit code of a start that may succeed later: the database is locked, or the disk full. */
const cannotStartYet = 75;
/** Connections that wait to be accepted; Linux cuts it to net.core.somaxconn. The client of one more tries again after a second. */
const connectionsQueuedMax = 4_096;
/** How long the last lines of the log may take. */
const logFlushMsMax = 1_000;

/**
 * Runs until SIGTERM or SIGINT; then takes no more work, finishes what was begun, and exits with 0.
 * @param hit called at each failpoint; for tests that end the process there
 */
export async function runService<P extends ServiceParts>(
  program: ServiceProgram<P>,
  hit?: HitFailpoint,
): Promise<void> {
  const { name, port } = program.definition;
  try {
    const settings = readSettings(process.env, { PORT: String(port), DATABASE_PATH: `data/${name}.db` });
    await start(program, settings, createLog(memberOf(name, settings.INSTANCE), settings.LOG_LEVEL), hit);
  } catch (error) {
    process.stderr.write(`${name} cannot start: ${startError(error)}\n`);
    process.exit(error instanceof UnusableDatabaseError && error.isTransient ? cannotStartYet : cannotStart);
  }
}

async function start<P extends ServiceParts>(
  program: ServiceProgram<P>,
  settings: Settings,
  log: ProcessLog,
  hit: HitFailpoint | undefined,
): Promise<void> {
  const { name, contract, migrations } = program.definition;
  const member = memberOf(name, settings.INSTANCE);
  const path = resolve(settings.DATABASE_PATH);
  mkdirSync(dirname(path), { recursive: true });
  const db = openDatabase(path, migrations, { service: name });
  const bus = new AmqpBus({
    url: settings.AMQP_URL,
    service: member,
    topology: topologyFor(member, contract, instanceNames(settings)),
    prefetch: settings.PREFETCH,
    log,
    databaseId: journalIdOf(db),
    refused: (why) => {
      log.error({ database: path }, why);
      process.stderr.write(`${name} cannot go on: ${why}.\n`);
      log.flush(() => process.exit(cannotStart));
    },
  });
  const traces = await startTracing(process.env, member, log, systemClock);
  const stopping = new AbortController();
  const { node, server, readiness } = assembleService(program, {
    settings,
    db,
    bus,
    clock: systemClock,
    log,
    stopping: stopping.signal,
    tracing: traces?.tracing,
    ...(hit ? { hit } : {}),
  });
  const { HOST, PORT, HEALTH_PORT } = settings;
  const port = await listen(server, PORT, HOST);
  const health =
    HEALTH_PORT === undefined
      ? undefined
      : await HealthThread.start({ service: name, port: HEALTH_PORT, host: HOST, readiness });
  const healthPort = health?.port;
  node.start();
  freeMemoryWhenIdle();
  log.info({ port, healthPort, database: path }, 'started');
  if (bytesOf(db) > checkedAtOpenBytesMax) void stopIfDamaged(path, log);
  // For whoever started this process and waits for it. If they are gone, the stop below notices it.
  process.send?.({ listening: port, healthPort }, () => {});

  stopOnSignals(stopping, log, settings.SHUTDOWN_MS, {
    shutDown: () => shutDown(server, bus, node, traces),
    exit: (message) => exit(node, db, log, message),
  });
}

/** A large database is read whole only now: what is damaged must not be written any further. */
async function stopIfDamaged(path: string, log: ProcessLog): Promise<void> {
  try {
    const damage = await findDamageInBackground(path);
    if (damage === undefined) return log.info({ database: path }, 'the whole database was read: it is not damaged');
    const { message } = new UnusableDatabaseError(path, new Error(`it is damaged (${damage})`));
    log.error({}, message);
    log.flush(() => process.exit(cannotStart));
  } catch (error) {
    log.warn({ error: String(error) }, 'the database could not be read whole: damage would not have been noticed');
  }
}

interface Stopping {
  shutDown(): Promise<void>;
  exit(message: string): void;
}

function stopOnSignals(
  stopping: AbortController,
  log: ProcessLog,
  shutdownMs: number,
  { shutDown, exit }: Stopping,
): void {
  const stop = (signal: string): void => {
    // Asked again by a person who does not want to wait. Nothing is lost by that either.
    if (stopping.signal.aborted && signal === 'SIGINT') process.exit(130);
    if (stopping.signal.aborted) return;
    stopping.abort();
    log.info({ signal }, 'stopping');
    // What is not published by then stays in the outbox; what is not acked comes again.
    setTimeout(() => exit('not everything was finished in time; nothing is lost'), shutdownMs).unref();
    shutDown()
      .then(() => exit('stopped'))
      .catch((error: unknown) => exit(`the stop failed: ${String(error)}`));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  // The parent went away without a word, now or while this process was starting.
  if (process.send) process.once('disconnect', () => stop('disconnect'));
  if (process.send && !process.connected) stop('disconnect');
}

async function shutDown(server: Server, bus: AmqpBus, node: ServiceNode, traces?: ProcessTracing): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await bus.stopConsuming();
  const graceMs = 2_000;
  setTimeout(() => server.closeAllConnections(), graceMs).unref();
  await closed;
  await until(() => node.handler.idle && (node.relay.drained || !bus.canPublish()));
  await node.relay.mark.write();
  node.stop();
  await bus.stop();
  await traces?.stop();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function exit(node: ServiceNode, db: Database, log: ProcessLog, message: string): void {
  log.info({}, message);
  // A group that is still queued would find the database closed.
  node.stop();
  node.commit.close();
  db.close();
  // In process.exit() pino writes what is left, and tries again for ever when the reader is gone (a parent that was
  // killed): so it is flushed before. Where the reader hangs, only a signal ends us; there is nothing more to lose.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), logFlushMsMax);
  log.flush(() => process.exit(0));
}

/** @returns the port */
function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: connectionsQueuedMax }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
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
