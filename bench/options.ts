// The command line of `npm run bench`.
import { parseArgs } from 'node:util';
import { UsageError } from '../local/usage-error.ts';
import { type Peer, peers } from './load/load.ts';
import { fullPlan, type Plan, quickPlan } from './measure/plan.ts';

export const sections = ['saturation', 'latency', 'failure', 'memory', 'kill', 'growth', 'overload'] as const;
export type Section = (typeof sections)[number];

export interface Options {
  readonly help: boolean;
  readonly json: boolean;
  readonly quick: boolean;
  readonly only: readonly Section[];
  /** Measured beside the services. */
  readonly peers: readonly Peer[];
  /** Sagas in flight at saturation. */
  readonly inFlight: number;
  /** Where the plot goes; undefined: nowhere. */
  readonly svg: string | undefined;
  /** Folder for CPU profiles of the services; undefined: none are taken. */
  readonly profile: string | undefined;
  readonly plan: Plan;
}

export const usage = `npm run bench -- [options]

Measures the three services and, in turns with them, the raw RabbitMQ pipeline: the same exchanges, queues, bindings,
messages and confirms through three plain Node processes, without validation and without a database; and the baseline: the
same processes with a separate fsynced transaction, publish and ack for each message, without confirms and outbox.
Everything runs on this machine, with a broker of its own, and is removed afterwards.

  --quick          about two minutes; shows whether something broke, too short for figures
  --only A,B       some of ${sections.join(', ')}
                   (default: all but overload; kill only with --peers, growth not with --quick)
  --peers          measure the peers in bench/peers as well, in turns with the services: saturation, latency at
                   ${fullPlan.peerRates.join(' and ')}/s, fsyncs, and the orders that are lost, stuck or doubled when services are
                   killed; installs their packages; takes 15 minutes more, with --quick 4
  --json           the result as one JSON document on standard output
  --in-flight N    sagas in flight at saturation (256)
  --rounds N       how often measurements take turns (${fullPlan.rounds}; quick: ${quickPlan.rounds})
  --seconds N      length of one measurement
  --sagas N        sagas of the memory run (${fullPlan.memorySagas}; quick: ${quickPlan.memorySagas})
  --orders N       past orders of the growth run (${fullPlan.growthOrders})
  --svg FILE       where to draw the latencies (docs/bench-latency.svg; with --quick nowhere by default)
  --profile DIR    CPU profiles of the services, and their hottest functions; profiling lowers the figures
  --help

BROKER_SOURCE=installed|debian|docker chooses the broker; by default a private node is preferred to Docker.
A full run takes about 55 minutes. Close whatever else uses the processor.
`;

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options {
  const { values } = parsed(args);
  const quick = values.quick ?? false;
  const base = quick ? quickPlan : fullPlan;
  const rounds = number('--rounds', values.rounds, 1, 1_000);
  const seconds = number('--seconds', values.seconds, 1, 3_600);
  const memorySagas = number('--sagas', values.sagas, 100, 100_000_000);
  const growthOrders = number('--orders', values.orders, 1, 100_000_000);
  return {
    help: values.help ?? false,
    json: values.json ?? false,
    quick,
    only: sectionsIn(values.only, quick, values.peers ?? false),
    peers: values.peers ? peers : [],
    inFlight: number('--in-flight', values['in-flight'], 1, 4_000) ?? 256,
    svg: values.svg ?? (quick ? undefined : 'docs/bench-latency.svg'),
    profile: values.profile,
    plan: {
      ...base,
      ...(rounds === undefined ? {} : { rounds, latencyRounds: rounds, growthRounds: rounds }),
      ...(seconds === undefined
        ? {}
        : { saturationS: seconds, latencyS: seconds, fsyncS: seconds, growthS: seconds, overloadS: seconds }),
      ...(memorySagas === undefined ? {} : { memorySagas }),
      ...(growthOrders === undefined ? {} : { growthOrders }),
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
        peers: { type: 'boolean' },
        'in-flight': { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        sagas: { type: 'string' },
        orders: { type: 'string' },
        svg: { type: 'string' },
        profile: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function sectionsIn(only: readonly string[] | undefined, quick: boolean, withPeers: boolean): Section[] {
  if (only === undefined) {
    // Overload takes minutes in which the machine can do nothing else.
    const leftOut = ['overload', ...(quick ? ['growth'] : []), ...(withPeers ? [] : ['kill'])];
    return sections.filter((section) => !leftOut.includes(section));
  }
  const names = only.flatMap((list) => list.split(','));
  for (const name of names) {
    if (!(sections as readonly string[]).includes(name)) {
      throw new UsageError(`--only ${name}: must be some of ${sections.join(', ')}`);
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
