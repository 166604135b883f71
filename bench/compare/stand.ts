// The processes of one way, behind the gateway.
import { join } from 'node:path';
import { freePorts } from '../../local/broker/free-ports.ts';
import { eventually } from '../../local/eventually.ts';
import { type Gateway, startGateway } from '../../local/gateway/gateway.ts';
import { type OrderProcess, orderProcesses, splitLaunch } from '../../local/order-processes.ts';
import { ServiceProcess } from '../../local/service-process.ts';
import { defaultSettings, serviceAddresses } from '../../local/system.ts';
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { call } from './http.ts';
import type { Way } from './ways.ts';

export const users = Array.from({ length: 16 }, (_, index) => `shopper-${index}`);
export const prober = 'prober';
export const productId = 'CUP';
export const unitPrice = 10;

export class Stand {
  readonly way: Way;
  readonly #processes: readonly ServiceProcess[];
  readonly #readers: ReadonlySet<ServiceProcess>;
  #gateway: Gateway | undefined;

  private constructor(way: Way, processes: readonly ServiceProcess[], readers: ReadonlySet<ServiceProcess>) {
    this.way = way;
    this.#processes = processes;
    this.#readers = readers;
  }

  /** Resolves when all that is needed is supplied and known everywhere; what was started is stopped when it rejects. */
  static async start(way: Way, amqpUrl: string, dataDir: string): Promise<Stand> {
    const orders = orderProcesses(0, way.orders);
    const free = await freePorts(orders.length + serviceNames.length);
    const placed = orders.map((order, index) => ({ ...order, port: free[index] ?? 0 }));
    const ports = perService((name, index) =>
      name === 'order-service' ? (placed[0]?.port ?? 0) : (free[orders.length + index] ?? 0),
    );
    const processes = processesOf(way, placed, ports, amqpUrl, dataDir);
    const labels = new Set(placed.filter(({ reads }) => reads).map(({ label }) => label));
    const stand = new Stand(way, processes, new Set(processes.filter(({ name }) => labels.has(name))));
    try {
      await stand.#start(placed, ports, join(dataDir, 'gateway'));
      return stand;
    } catch (error) {
      await stand.stop();
      throw error;
    }
  }

  async #start(orders: readonly OrderProcess[], ports: PerService<number>, folder: string): Promise<void> {
    // A database that several share is created by the first of them.
    const paths = this.#processes.map(({ databasePath }) => databasePath);
    const firsts = this.#processes.filter(({ databasePath }, index) => paths.indexOf(databasePath) === index);
    await Promise.all(firsts.map((process) => process.start()));
    for (const process of this.#processes) if (!firsts.includes(process)) await process.start();
    const url = (port: number) => `http://127.0.0.1:${port}`;
    const urls = (which: (order: OrderProcess) => boolean) => orders.filter(which).map(({ port }) => url(port));
    const upstreams = perService((name) =>
      name === 'order-service' ? urls(({ writes }) => writes) : [url(ports[name])],
    );
    const hasReadSide = orders.some(({ writes }) => !writes);
    const readers = hasReadSide ? { 'order-service': urls(({ reads }) => reads) } : {};
    await this.#supply();
    const [port = 0] = await freePorts(1);
    this.#gateway = await startGateway({ host: '127.0.0.1', port, upstreams, readers }, folder);
  }

  async #supply(): Promise<void> {
    for (const user of [...users, prober])
      await call('PUT', `${this.url('payment-service')}/accounts/${user}`, { balance: 1_000_000_000 });
    const product = { name: 'Cup', unitPrice, stock: 1_000_000 };
    await call('PUT', `${this.url('inventory-service')}/products/${productId}`, product);
    for (const { name, service, url } of this.#processes) {
      if (service !== 'order-service') continue;
      await eventually(`${name} to know the product`, async () =>
        (await call('GET', `${url}/products`)).text.includes(productId),
      );
    }
  }

  /** Base of the paths of order-service. */
  get shop(): string {
    return `${this.#gateway?.url}/order-service`;
  }

  /** The processes that answer reads and run now. */
  get readers(): ServiceProcess[] {
    return [...this.#readers].filter(({ running }) => running);
  }

  get victim(): ServiceProcess {
    const found = this.#processes.find(({ name }) => name === this.way.killed);
    if (!found) throw new Error(`there is no process ${this.way.killed}`);
    return found;
  }

  url(service: ServiceName): string {
    return this.#processes.find((process) => process.service === service)?.url ?? '';
  }

  async stop(): Promise<void> {
    await this.#gateway?.stop();
    await Promise.all(this.#processes.map((process) => process.kill()));
  }
}

function processesOf(
  way: Way,
  orders: readonly OrderProcess[],
  ports: PerService<number>,
  amqpUrl: string,
  dataDir: string,
): ServiceProcess[] {
  const addresses = serviceAddresses(ports, orders);
  const process = (service: ServiceName, port: number, order?: OrderProcess) => {
    const split = way.orders.splitDatabases ? splitLaunch(service, order) : undefined;
    return new ServiceProcess({
      service,
      ...(split ? { main: split.main } : {}),
      ...(order ? { label: order.label, databaseName: order.databaseName } : {}),
      ...(order?.instance === undefined ? {} : { instance: order.instance }),
      amqpUrl,
      dataDir,
      port,
      env: {
        ...defaultSettings,
        ...addresses,
        LOG_LEVEL: 'warn',
        NODE_ENV: 'production',
        ...split?.env,
        ...(order?.writes === false ? { ROLE: 'reads' } : {}),
        ...way.env,
      },
    });
  };
  return serviceNames.flatMap((service) =>
    service === 'order-service'
      ? orders.map((order) => process(service, order.port, order))
      : [process(service, ports[service])],
  );
}
