// Starts everything that is measured: three services over filled databases; beside them the processes of the raw pipeline,
// of the baseline and of the peers; and the load generator.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { readSettings } from '../../shared/runtime/process/settings.ts';
import { isPeer, type LoadGeneratorSettings, type Peer, type Target } from '../load/load.ts';
import type { SampleMessages } from '../load/saga-messages.ts';
import type { Shop } from '../load/shop.ts';
import { Child } from './child.ts';
import type { FillSettings } from './fill.ts';
import { MeasuredService, type MeasuredServiceOptions } from './measured-service.ts';
import type { OwnBroker } from './own-broker.ts';
import { peerFill, peerFillFile, peerMain } from './peers.ts';
import type { PipelineSettings } from './pipeline-worker.ts';
import { takeSamples } from './sample.ts';
import { type Pids, Stage, type Systems } from './stage.ts';
import { untilAborted } from './until-aborted.ts';

export interface StageOptions {
  readonly broker: OwnBroker;
  /** The stage's folder is made in it. */
  readonly dataDir: string;
  readonly shop: Shop;
  /** Orders of the past in the databases. */
  readonly pastOrders: number;
  /** Name of the services' virtual host. */
  readonly vhost: string;
  readonly targets: readonly Target[];
  /** Folder for CPU profiles of the services. */
  readonly profile?: string | undefined;
  /** Aborted by Ctrl-C, and when a process ends that should not. */
  readonly stopping: AbortController;
}

/** The raw pipeline's prefetch is what the services have. */
const { PREFETCH: prefetch } = readSettings({}, { PORT: '0', DATABASE_PATH: 'none' });

/** @throws what went wrong; nothing is left running then */
export async function startStage(options: StageOptions): Promise<Stage> {
  const start = new StageStart(options);
  try {
    return await start.everything();
  } catch (error) {
    await start.close(false);
    throw error;
  }
}

/** Knows what was started so far, so that it can be ended at any moment. */
class StageStart {
  readonly #options: StageOptions;
  readonly #folder: string;
  readonly #children: Child[] = [];
  readonly #killServices: (() => Promise<void>)[] = [];
  readonly #services: MeasuredService[] = [];
  readonly #failed = (error: Error): void => this.#options.stopping.abort(error);

  constructor(options: StageOptions) {
    this.#options = options;
    this.#folder = mkdtempSync(join(options.dataDir, 'stage-'));
  }

  async everything(): Promise<Stage> {
    const { broker, vhost, shop, targets, stopping } = this.#options;
    const others = targets.filter((target) => target !== 'services');
    // Each takes a while: all at once, and while the databases are filled.
    const vhosts = this.#inTime(Promise.all([vhost, ...others].map((name) => broker.vhost(name))));
    vhosts.catch(() => {});
    const fillMs = await this.#fillDatabases();
    await vhosts;
    const servicesUrl = await broker.vhost(vhost);
    const services = await this.#startServices(servicesUrl);
    const samples = await this.#inTime(takeSamples(servicesUrl, ordersUrl(services), shop));
    const amqpUrls: Partial<Record<Target, string>> = { services: servicesUrl };
    const systems: Partial<Record<Target, PerService<MeasuredService>>> = { services };
    const workers: Partial<Record<Target, PerService<{ readonly pid: number }>>> = {};
    for (const target of others) {
      const amqpUrl = await broker.vhost(target);
      amqpUrls[target] = amqpUrl;
      if (isPeer(target)) systems[target] = await this.#startPeer(target, amqpUrl);
      else workers[target] = await this.#startPipeline(target, amqpUrl, samples);
    }
    const file = new URL('../load/load-generator.js', import.meta.url);
    const settings: LoadGeneratorSettings = { orderPorts: orderPortsOf(systems), amqpUrls, shop, samples };
    const loadGenerator = this.#child('load generator', file, settings);
    await this.#inTime(loadGenerator.ready());
    return new Stage({
      shop,
      samples,
      services,
      fillMs,
      loadGenerator,
      systems,
      pids: () => pidsOf(broker, { ...workers, ...systems }, loadGenerator),
      signal: stopping.signal,
      close: (orderly) => this.close(orderly),
    });
  }

