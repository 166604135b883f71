// The whole system on this machine, a broker and the services, as one thing to start and to stop. It holds its data
// folder: two systems on the same databases would undo each other's work.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type PerService, perService, serviceNames } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import { urlSettingOf } from '../shared/runtime/process/settings.ts';
import { freePorts } from './broker/free-ports.ts';
import { type LockFile, LockHeldError, lockHolder, takeLock } from './broker/lock-file.ts';
import { type Broker, startBroker } from './broker/start-broker.ts';
import { otherPorts, StartError } from './ports.ts';
import { ServiceProcess } from './service-process.ts';
import { shellWord } from './terminal.ts';

export interface SystemOptions {
  /** Folder of the databases. */
  readonly dataDir: string;
  /** Folder in which the broker keeps its messages. Left out: a temporary one, removed by stop(). */
  readonly brokerDir?: string;
  readonly brokerLogFile?: string;
  /** Left out: free ones. They stay the same when a service is started again. */
  readonly ports?: PerService<number>;
  /** Settings of all services, over those of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** One line at a time, while the broker boots or is downloaded. */
  readonly progress?: (line: string) => void;
  /** Every line that a service writes. */
  readonly onLine?: (service: ServiceName, line: string) => void;
  /** Ends the start. Has no effect once everything runs. */
  readonly signal?: AbortSignal;
}

/** Settings that a run of its own does not take over from the user's environment: the services' defaults hold. */
export const defaultSettings: Readonly<Record<string, string>> = {
  HOST: '127.0.0.1',
  LOG_LEVEL: 'info',
  PREFETCH: '',
  EVENT_BATCH_MAX: '',
  OUTBOX_MAX: '',
  SHUTDOWN_MS: '',
  ORDER_DEADLINE_MS: '',
  RECONCILE_INTERVAL_MS: '',
  JOURNAL_RETENTION_MS: '',
};

export class System {
  readonly broker: Broker;
  readonly services: PerService<ServiceProcess>;
  readonly #lock: LockFile;

  private constructor(broker: Broker, services: PerService<ServiceProcess>, lock: LockFile) {
    this.broker = broker;
    this.services = services;
    this.#lock = lock;
  }

  /**
   * Resolves when all services listen.
   * @throws what the broker or a service threw, StartError when the data folder is in use, or the signal's reason;
   *   nothing is left running then
   */
  static async start(options: SystemOptions): Promise<System> {
    mkdirSync(options.dataDir, { recursive: true });
    const lock = await takeFolder(options.dataDir);
    const system = await System.#prepare(options, lock).catch((error: unknown) => {
      lock.release();
      throw error;
    });
    try {
      options.signal?.throwIfAborted();
      // All are waited for, also after one failed: what is half started could not be stopped.
      const started = await Promise.allSettled(serviceNames.map((name) => system.services[name].start()));
      options.signal?.throwIfAborted();
      for (const result of started) if (result.status === 'rejected') throw result.reason;
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  /** With a broker, and services that are not started yet. */
  static async #prepare(options: SystemOptions, lock: LockFile): Promise<System> {
    const free = options.ports ? [] : await freePorts(serviceNames.length);
    const ports = options.ports ?? perService((_, index) => free[index] ?? 0);
    const broker = await startBroker({
      ...(options.brokerDir ? { dataDir: options.brokerDir } : {}),
      ...(options.brokerLogFile ? { logFile: options.brokerLogFile } : {}),
      ...(options.progress ? { progress: options.progress } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const process = (service: ServiceName) =>
      new ServiceProcess({
        service,
        amqpUrl: broker.url,
        dataDir: options.dataDir,
        port: ports[service],
        env: { ...serviceAddresses(ports), ...options.env },
        onLine: (line) => options.onLine?.(service, line),
      });
    return new System(broker, perService(process), lock);
  }

  get urls(): PerService<string> {
    return perService((service) => this.services[service].url);
  }

  /** Services first, so that they can still publish what is in their outboxes; then the broker. */
  async stop(): Promise<void> {
    await Promise.all(serviceNames.map((name) => this.services[name].stop()));
    await this.broker.stop();
    this.#lock.release();
  }

  /** kill -9 of everything. Nothing that was promised is lost by it. */
  async kill(): Promise<void> {
    await Promise.all([...serviceNames.map((name) => this.services[name].kill()), this.broker.kill()]);
  }
}

/** Where the services find each other, for reconciliation. */
export function serviceAddresses(ports: PerService<number>): Record<string, string> {
  return Object.fromEntries(serviceNames.map((name) => [urlSettingOf(name), `http://127.0.0.1:${ports[name]}`]));
}

/** @throws StartError when another system that runs has that data folder */
export function checkFolderFree(dataDir: string): void {
  const holder = lockHolder(lockIn(dataDir));
  if (holder !== undefined) throw folderInUse(dataDir, holder);
}

async function takeFolder(dataDir: string): Promise<LockFile> {
  try {
    return await takeLock(lockIn(dataDir));
  } catch (error) {
    throw error instanceof LockHeldError ? folderInUse(dataDir, error.holderPid) : error;
  }
}

function lockIn(dataDir: string): string {
  return join(dataDir, 'system.lock');
}

function folderInUse(dataDir: string, holderPid: number): StartError {
  return new StartError(
    `The data folder ${dataDir} is in use by process ${holderPid}, another npm start or npm run dev.\n` +
      `Stop that one (Ctrl-C where it runs, or kill ${holderPid}), or start this one with a folder and ports of its own:\n` +
      `  DATA_DIR=${shellWord(`${dataDir}2`)} ${otherPorts()} npm start`,
  );
}

/** Folders below a data folder, the same for everybody who looks for something there. */
export function foldersIn(dataDir: string): { readonly broker: string; readonly logs: string } {
  return { broker: join(dataDir, 'broker'), logs: join(dataDir, 'logs') };
}
