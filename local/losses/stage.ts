// One saga system to damage: the services as processes, with new databases, on a virtual host of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { z } from 'zod';
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { addressesIn } from '../../shared/runtime/environment/broker-addresses.ts';
import { freePorts } from '../broker/free-ports.ts';
import type { Broker } from '../broker/start-broker.ts';
import { createVirtualHost } from '../broker/virtual-host.ts';
import { ServiceProcess } from '../service-process.ts';
import { serviceAddresses } from '../system.ts';
import { BrokerProxy } from './broker-proxy.ts';

export interface StageOptions {
  readonly broker: Broker;
  /** Settings of all services. */
  readonly env: Readonly<Record<string, string>>;
  /** Compiled main files, from dist/, in place of the services' own. */
  readonly mains?: Readonly<Partial<Record<ServiceName, string>>>;
  /** Settings of single services, over those of all. */
  readonly envs?: Readonly<Partial<Record<ServiceName, Readonly<Record<string, string>>>>>;
  /** Folders of databases that are not in the stage's own. */
  readonly dataDirs?: Readonly<Partial<Record<ServiceName, string>>>;
}

const LogLine = z.looseObject({ level: z.number(), msg: z.string() });

/** What a service logged: pino's fields. */
export type LogEntry = z.output<typeof LogLine> & { readonly service: ServiceName };

/** pino's number. */
const errorLevel = 50;
let stages = 0;
/** The virtual host that every broker has. */
const wholeBroker = '/';

export class Stage {
  readonly broker: Broker;
  readonly proxy: BrokerProxy;
  readonly virtualHost: string;
  /** Everything that the services have logged, in the order in which it came. */
  readonly log: LogEntry[] = [];
  readonly #services: PerService<ServiceProcess>;
  readonly #dataDir: string;
  #admin: ChannelModel | undefined;
  #stopped = false;

  private constructor(options: StageOptions, proxy: BrokerProxy, virtualHost: string, ports: PerService<number>) {
    const { broker, env, envs, mains, dataDirs } = options;
    this.broker = broker;
    this.proxy = proxy;
    this.virtualHost = virtualHost;
    this.#dataDir = mkdtempSync(join(tmpdir(), 'saga-losses-'));
    this.#services = perService((service) => {
      const main = mains?.[service];
      return new ServiceProcess({
        service,
        ...(main === undefined ? {} : { main }),
        // The proxy leads to one node only.
        amqpUrl: broker.nodes ? broker.url : proxy.urlFor(broker.url, virtualHost),
        dataDir: dataDirs?.[service] ?? this.#dataDir,
        port: ports[service],
        env: { ...serviceAddresses(ports), ...env, ...envs?.[service] },
        onLine: (line) => this.#note(service, line),
      });
    });
  }

  /** Resolves when all services listen. */
  static async start(options: StageOptions): Promise<Stage> {
    const virtualHost = await virtualHostOn(options.broker);
    const proxy = await BrokerProxy.start(firstAddress(options.broker));
    const free = await freePorts(serviceNames.length);
    const ports = perService((_, index) => free[index] ?? 0);
    const stage = new Stage(options, proxy, virtualHost, ports);
    try {
      await Promise.all(serviceNames.map((name) => stage.service(name).start()));
      return stage;
    } catch (error) {
      await stage.stop();
      throw error;
    }
  }

  service(name: ServiceName): ServiceProcess {
    return this.#services[name];
  }

  get urls(): PerService<string> {
    return perService((name) => this.#services[name].url);
  }

  /** A path in the stage's folder, which is removed with it. */
  pathOf(name: string): string {
    return join(this.#dataDir, name);
  }

  /** What services logged at error level, from that entry of the log on. */
  errors(from = 0): LogEntry[] {
    return this.log.slice(from).filter(({ level }) => level >= errorLevel);
  }

  /** Lends a channel to the broker itself, past the proxy. */
  async withChannel<T>(use: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await (await this.#connection()).createChannel();
    channel.on('error', () => {});
    try {
      return await use(channel);
    } finally {
      await channel.close().catch(() => {});
    }
  }

  /** The broker loses all its data; then the virtual host is created again, as whoever runs a broker would. */
  async wipeBroker(): Promise<void> {
    await this.#disconnect();
    await this.broker.wipe();
    await createVirtualHost(this.broker, this.virtualHost);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(serviceNames.map((name) => this.service(name).kill()));
    await this.#disconnect();
    await this.proxy.stop();
    if (this.virtualHost !== wholeBroker) await this.broker.rabbitmqctl(['delete_vhost', this.virtualHost]);
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  async #connection(): Promise<ChannelModel> {
    if (this.#admin) return this.#admin;
    const url = new URL(firstAddress(this.broker));
    url.pathname = `/${encodeURIComponent(this.virtualHost)}`;
    const connection = await connect(url.href, { noDelay: true });
    connection.on('error', () => {});
    connection.on('close', () => {
      if (this.#admin === connection) this.#admin = undefined;
    });
    this.#admin = connection;
    return connection;
  }

  async #disconnect(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.close().catch(() => {});
  }

  #note(service: ServiceName, line: string): void {
    const entry = parsed(line);
    // What is not a log line is what Node itself prints when it dies: worth an error.
    this.log.push({ ...(entry ?? { level: errorLevel, msg: line }), service });
  }
}

/** A cluster is started for one stage, which has all of it. */
async function virtualHostOn(broker: Broker): Promise<string> {
  if (broker.nodes) return wholeBroker;
  stages += 1;
  const virtualHost = `losses-${process.pid}-${stages}`;
  await createVirtualHost(broker, virtualHost);
  return virtualHost;
}

function firstAddress({ url }: Broker): string {
  return addressesIn(url)[0] ?? url;
}

function parsed(line: string): z.output<typeof LogLine> | undefined {
  try {
    return LogLine.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
