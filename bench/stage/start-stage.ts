// Starts everything that is measured: three services over filled databases, the processes of the raw pipeline and of the
// baseline beside them, and the load generator.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type PerService, perService, serviceNames } from '../../services.ts';
import { readSettings } from '../../shared/runtime/process/settings.ts';
import type { LoadGeneratorSettings, Target } from '../load/load.ts';
import type { SampleMessages } from '../load/saga-messages.ts';
import type { Shop } from '../load/shop.ts';
import { Child } from './child.ts';
import type { FillSettings } from './fill.ts';
import { MeasuredService } from './measured-service.ts';
import type { OwnBroker } from './own-broker.ts';
import type { PipelineSettings } from './pipeline-worker.ts';
import { takeSamples } from './sample.ts';
import { type Pids, Stage } from './stage.ts';
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
  #services: readonly MeasuredService[] = [];
  readonly #failed = (error: Error): void => this.#options.stopping.abort(error);

  constructor(options: StageOptions) {
    this.#options = options;
    this.#folder = mkdtempSync(join(options.dataDir, 'stage-'));
  }

  async everything(): Promise<Stage> {
    const { broker, vhost, shop, targets, stopping } = this.#options;
    const pipelines = targets.filter((target) => target !== 'services');
    // Each takes a while: all at once, and while the databases are filled.
    const vhosts = this.#inTime(Promise.all([vhost, ...pipelines].map((name) => broker.vhost(name))));
    vhosts.catch(() => {});
    const fillMs = await this.#fillDatabases();
    await vhosts;
    const servicesUrl = await broker.vhost(vhost);
    const services = await this.#startServices(servicesUrl);
    const ordersPort = services['order-service'].port;
    const samples = await this.#inTime(takeSamples(servicesUrl, `http://127.0.0.1:${ordersPort}`, shop));
    const amqpUrls: Partial<Record<Target, string>> = { services: servicesUrl };
    const workers: Partial<Record<Target, PerService<{ readonly pid: number }>>> = { services };
    for (const target of pipelines) {
      const amqpUrl = await broker.vhost(target);
      amqpUrls[target] = amqpUrl;
      workers[target] = await this.#startPipeline(target, amqpUrl, samples);
    }
    const file = new URL('../load/load-generator.js', import.meta.url);
    const settings: LoadGeneratorSettings = { ordersPort, amqpUrls, shop, samples };
    const loadGenerator = this.#child('load generator', file, settings);
    await this.#inTime(loadGenerator.ready());
    return new Stage({
      shop,
      samples,
      services,
      fillMs,
      loadGenerator,
      pids: pidsOf(broker, workers, loadGenerator),
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
    const { shop, pastOrders: orders } = this.#options;
    const file = new URL('./fill.js', import.meta.url);
    const startedMs = performance.now();
    const fills = serviceNames.map((service) => {
      const settings: FillSettings = { service, databasePath: this.#databasePath(service), shop, orders };
      return this.#child(`filling ${service}`, file, settings).done();
    });
    await this.#inTime(Promise.all(fills));
    return performance.now() - startedMs;
  }

  async #startServices(amqpUrl: string): Promise<PerService<MeasuredService>> {
    const { profile } = this.#options;
    const starting = serviceNames.map((service) =>
      MeasuredService.start(
        { service, amqpUrl, databasePath: this.#databasePath(service), profile, failed: this.#failed },
        (kill) => this.#killServices.push(kill),
      ),
    );
    this.#services = await this.#inTime(Promise.all(starting));
    return perService((_, index) => this.#services[index] as MeasuredService);
  }

  async #startPipeline(target: Target, amqpUrl: string, samples: SampleMessages): Promise<PerService<Child>> {
    const file = new URL('./pipeline-worker.js', import.meta.url);
    const workers = perService((service) => {
      const databasePath = target === 'baseline' ? this.#databasePath(`baseline-${service}`) : undefined;
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

  #databasePath(name: string): string {
    return join(this.#folder, `${name}.db`);
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return untilAborted(work, this.#options.stopping.signal);
  }
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
