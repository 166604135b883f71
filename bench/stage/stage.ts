// What is measured, while it runs: puts loads on it, and reads what they cost from its processes and databases.
import Sqlite from 'better-sqlite3';
import { type PerService, perService } from '../../services.ts';
import type { FromLoadGenerator, Load, LoadResult, Target, ToLoadGenerator } from '../load/load.ts';
import type { SampleMessages } from '../load/saga-messages.ts';
import type { Shop } from '../load/shop.ts';
import type { Child } from './child.ts';
import type { MeasuredService } from './measured-service.ts';
import { type PerProcess, type ProcessName, perProcess } from './per-process.ts';
import { figuresOf, type ProcessFigures } from './process-figures.ts';
import { untilAborted } from './until-aborted.ts';

/** A load, what came of it, and what it cost. */
export interface Measured extends LoadResult {
  /** Processor seconds in the counted part. */
  readonly cpuS: PerProcess<number>;
  readonly writtenBytes: PerProcess<number>;
}

/** Process ids by target and name. */
export type Pids = Readonly<Partial<Record<Target, Readonly<Record<ProcessName, readonly number[]>>>>>;

export type Systems = Readonly<Partial<Record<Target, PerService<MeasuredService>>>>;

export interface StageParts {
  readonly shop: Shop;
  readonly samples: SampleMessages;
  readonly services: PerService<MeasuredService>;
  /** Time to fill the databases. */
  readonly fillMs: number;
  readonly loadGenerator: Child;
  /** The services that take orders over HTTP and have databases, by target. */
  readonly systems: Systems;
  /** As of now: a service that was killed has another id. */
  readonly pids: () => Pids;
  /** Aborted by Ctrl-C, and when a process ends that should not. */
  readonly signal: AbortSignal;
  /** Ends all processes and removes the databases. `orderly`: services get SIGTERM. */
  readonly close: (orderly: boolean) => Promise<void>;
}

export class Stage {
  readonly shop: Shop;
  readonly samples: SampleMessages;
  readonly services: PerService<MeasuredService>;
  readonly fillMs: number;
  readonly #parts: StageParts;

  constructor(parts: StageParts) {
    this.shop = parts.shop;
    this.samples = parts.samples;
    this.services = parts.services;
    this.fillMs = parts.fillMs;
    this.#parts = parts;
  }

  get pids(): Pids {
    return this.#parts.pids();
  }

  /** @throws Error when the target is not a system of services, or was not started */
  system(target: Target): PerService<MeasuredService> {
    const system = this.#parts.systems[target];
    if (!system) throw new Error(`no services of '${target}' were started`);
    return system;
  }

  get signal(): AbortSignal {
    return this.#parts.signal;
  }

  /** Puts a load on and waits until its sagas are over. `during` is called about once a second. */
  async run(load: Load, during: (endedSoFar: number) => void = () => {}): Promise<Measured> {
    const { loadGenerator, signal } = this.#parts;
    let before: PerProcess<ProcessFigures> = {};
    let after: PerProcess<ProcessFigures> = {};
    const stopListening = loadGenerator.onMessage((received) => {
      const message = received as FromLoadGenerator;
      if (message.is === 'counting') before = this.figures(load.target);
      if (message.is === 'counted') after = this.figures(load.target);
      if (message.is === 'progress') during(message.ended);
    });
    try {
      const result = loadGenerator.next((received) => {
        const message = received as FromLoadGenerator;
        return message.is === 'result' ? message.result : undefined;
      });
      loadGenerator.send({ run: load } satisfies ToLoadGenerator);
      const measured = await untilAborted(result, signal);
      const spent = (of: (figures: ProcessFigures) => number | undefined): PerProcess<number> =>
        perProcess((name) => difference(before[name], after[name], of));
      return { ...measured, cpuS: spent(({ cpuS }) => cpuS), writtenBytes: spent(({ writtenBytes }) => writtenBytes) };
    } finally {
      stopListening();
    }
  }

  figures(target: Target): PerProcess<ProcessFigures> {
    const pids = this.pids[target];
    return perProcess((name) => pids && figuresOf(pids[name]));
  }

  /** Bytes of the pages in use, by service. */
  databaseBytes(): PerService<number> {
    return perService((service) => {
      const db = new Sqlite(this.services[service].databasePath, { readonly: true });
      const number = (pragma: string) => Number(db.pragma(pragma, { simple: true }));
      const bytes = (number('page_count') - number('freelist_count')) * number('page_size');
      db.close();
      return bytes;
    });
  }

  /** Orderly, so that profiles are written. */
  async stop(): Promise<void> {
    await this.#parts.close(true);
  }

  async kill(): Promise<void> {
    await this.#parts.close(false);
  }
}

function difference(
  before: ProcessFigures | undefined,
  after: ProcessFigures | undefined,
  of: (figures: ProcessFigures) => number | undefined,
): number | undefined {
  const [from, to] = [before && of(before), after && of(after)];
  return from === undefined || to === undefined ? undefined : to - from;
}
