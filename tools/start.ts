// `npm start`: a broker and the three services on this machine, until Ctrl-C.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkPortsFree, portsFrom, StartError } from '../local/ports.ts';
import { loadSampleData } from '../local/sample-data.ts';
import { ServiceLogs } from '../local/service-log.ts';
import { keepRunning } from '../local/supervise.ts';
import { foldersIn, System } from '../local/system.ts';
import { paintFor } from '../local/terminal.ts';
import { serviceNames } from '../services.ts';

const usage = `npm start

Starts a RabbitMQ and the three services on this machine, and stops them at Ctrl-C.

Settings, from the environment:
  ORDER_PORT, PAYMENT_PORT, INVENTORY_PORT   ports of the services (3001, 3002, 3003)
  DATA_DIR                                   databases, messages and logs (./data)
  AMQP_URL                                   a broker of your own, instead of a private one
  and the settings of the services, such as LOG_LEVEL and ORDER_DEADLINE_MS: docs/running.md
`;

/** Npm passes the Ctrl-C on that the terminal has sent to us as well: that is not a second one. */
const sameCtrlCMs = 500;

const paint = paintFor(process.stdout);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

// Nobody reads any more (a closed terminal, `| head`): that is no reason to end without stopping things.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const stopping = new AbortController();
let system: System | undefined;
let askedToStopMs: number | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (askedToStopMs === undefined) {
      askedToStopMs = Date.now();
      stopping.abort(new StopRequest());
    } else if (signal !== 'SIGHUP' && Date.now() - askedToStopMs > sameCtrlCMs) {
      void stopHard();
    }
  });
}

class StopRequest extends Error {}

await main().catch((error: unknown) => {
  if (error instanceof StopRequest) {
    say('Stopped before it was up.');
    process.exit(0);
  }
  process.stderr.write(`${paintFor(process.stderr).red('Can not start.')} ${explained(error)}\n`);
  process.exit(1);
});
process.exit(0);

async function main(): Promise<void> {
  readArguments();
  const ports = portsFrom(process.env);
  await checkPortsFree(ports, process.env['HOST'] || '127.0.0.1');
  const dataDir = resolve(process.env['DATA_DIR'] || 'data');
  const folders = foldersIn(dataDir);
  const logs = new ServiceLogs(folders.logs, say, paint);
  say(paint.dim('Looking for a broker …'));
  try {
    system = await System.start({
      dataDir,
      brokerDir: folders.broker,
      ports,
      progress: (line) => say(paint.dim(line)),
      onLine: (service, line) => logs.line(service, line),
      signal: stopping.signal,
    });
    await run(system, folders.logs);
  } finally {
    await logs.close();
  }
}

async function run(system: System, logDir: string): Promise<void> {
  const { signal } = stopping;
  const supervised = serviceNames.map((name) => keepRunning(system.services[name], say, signal));
  try {
    const loaded = await loadSampleData(system.urls, signal);
    say(welcome(system, logDir, loaded));
    await aborted(signal);
    say('\nStopping …');
  } finally {
    stopping.abort(new StopRequest());
    await system.stop();
    await Promise.all(supervised);
  }
  say('Stopped. What is in the data folder stays; npm start goes on from there.');
}

function welcome({ broker, services, urls }: System, logDir: string, loaded: boolean): string {
  const order = urls['order-service'];
  const json = `-H 'content-type: application/json'`;
  const lines = serviceNames.map(
    (name) => `  ${paint.bold(name.padEnd(17))}  ${urls[name]}  ${paint.dim(`pid ${services[name].pid}`)}`,
  );
  // One that was given has a password that should not stand on a screen.
  const ownUrl = broker.source === 'url' ? '' : `\n${' '.repeat(21)}${broker.url}`;
  return `
${paint.green('Everything runs.')}

${lines.join('\n')}
  ${paint.bold('broker'.padEnd(17))}  ${broker.description}${ownUrl}
  ${paint.bold('logs'.padEnd(17))}  ${logDir}
${loaded ? '\nProducts CATALOG-001 … CATALOG-003 and the accounts alice (rich), bob (poor) and carol (blocked) are there to try:\n' : '\nTo try:\n'}
Place an order and wait for the outcome; see how that came about; the short form:

curl -sw '\\n' ${order}/orders ${json} -H 'prefer: wait=5' -d '{"userId":"alice","items":[{"productId":"CATALOG-001","qty":2}]}'
curl -sw '\\n' ${order}/orders/$(curl -s '${order}/orders?userId=alice&limit=1' | cut -d'"' -f6)/timeline
curl -sw '\\n' ${order}/alice/orders ${json} -d '{"productId":"CATALOG-002","qty":10,"unitPrice":1500}'

A service that you kill (kill -9 PID) is started again, and goes on where it was. Ctrl-C stops everything.
`;
}

function readArguments(): void {
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
    if (!values.help) return;
    say(usage);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

/** A second Ctrl-C: nothing is waited for. Accepted orders are safe all the same. */
async function stopHard(): Promise<void> {
  say('Stopping hard.');
  setTimeout(() => process.exit(130), 2_000).unref();
  await system?.kill().catch(() => {});
  process.exit(130);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}

function explained(error: unknown): string {
  if (error instanceof StartError) return error.message;
  // The broker's own messages say what to install or to set.
  return error instanceof Error ? error.message : String(error);
}
