// The arguments of `npm run simulate`, and what is wrong with them.
import { parseArgs } from 'node:util';
import { UsageError } from '../../local/usage-error.ts';
import { type FaultKind, faultKinds, parseFaults } from '../../simulator/environment/faults.ts';
import { instancesMax } from '../../simulator/environment/instances.ts';

export interface Settings {
  readonly mode: 'seeds' | 'mutants' | 'exhaustive';
  readonly seed: number;
  readonly orders: number;
  readonly faults: readonly FaultKind[];
  readonly seeds: number;
  /** Named instances of order-service in each run; undefined: it depends on the seed. */
  readonly instances: number | undefined;
  readonly workers: number | undefined;
  /** A file with the results of the runs so far: those that are in it are not run again. */
  readonly results: string | undefined;
}

export const usage = `npm run simulate -- [options]

  --seed N        the run, or the first of several (default 1)
  --orders N      orders placed in each run (default 10000)
  --faults KINDS  all, none, or a comma list (default all)
  --seeds N       runs this many seeds, from --seed on (default 1)
  --instances N   order-service runs as so many named instances, 0 to 3 (default: it depends on the seed)
  --workers N     runs at a time (default: one per core)
  --results FILE  keeps the result of each run in this file; a command that was stopped goes on with the others
  --mutants       plants one bug after another; each must be found
  --exhaustive    every order of events, duplicate, crash and cancellation of one order
  --help

The same seed, orders, faults and instances give the same run, to the byte.

Kinds of faults:
${Object.entries(faultKinds)
  .map(([kind, what]) => `  ${kind.padEnd(20)}${what}`)
  .join('\n')}
`;

/** @throws UsageError */
export function parseSettings(args: readonly string[]): Settings | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  if (values.mutants && values.exhaustive) throw new UsageError('--mutants and --exhaustive exclude each other');
  const { mutants = false, exhaustive = false } = values;
  return {
    mode: mutants ? 'mutants' : exhaustive ? 'exhaustive' : 'seeds',
    seed: integer('--seed', values.seed, 1, 0),
    orders: integer('--orders', values.orders, mutants ? 400 : 10_000, 1),
    results: values.results,
    seeds: integer('--seeds', values.seeds, mutants ? 20 : 1, 1),
    workers: values.workers === undefined ? undefined : integer('--workers', values.workers, 1, 1),
    instances:
      values.instances === undefined ? undefined : integer('--instances', values.instances, 0, 0, instancesMax),
    faults: faultsOf(values.faults ?? 'all'),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        orders: { type: 'string' },
        faults: { type: 'string' },
        seeds: { type: 'string' },
        workers: { type: 'string' },
        results: { type: 'string' },
        instances: { type: 'string' },
        mutants: { type: 'boolean' },
        exhaustive: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function integer(
  flag: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most = 1_000_000_000,
): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`${flag} takes a whole number from ${least} to ${most}, not '${text}'`);
}

function faultsOf(text: string): FaultKind[] {
  try {
    return parseFaults(text);
  } catch (error) {
    throw new UsageError(`--faults: ${error instanceof Error ? error.message : String(error)}`);
  }
}
