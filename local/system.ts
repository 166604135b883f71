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
import { type Gateway, startGateway } from './gateway/gateway.ts';
import {
  type OrderDeployment,
  type OrderProcess,
  orderAddresses,
  orderProcesses,
  splitLaunch,
} from './order-processes.ts';
import { otherPorts, StartError } from './ports.ts';
import { noteBroker, removeBrokerNote } from './running-broker.ts';
import { ServiceProcess } from './service-process.ts';
import { shellWord } from './terminal.ts';

export interface SystemOptions {
  /** Folder of the databases. */
  readonly dataDir: string;
  /** Folder in which the broker keeps its messages. Left out: a temporary one, removed by stop(). */
  readonly brokerDir?: string;
  readonly brokerLogFile?: string;
  /** Number of nodes of the broker: 1, or an odd number for a cluster. Default 1. */
  readonly brokerNodes?: number;
  /** Left out: free ones. They stay the same when a service is started again. */
  readonly ports?: PerService<number>;
  /** The processes of order-service. Left out: one, without a name. */
  readonly orders?: OrderDeployment;
  /** Port of a gateway before all services. Left out: there is none. */
  readonly gatewayPort?: number;
  /** Settings of all services, over those of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** One line at a time, while the broker boots or is downloaded. */
  readonly progress?: (line: string) => void;
  /** Every line that a service writes. */
  readonly onLine?: (service: ServiceName, line: string, name: string) => void;
  /** Ends the start. Has no effect once everything runs. */
  readonly signal?: AbortSignal;
}

/** Settings that a run of its own does not take over from the user's environment: the services' defaults hold. */
export const defaultSettings: Readonly<Record<string, string>> = {
  HOST: '127.0.0.1',
  HEALTH_PORT: '',
  LOG_LEVEL: 'info',
  PREFETCH: '',
  EVENT_BATCH_MAX: '',
  OUTBOX_MAX: '',
  SHUTDOWN_MS: '',
  ORDER_DEADLINE_MS: '',
  RECONCILE_INTERVAL_MS: '',
  JOURNAL_RETENTION_MS: '',
  CATALOGUE: '',
};

export class System {
  readonly broker: Broker;
  /** Of order-service the first instance, if there are several. */
  readonly services: PerService<ServiceProcess>;
  /** All processes: every instance of order-service, then the other services. */
  readonly processes: readonly ServiceProcess[];
  #gateway: Gateway | undefined;
  readonly #dataDir: string;
  readonly #orders: readonly OrderProcess[];
  readonly #lock: LockFile;

  private constructor(
    dataDir: string,
    broker: Broker,
    processes: readonly ServiceProcess[],
    orders: readonly OrderProcess[],
    lock: LockFile,
  ) {
    this.#dataDir = dataDir;
    this.broker = broker;
    this.processes = processes;
    this.#orders = orders;
    this.services = perService((name) => {
      const process = processes.find(({ service }) => service === name);
      if (!process) throw new Error(`there is no process of ${name}`);
      return process;
    });
    this.#lock = lock;
  }

