// Everything that is measured, up and running: three services over filled databases, the processes of the raw pipeline
// and of the usual way beside them, and the load generator.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type PerService, perService, serviceNames } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import { readSettings } from '../shared/runtime/process/settings.ts';
import { Child } from './child.ts';
import type { FillSettings } from './fill.ts';
import type { DriverSettings, FromDriver, Load, LoadResult, Target, ToDriver } from './load.ts';
import type { OwnBroker } from './own-broker.ts';
import type { PipelineSettings } from './pipeline-worker.ts';
import { figuresOf, type ProcessFigures } from './process-figures.ts';
import type { SampleMessages } from './saga-messages.ts';
import { takeSamples } from './sample.ts';
import { ServiceRun } from './service.ts';
import type { Shop } from './shop.ts';

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
  readonly profile?: string | undefined;
  readonly progress: (line: string) => void;
  /** Aborted by Ctrl-C, and when a process ends that should not. */
  readonly stopping: AbortController;
}

export const processNames = ['broker', ...serviceNames, 'load generator'] as const;
export type ProcessName = (typeof processNames)[number];
export type PerProcess<T> = Readonly<Partial<Record<ProcessName, T>>>;

/** A load, what came of it, and what it cost. */
export interface Measured extends LoadResult {
  /** Processor seconds in the counted part. */
  readonly cpuS: PerProcess<number>;
  readonly writtenBytes: PerProcess<number>;
}

/** The raw pipeline's prefetch is what the services have. */
const { PREFETCH: prefetch } = readSettings({}, { PORT: '0', DATABASE_PATH: 'none' });

export class Stage {
  readonly shop: Shop;
  readonly samples: SampleMessages;
  readonly services: readonly ServiceRun[];
  /** Time to fill the databases. */
  readonly fillMs: number;
  readonly #options: StageOptions;
  readonly #driver: Child;
  readonly #pids: Readonly<Partial<Record<Target, Readonly<Record<ProcessName, readonly number[]>>>>>;
  readonly #close: (orderly: boolean) => Promise<void>;

  private constructor(parts: {
    options: StageOptions;
    samples: SampleMessages;
    services: readonly ServiceRun[];
    fillMs: number;
    driver: Child;
    pids: Stage['pids'];
    close: (orderly: boolean) => Promise<void>;
  }) {
    this.#options = parts.options;
    this.shop = parts.options.shop;
    this.samples = parts.samples;
    this.services = parts.services;
    this.fillMs = parts.fillMs;
    this.#driver = parts.driver;
    this.#pids = parts.pids;
    this.#close = parts.close;
  }

