// The system in the foreground of a terminal: started, watched over, and stopped in order when that is asked for.
import { resolve } from 'node:path';
import { LivePage } from './live-page.ts';
import { observerPortFrom } from './observer-process.ts';
import { type OrderDeployment, orderProcesses } from './order-processes.ts';
import { checkPortsFree, gatewayPortFrom, portsFrom } from './ports.ts';
import { printable, printableLines } from './printable.ts';
import { loadSampleData } from './sample-data.ts';
import { ServiceLogs } from './service-log.ts';
import { StopRequest, stopRequests } from './stop-request.ts';
import { Supervisor, supervisedBroker, supervisedService } from './supervise.ts';
import { checkFolderFree, foldersIn, System } from './system.ts';
import { type Paint, paintFor } from './terminal.ts';

/** What a command does with the system while it runs. */
export interface Running {
  readonly system: System;
  readonly logDir: string;
  readonly loadedSamples: boolean;
  /** Left out where the settings want none. */
  readonly livePage?: LivePage;
  /** Aborted when everything is to stop. */
  readonly signal: AbortSignal;
  /** Restarts all services and the live page in order. */
  restartServices(): Promise<void>;
}

const paint: Paint = paintFor(process.stdout);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Runs until Ctrl-C or the like, with the settings of the environment.
 * @param use called once everything runs; what it returns is waited for at the end
 * @returns the exit code
 */
export async function runInForeground(
  use: (running: Running) => Promise<void>,
  orders: OrderDeployment = {},
  brokerNodes = 1,
): Promise<number> {
  let system: System | undefined;
  const stopping = stopRequests(() => void stopHard(system));
  try {
    const ports = portsFrom(process.env);
    const observerPort = observerPortFrom(process.env);
    const dataDir = resolve(process.env['DATA_DIR'] || 'data');
    checkFolderFree(dataDir);
    const further = orderProcesses(ports['order-service'], orders).slice(1);
    const gatewayPort = further.length > 0 ? gatewayPortFrom(process.env) : undefined;
    await checkPortsFree(ports, process.env['HOST'] || '127.0.0.1', [
      ...further.map(({ label, port }) => ({ port, what: label })),
      ...(gatewayPort === undefined ? [] : [{ port: gatewayPort, what: 'the gateway' }]),
    ]);
    const folders = foldersIn(dataDir, brokerNodes);
    const logs = new ServiceLogs(folders.logs, say, paint);
    say(paint.dim('Looking for a broker …'));
    try {
      system = await System.start({
        dataDir,
        brokerDir: folders.broker,
        ports,
        orders,
        brokerNodes,
        ...(gatewayPort === undefined ? {} : { gatewayPort }),
        progress: (line) => say(paint.dim(printable(line))),
        onLine: (_service, line, name) => logs.line(name, line),
        signal: stopping.signal,
      });
      const started = system;
      const startPage = async (signal: AbortSignal) =>
        observerPort === undefined
          ? undefined
          : LivePage.start(started, {
              dataDir,
              port: observerPort,
              host: process.env['HOST'] || '127.0.0.1',
              say,
              onLine: (line) => logs.line('observer', line),
              signal,
            });
      await supervise(system, folders.logs, stopping, startPage, use);
    } finally {
      await logs.close();
    }
    return 0;
  } catch (error) {
    if (error instanceof StopRequest) {
      say('Stopped before everything had started.');
      return 0;
    }
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${paintFor(process.stderr).red('Cannot start.')} ${printableLines(message)}\n`);
    return 1;
  }
}

async function supervise(
  system: System,
  logDir: string,
  stopping: AbortController,
  startPage: (signal: AbortSignal) => Promise<LivePage | undefined>,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const { signal } = stopping;
  const broker = supervisedBroker(system.broker).map((node) => new Supervisor(node, say, signal));
  const services = system.processes.map((process) => new Supervisor(supervisedService(process), say, signal));
  const brokerRuns = broker.map((node) => node.run());
  const serviceRuns = services.map((service) => service.run());
  let livePage: LivePage | undefined;
  const restartServices = async () => {
    await Promise.all([...services.map((service) => service.restart()), livePage?.restart()]);
  };
  let using: Promise<void> | undefined;
  try {
    const loadedSamples = await loadSampleData(system.urls, signal);
    livePage = await startPage(signal);
    using = use({ system, logDir, loadedSamples, signal, restartServices, ...(livePage ? { livePage } : {}) });
    await Promise.race([aborted(signal), using.then(() => aborted(signal))]);
    say('\nStopping …');
  } finally {
    stopping.abort(new StopRequest());
    await using?.catch(() => {});
    await livePage?.stop();
    // Before its stop: a broker that is being started again can be stopped only when that has been given up.
    await Promise.all(brokerRuns);
    await system.stop();
    await Promise.all(serviceRuns);
  }
  say('Stopped. The data folder keeps everything; npm start continues from there.');
}

/** A second Ctrl-C: nothing is waited for. Accepted orders are safe all the same. */
async function stopHard(system: System | undefined): Promise<void> {
  say('Stopping at once.');
  setTimeout(() => process.exit(130), 2_000).unref();
  await system?.kill().catch(() => {});
  process.exit(130);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
