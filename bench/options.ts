// What `npm run bench` may be asked for, and how much of everything a whole run, or a quick one, measures.
import { parseArgs } from 'node:util';

export const sections = ['saturation', 'latency', 'failure', 'memory', 'growth'] as const;
export type Section = (typeof sections)[number];

/** How long, how often and how much. Durations in seconds. */
export interface Plan {
  /** Measurements that take turns (services, raw, services, raw, …). */
  readonly rounds: number;
  readonly warmUpS: number;
  readonly saturationS: number;
  readonly latencyRounds: number;
  readonly latencyS: number;
  /** Orders per second; `half` is half of what the services were measured to do at saturation. */
  readonly rates: readonly (number | 'half')[];
  readonly failureRates: readonly (number | 'half')[];
  readonly costS: number;
  /** Sagas of the memory run. */
  readonly memorySagas: number;
  readonly growthRounds: number;
  readonly growthS: number;
  readonly growthOrders: number;
  /** Numbers of products, and of accounts. */
  readonly growthCatalogues: readonly number[];
  readonly growthLines: readonly number[];
}

export const wholePlan: Plan = {
  rounds: 5,
  warmUpS: 3,
  saturationS: 15,
  latencyRounds: 3,
  latencyS: 20,
  rates: [10, 100, 500, 'half'],
  failureRates: [10, 100, 500, 'half'],
  costS: 10,
  memorySagas: 200_000,
  growthRounds: 3,
  growthS: 15,
  growthOrders: 1_000_000,
  growthCatalogues: [10_000, 100_000],
  growthLines: [10, 50],
};

export const quickPlan: Plan = {
  rounds: 2,
  warmUpS: 1,
  saturationS: 3,
  latencyRounds: 1,
  latencyS: 3,
  rates: [10, 100, 500, 'half'],
  failureRates: [100],
  costS: 2,
  memorySagas: 5_000,
  growthRounds: 1,
  growthS: 4,
  growthOrders: 50_000,
  growthCatalogues: [10_000],
  growthLines: [10],
};

export interface Options {
  readonly help: boolean;
  readonly json: boolean;
  readonly quick: boolean;
  readonly only: readonly Section[];
  /** Sagas in flight at saturation. */
  readonly inFlight: number;
  /** Where the plot goes; undefined: nowhere. */
  readonly svg: string | undefined;
  /** Folder for CPU profiles of the services; undefined: none are taken. */
  readonly profile: string | undefined;
  readonly plan: Plan;
}

/** The command line asks for what there is not. The message says what there is. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const usage = `npm run bench -- [options]

Measures the three services and, in turns with them, the raw RabbitMQ pipeline: the same exchanges, queues, bindings,
messages and confirms through three plain Node processes, without validation and without a database; and the usual way:
one fsynced transaction, one publish and one ack a message, without confirms and without an outbox.
Everything runs on this machine, with a broker of its own, and is gone afterwards.

  --quick          about two minutes; says whether something broke, not what the figures are
  --only A,B       of ${sections.join(', ')} (default: all; with --quick all but growth)
  --json           the result as one JSON document on standard output
  --in-flight N    sagas in flight at saturation (256)
  --rounds N       how often measurements take turns (${wholePlan.rounds}; quick: ${quickPlan.rounds})
  --seconds N      length of one measurement
  --sagas N        sagas of the memory run (${wholePlan.memorySagas}; quick: ${quickPlan.memorySagas})
  --svg FILE       the plot of latencies (docs/bench-latency.svg; with --quick only when named)
  --profile DIR    CPU profiles of the services, and their hottest functions; figures of such a run are too low
  --help

BROKER_SOURCE=installed|debian|docker chooses the broker; without it a private node is preferred to Docker's.
A run at full length takes about 50 minutes. Close what else uses the processor.
`;

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options {
  const { values } = parsed(args);
  const quick = values.quick ?? false;
  const base = quick ? quickPlan : wholePlan;
  const rounds = number('--rounds', values.rounds, 1, 1_000);
  const seconds = number('--seconds', values.seconds, 1, 3_600);
  const memorySagas = number('--sagas', values.sagas, 100, 100_000_000);
  return {
    help: values.help ?? false,
    json: values.json ?? false,
    quick,
    only: sectionsIn(values.only, quick),
    inFlight: number('--in-flight', values['in-flight'], 1, 4_000) ?? 256,
    svg: values.svg ?? (quick ? undefined : 'docs/bench-latency.svg'),
    profile: values.profile,
    plan: {
      ...base,
      ...(rounds === undefined ? {} : { rounds, latencyRounds: rounds, growthRounds: rounds }),
      ...(seconds === undefined ? {} : { saturationS: seconds, latencyS: seconds, costS: seconds, growthS: seconds }),
      ...(memorySagas === undefined ? {} : { memorySagas }),
    },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        quick: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        'in-flight': { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        sagas: { type: 'string' },
        svg: { type: 'string' },
        profile: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function sectionsIn(only: readonly string[] | undefined, quick: boolean): Section[] {
  if (only === undefined) return sections.filter((section) => !quick || section !== 'growth');
  const names = only.flatMap((list) => list.split(','));
  for (const name of names) {
    if (!(sections as readonly string[]).includes(name)) {
      throw new UsageError(`--only ${name}: there is ${sections.join(', ')}`);
    }
  }
  return sections.filter((section) => names.includes(section));
}

function number(flag: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${flag} ${text}: must be a whole number from ${min} to ${max}`);
}