  get gateway(): Gateway | undefined {
    return this.#gateway;
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
      // A database that several share is created by the first of them.
      const firsts = system.processes.filter((process, index, all) => all.findIndex(sameFile(process)) === index);
      for (const some of [firsts, system.processes.filter((process) => !firsts.includes(process))]) {
        // All are waited for, also after one failed: what is half started could not be stopped.
        const started = await Promise.allSettled(some.map((process) => process.start()));
        options.signal?.throwIfAborted();
        for (const result of started) if (result.status === 'rejected') throw result.reason;
      }
      await system.#startGateway(options);
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
      ...(options.brokerNodes ? { nodes: options.brokerNodes } : {}),
      ...(options.progress ? { progress: options.progress } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    noteBroker(options.dataDir, broker);
    const orders = orderProcesses(ports['order-service'], options.orders);
    const addresses = serviceAddresses(ports, orders);
    const process = (service: ServiceName, port: number, order?: OrderProcess) => {
      const split = options.orders?.splitDatabases ? splitLaunch(service, order) : undefined;
      return new ServiceProcess({
        service,
        ...(split ? { main: split.main } : {}),
        ...(order ? { label: order.label, databaseName: order.databaseName } : {}),
        ...(order?.instance === undefined ? {} : { instance: order.instance }),
        amqpUrl: broker.url,
        dataDir: options.dataDir,
        port,
        env: {
          // One port cannot be that of several services.
          HEALTH_PORT: '',
          ...addresses,
          ...options.env,
          ...split?.env,
          ...(order?.writes === false ? { ROLE: 'reads' } : {}),
        },
        onLine: (line) => options.onLine?.(service, line, order?.label ?? service),
      });
    };
    const processes = serviceNames.flatMap((service) =>
      service === 'order-service'
        ? orders.map((order) => process(service, order.port, order))
        : [process(service, ports[service])],
    );
    return new System(options.dataDir, broker, processes, orders, lock);
  }

  async #startGateway({ gatewayPort, dataDir }: SystemOptions): Promise<void> {
    if (gatewayPort === undefined) return;
    const upstreams = perService((service) =>
      service === 'order-service' ? this.#orderUrls(({ writes }) => writes) : [this.urls[service]],
    );
    const readers = this.#orders.some(({ writes }) => !writes)
      ? { 'order-service': this.#orderUrls(({ reads }) => reads) }
      : {};
    const options = { host: '127.0.0.1', port: gatewayPort, upstreams, readers };
    this.#gateway = await startGateway(options, join(dataDir, 'gateway'));
  }

  #orderUrls(which: (order: OrderProcess) => boolean): string[] {
    return this.#orders.filter(which).map(({ port }) => `http://127.0.0.1:${port}`);
  }

  get urls(): PerService<string> {
    return perService((service) => this.services[service].url);
  }

  /** Services first, so that they can still publish what is in their outboxes; then the broker. */
  async stop(): Promise<void> {
    await this.#gateway?.stop();
    await Promise.all(this.processes.map((process) => process.stop()));
    await this.broker.stop();
    removeBrokerNote(this.#dataDir);
    this.#lock.release();
  }

  /** kill -9 of everything. Nothing that was promised is lost by it. */
  async kill(): Promise<void> {
    await Promise.all([...this.processes.map((process) => process.kill()), this.#gateway?.stop(), this.broker.kill()]);
  }
}

/** Where the services find each other, for reconciliation. */
export function serviceAddresses(
  ports: PerService<number>,
  orders: readonly Pick<OrderProcess, 'instance' | 'port'>[] = orderProcesses(ports['order-service']),
): Record<string, string> {
  const addresses = serviceNames.map((name) => [urlSettingOf(name), `http://127.0.0.1:${ports[name]}`]);
  return { ...Object.fromEntries(addresses), [urlSettingOf('order-service')]: orderAddresses(orders) };
}

/** @throws StartError when another system that runs has that data folder */
export function checkFolderFree(dataDir: string): void {
  const holder = systemHolder(dataDir);
  if (holder !== undefined) throw folderInUse(dataDir, holder);
}

/** The process whose system runs in that data folder; undefined when none does. */
export function systemHolder(dataDir: string): number | undefined {
  return lockHolder(lockIn(dataDir));
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

/**
 * Folders below a data folder, the same for everybody who looks for something there. A cluster has one of its own: a node that
 * was alone knows of no others, and one of a cluster does not start without them.
 */
export function foldersIn(dataDir: string, brokerNodes = 1): { readonly broker: string; readonly logs: string } {
  const broker = brokerNodes === 1 ? 'broker' : `broker-${brokerNodes}-nodes`;
  return { broker: join(dataDir, broker), logs: join(dataDir, 'logs') };
}

function sameFile({ databasePath }: ServiceProcess): (other: ServiceProcess) => boolean {
  return (other) => other.databasePath === databasePath;
}