  /** @throws what went wrong; nothing is left running then */
  static async start(options: StageOptions): Promise<Stage> {
    const { broker, shop, targets, stopping } = options;
    const folder = mkdtempSync(join(options.dataDir, 'stage-'));
    const children: Child[] = [];
    const kills: (() => Promise<void>)[] = [];
    let services: readonly ServiceRun[] = [];
    const close = async (orderly: boolean): Promise<void> => {
      await Promise.all(children.map((child) => child.kill()));
      if (orderly) await Promise.all(services.map((service) => service.stop()));
      await Promise.all(kills.map((kill) => kill()));
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    const failed = (error: Error): void => stopping.abort(error);
    const child = (module: string, settings: object): Child => {
      const made = new Child({ module, settings, failed });
      children.push(made);
      return made;
    };
    const pathOf = (name: string) => join(folder, `${name}.db`);
    try {
      // Each takes a while: all at once, and while the databases are filled.
      const vhosts = orAborted(
        Promise.all([broker.vhost(options.vhost), ...targets.filter(isPipeline).map((target) => broker.vhost(target))]),
        stopping.signal,
      );
      vhosts.catch(() => {});
      const fillMs = await timed(async () => {
        const fills = serviceNames.map((service) =>
          child('fill', {
            service,
            databasePath: pathOf(service),
            shop,
            orders: options.pastOrders,
          } satisfies FillSettings).done(),
        );
        await orAborted(Promise.all(fills), stopping.signal);
      });
      await vhosts;
      const servicesUrl = await broker.vhost(options.vhost);
      const starting = serviceNames.map((service) =>
        ServiceRun.start(
          { service, amqpUrl: servicesUrl, databasePath: pathOf(service), profile: options.profile, failed },
          (kill) => kills.push(kill),
        ),
      );
      const running = await orAborted(Promise.all(starting), stopping.signal);
      services = running;
      const ordersPort = running.find(({ service }) => service === 'order-service')?.port ?? 0;
      const samples = await orAborted(
        takeSamples(servicesUrl, `http://127.0.0.1:${ordersPort}`, shop),
        stopping.signal,
      );
      const amqpUrls: Partial<Record<Target, string>> = { services: servicesUrl };
      const workers: Partial<Record<Target, PerService<Child>>> = {};
      for (const target of targets.filter(isPipeline)) {
        const amqpUrl = await broker.vhost(target);
        amqpUrls[target] = amqpUrl;
        const worker = (service: ServiceName): Child =>
          child('pipeline-worker', {
            service,
            amqpUrl,
            prefetch,
            samples,
            databasePath: target === 'usual' ? pathOf(`usual-${service}`) : undefined,
          } satisfies PipelineSettings);
        const made = perService(worker);
        workers[target] = made;
        await orAborted(Promise.all(Object.values(made).map((one) => one.ready())), stopping.signal);
      }
      const driver = child('driver', { ordersPort, amqpUrls, shop, samples } satisfies DriverSettings);
      await orAborted(driver.ready(), stopping.signal);
      const pidsOf = (target: Target): Record<ProcessName, readonly number[]> => {
        const of = (service: ServiceName): number[] => [
          target === 'services'
            ? (running.find((run) => run.service === service)?.pid ?? 0)
            : (workers[target]?.[service].pid ?? 0),
        ];
        return {
          broker: broker.pids,
          ...perService(of),
          'load generator': [driver.pid],
        };
      };
      const pids = Object.fromEntries((['services', ...targets] as const).map((target) => [target, pidsOf(target)]));
      return new Stage({ options, samples, services: running, fillMs, driver, pids, close });
    } catch (error) {
      await close(false);
      throw error;
    }
  }

  get pids(): Readonly<Partial<Record<Target, Readonly<Record<ProcessName, readonly number[]>>>>> {
    return this.#pids;
  }

  /** Puts a load on and waits until its sagas are over. `during` is called about once a second. */
  async run(load: Load, during: (endedSoFar: number) => void = () => {}): Promise<Measured> {
    const { signal } = this.#options.stopping;
    let before: PerProcess<ProcessFigures> = {};
    let after: PerProcess<ProcessFigures> = {};
    const stopListening = this.#driver.onMessage((message) => {
      const { is } = message as FromDriver;
      if (is === 'counting') before = this.figures(load.target);
      if (is === 'counted') after = this.figures(load.target);
      if (is === 'progress') during((message as { ended: number }).ended);
    });
    try {
      const result = this.#driver.next((message) => {
        const from = message as FromDriver;
        return from.is === 'result' ? from.result : undefined;
      });
      this.#driver.send({ run: load } satisfies ToDriver);
      const measured = await orAborted(result, signal);
      const differences = (of: (figures: ProcessFigures) => number | undefined): PerProcess<number> =>
        Object.fromEntries(
          processNames.flatMap((name) => {
            const [from, to] = [before[name], after[name]];
            const [a, b] = [from && of(from), to && of(to)];
            return a === undefined || b === undefined ? [] : [[name, b - a]];
          }),
        );
      return { ...measured, cpuS: differences(({ cpuS }) => cpuS), writtenBytes: differences((f) => f.writtenBytes) };
    } finally {
      stopListening();
    }
  }

  figures(target: Target): PerProcess<ProcessFigures> {
    const pids = this.#pids[target];
    return Object.fromEntries(
      processNames.flatMap((name) => {
        const figures = pids && figuresOf(pids[name]);
        return figures ? [[name, figures]] : [];
      }),
    );
  }

  /** Bytes of the pages in use, by service. */
  databaseBytes(): PerService<number> {
    return perService((service) => {
      const databasePath = this.services.find((run) => run.service === service)?.databasePath ?? '';
      const db = new Sqlite(databasePath, { readonly: true });
      const number = (pragma: string) => Number(db.pragma(pragma, { simple: true }));
      const bytes = (number('page_count') - number('freelist_count')) * number('page_size');
      db.close();
      return bytes;
    });
  }

  /** Orderly, so that profiles are written. */
  async stop(): Promise<void> {
    await this.#close(true);
  }

  async kill(): Promise<void> {
    await this.#close(false);
  }
}

function isPipeline(target: Target): boolean {
  return target !== 'services';
}

/** @throws the signal's reason as soon as there is one */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    work.catch(() => {});
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