  async close(orderly: boolean): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
    if (orderly) await Promise.all(this.#services.map((service) => service.stop()));
    await Promise.all(this.#killServices.map((kill) => kill()));
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** @returns milliseconds it took */
  async #fillDatabases(): Promise<number> {
    const { shop, targets, pastOrders: orders } = this.#options;
    const file = new URL('./fill.js', import.meta.url);
    const startedMs = performance.now();
    const nowMs = Date.now();
    const fills = serviceNames.map((service) => {
      const settings: FillSettings = { service, databasePath: this.#databasePath(service), shop, orders, nowMs };
      return this.#child(`filling ${service}`, file, settings).done();
    });
    const peerFills = targets.filter(isPeer).flatMap((peer) =>
      serviceNames.map((service) => {
        const settings = peerFill(service, this.#databasePath(service, peer), shop);
        return this.#child(`filling ${peer} ${service}`, peerFillFile, settings).done();
      }),
    );
    await this.#inTime(Promise.all([...fills, ...peerFills]));
    return performance.now() - startedMs;
  }

  #startServices(amqpUrl: string): Promise<PerService<MeasuredService>> {
    const { profile } = this.#options;
    return this.#startSystem((service) => ({ service, amqpUrl, databasePath: this.#databasePath(service), profile }));
  }

  #startPeer(peer: Peer, amqpUrl: string): Promise<PerService<MeasuredService>> {
    return this.#startSystem((service) => ({
      service,
      main: peerMain(peer, service),
      amqpUrl,
      databasePath: this.#databasePath(service, peer),
      profile: undefined,
    }));
  }

  async #startSystem(
    optionsOf: (service: ServiceName) => Omit<MeasuredServiceOptions, 'failed'>,
  ): Promise<PerService<MeasuredService>> {
    const starting = serviceNames.map((service) =>
      MeasuredService.start({ ...optionsOf(service), failed: this.#failed }, (kill) => this.#killServices.push(kill)),
    );
    const started = await this.#inTime(Promise.all(starting));
    this.#services.push(...started);
    return perService((_, index) => started[index] as MeasuredService);
  }

  async #startPipeline(target: Target, amqpUrl: string, samples: SampleMessages): Promise<PerService<Child>> {
    const file = new URL('./pipeline-worker.js', import.meta.url);
    const workers = perService((service) => {
      const databasePath = target === 'baseline' ? this.#databasePath(service, 'baseline') : undefined;
      const settings: PipelineSettings = { service, amqpUrl, prefetch, samples, databasePath };
      return this.#child(`${target} ${service}`, file, settings);
    });
    await this.#inTime(Promise.all(Object.values(workers).map((worker) => worker.ready())));
    return workers;
  }

  #child(name: string, file: URL, settings: object): Child {
    const child = new Child({ name, file, settings, failed: this.#failed });
    this.#children.push(child);
    return child;
  }

  #databasePath(service: ServiceName, target: Target = 'services'): string {
    return join(this.#folder, target === 'services' ? `${service}.db` : `${target}-${service}.db`);
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return untilAborted(work, this.#options.stopping.signal);
  }
}

function ordersUrl(services: PerService<MeasuredService>): string {
  return `http://127.0.0.1:${services['order-service'].port}`;
}

function orderPortsOf(systems: Systems): LoadGeneratorSettings['orderPorts'] {
  return Object.fromEntries(Object.entries(systems).map(([target, each]) => [target, each['order-service'].port]));
}

function pidsOf(
  broker: OwnBroker,
  workers: Partial<Record<Target, PerService<{ readonly pid: number }>>>,
  loadGenerator: Child,
): Pids {
  return Object.fromEntries(
    Object.entries(workers).map(([target, each]) => [
      target,
      { broker: broker.pids, ...perService((service) => [each[service].pid]), 'load generator': [loadGenerator.pid] },
    ]),
  );
}
