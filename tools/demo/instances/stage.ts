// The system of the demo with several instances: a broker, instances of order-service, the other services, and a gateway which
// knows the instance that is going to join. All on free ports, with temporary data.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../../local/broker/free-ports.ts';
import { type Broker, startBroker } from '../../../local/broker/start-broker.ts';
import { type Gateway, startGateway } from '../../../local/gateway/gateway.ts';
import { ServiceLogs } from '../../../local/service-log.ts';
import { ServiceProcess } from '../../../local/service-process.ts';
import { defaultSettings, serviceAddresses } from '../../../local/system.ts';
import { paintFor } from '../../../local/terminal.ts';
import { perService } from '../../../services.ts';
import { memberOf } from '../../../shared/contract/members.ts';

const [order, payment, inventory] = ['order-service', 'payment-service', 'inventory-service'] as const;

export class InstanceStage {
  readonly broker: Broker;
  /** Those that run from the beginning. */
  readonly first: readonly string[];
  readonly joining: string;
  readonly gateway: Gateway;
  readonly #place: Place;
  readonly #processes: Map<string, ServiceProcess>;

  private constructor(place: Place, broker: Broker, gateway: Gateway, processes: Map<string, ServiceProcess>) {
    this.broker = broker;
    this.gateway = gateway;
    this.first = place.names.slice(0, -1);
    this.joining = place.names.at(-1) ?? '';
    this.#place = place;
    this.#processes = processes;
  }

  get logDir(): string {
    return this.#place.logDir;
  }

  /** Resolves when all instances that are there from the beginning, and the others, listen. */
  static async start(instances: number, progress: (line: string) => void, signal: AbortSignal): Promise<InstanceStage> {
    const place = await placeFor(instances + 1);
    const broker = await startBroker({ progress, signal }).catch(async (error: unknown) => {
      await removePlace(place);
      throw error;
    });
    const processes = processesAt(place, broker.url);
    const at = (name: string) => `http://127.0.0.1:${place.ports.get(name)}`;
    const upstreams = { [order]: place.names.map(at), [payment]: [at(payment)], [inventory]: [at(inventory)] };
    let gateway: Gateway | undefined;
    try {
      const first = [...processes].filter(([name]) => name !== place.names.at(-1)).map(([, process]) => process);
      const started = await Promise.allSettled(first.map((process) => process.start()));
      for (const result of started) if (result.status === 'rejected') throw result.reason;
      signal.throwIfAborted();
      const options = { host: '127.0.0.1', port: place.ports.get('gateway') ?? 0, upstreams };
      gateway = await startGateway(options, join(place.dataDir, 'gateway'));
      return new InstanceStage(place, broker, gateway, processes);
    } catch (error) {
      await stopAll(gateway, processes, broker);
      await removePlace(place);
      throw error;
    }
  }

  get names(): readonly string[] {
    return [...this.first, this.joining];
  }

  instance(name: string): ServiceProcess {
    const found = this.#processes.get(name);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  }

  get paymentUrl(): string {
    return this.instance(payment).url;
  }

  get inventoryUrl(): string {
    return this.instance(inventory).url;
  }

  /** Of an instance that does not run. At its next start it knows the addresses of all, also of the one that has joined. */
  loseDatabase(name: string): void {
    const { databasePath } = this.instance(name);
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${databasePath}${suffix}`, { force: true });
    this.#processes.set(name, orderProcess(this.#place, this.broker.url, name, this.names));
  }

  /** @param keepData leaves databases and logs for somebody to look at */
  async close(keepData: boolean): Promise<void> {
    await stopAll(this.gateway, this.#processes, this.broker);
    if (keepData) await this.#place.logs.close();
    else await removePlace(this.#place);
  }
}

interface Place {
  readonly dataDir: string;
  readonly logDir: string;
  readonly logs: ServiceLogs;
  /** Of the instances; the last one joins later. */
  readonly names: readonly string[];
  readonly ports: ReadonlyMap<string, number>;
}

async function placeFor(instances: number): Promise<Place> {
  const names = Array.from({ length: instances }, (_, index) => String.fromCodePoint(0x61 + index));
  const all = [...names, payment, inventory, 'gateway'];
  const free = await freePorts(all.length);
  const dataDir = mkdtempSync(join(tmpdir(), 'choreography-saga-demo-'));
  const logDir = join(dataDir, 'logs');
  const ports = new Map(all.map((name, index) => [name, free[index] ?? 0]));
  // What the services warn of while one of them is away is announced by the demo: it goes to the files only.
  return { dataDir, logDir, logs: new ServiceLogs(logDir, () => {}, paintFor({})), names, ports };
}

/** Not started yet. */
function processesAt(place: Place, amqpUrl: string): Map<string, ServiceProcess> {
  const first = place.names.slice(0, -1);
  return new Map([
    ...first.map((name) => [name, orderProcess(place, amqpUrl, name, first)] as const),
    ...place.names.slice(-1).map((name) => [name, orderProcess(place, amqpUrl, name, place.names)] as const),
    ...[payment, inventory].map((service) => [service, otherProcess(place, amqpUrl, service, first)] as const),
  ]);
}

/** @param known the instances whose addresses it is given: a new one waits for all of them */
function orderProcess(place: Place, amqpUrl: string, name: string, known: readonly string[]): ServiceProcess {
  return new ServiceProcess({
    ...optionsFor(place, amqpUrl, name, known),
    ...{ service: order, instance: name, databaseName: memberOf(order, name) },
  });
}

function otherProcess(place: Place, amqpUrl: string, service: string, known: readonly string[]): ServiceProcess {
  return new ServiceProcess({ ...optionsFor(place, amqpUrl, service, known), service });
}

function optionsFor({ dataDir, logs, ports }: Place, amqpUrl: string, name: string, known: readonly string[]) {
  const port = (of: string) => ports.get(of) ?? 0;
  const instances = known.map((other) => ({ instance: other, port: port(other) }));
  const env = { ...defaultSettings, ...serviceAddresses(perService(port), instances) };
  return { amqpUrl, dataDir, env, port: port(name), onLine: (line: string) => logs.line(name, line) };
}

async function stopAll(
  gateway: Gateway | undefined,
  processes: ReadonlyMap<string, ServiceProcess>,
  broker: Broker,
): Promise<void> {
  await gateway?.stop();
  await Promise.all([...processes.values()].map((process) => process.stop()));
  await broker.stop();
}

async function removePlace({ logs, dataDir }: Place): Promise<void> {
  await logs.close();
  rmSync(dataDir, { recursive: true, force: true });
}
