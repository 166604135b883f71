// The simulator's command line: runs seeds, planted bugs, or every small case, and says what came of it.
// Exit code 0: every promise held; 1: a violation, or something that was never reached; 2: wrong arguments; 130: stopped.
import { parseArgs } from 'node:util';
import { exploreAll } from '../simulator/exhaustive.ts';
import { allFaults, type FaultKind, faultKinds, parseFaults } from '../simulator/faults.ts';
import { mutants } from '../simulator/mutants.ts';
import { simulateAll } from '../simulator/parallel.ts';
import { neverReached, ordersForEverything } from '../simulator/races.ts';
import {
  commandOf,
  countsTable,
  duration,
  isFault,
  promisesOf,
  sum,
  summary,
  violationsText,
} from '../simulator/report.ts';
import { shrink } from '../simulator/shrink.ts';
import type { RunResult } from '../simulator/simulation.ts';

const usage = `npm run simulate -- [options]

  --seed N        the run, or the first of several (default 1)
  --orders N      orders asked for in each run (default 10000)
  --faults KINDS  all, none, or a comma list (default all)
  --seeds N       runs this many seeds, from --seed on (default 1)
  --workers N     runs at a time (default: one per core)
  --mutants       plants one bug after the other; each must be found
  --exhaustive    every order of events, duplicate, crash and cancellation of one order
  --help

The same seed, orders and faults give the same run, to the byte.

Kinds of faults:
${Object.entries(faultKinds)
  .map(([kind, what]) => `  ${kind.padEnd(20)}${what}`)
  .join('\n')}
`;

/** Wrong arguments. */
class UsageError extends Error {}

const stopping = new AbortController();
process.once('SIGINT', () => {
  stopping.abort();
  console.error('stopped');
  process.exit(130);
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\nTry --help.` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

interface Settings {
  readonly seed: number;
  readonly orders: number;
  readonly faults: readonly FaultKind[];
  readonly seeds: number;
  readonly workers: number | undefined;
}

async function main(args: string[]): Promise<number> {
  const values = parse(args);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.mutants && values.exhaustive) throw new UsageError('--mutants and --exhaustive are two different things');
  const settings: Settings = {
    seed: integer('--seed', values.seed, 1, 0),
    orders: integer('--orders', values.orders, values.mutants ? 400 : 10_000, 1),
    seeds: integer('--seeds', values.seeds, values.mutants ? 20 : 1, 1),
    workers: values.workers === undefined ? undefined : integer('--workers', values.workers, 1, 1),
    faults: faultsOf(values.faults ?? 'all'),
  };
  if (values.mutants) return hunt(settings);
  if (values.exhaustive) return exploreAll((line) => console.log(line)) ? 0 : 1;
  return run(settings);
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        seed: { type: 'string' },
        orders: { type: 'string' },
        faults: { type: 'string' },
        seeds: { type: 'string' },
        workers: { type: 'string' },
        mutants: { type: 'boolean' },
        exhaustive: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function integer(flag: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= 1_000_000_000) return value;
  throw new UsageError(`${flag} takes a whole number from ${least} to 1000000000, not '${text}'`);
}

function faultsOf(text: string): FaultKind[] {
  try {
    return parseFaults(text);
  } catch (error) {
    throw new UsageError(`--faults: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function run({ seed, orders, faults, seeds, workers }: Settings): Promise<number> {
  const startedMs = performance.now();
  const totals = { faults: new Map<string, number>(), races: new Map<string, number>() };
  let events = 0;
  let slowestQuietMs = 0;
  const failures: RunResult[] = [];
  const requests = Array.from({ length: seeds }, (_, index) => ({ seed: seed + index, orders, faults }));
  let finished = 0;
  await simulateAll(
    requests,
    (result) => {
      finished += 1;
      console.log(`${seeds > 1 ? `[${finished}/${seeds}] ` : ''}${summary(result)}`);
      sum(totals.faults, result.faults);
      sum(totals.races, result.races);
      events += result.events;
      slowestQuietMs = Math.max(slowestQuietMs, result.quietAfterMs);
      if (result.violations.length > 0) failures.push(result);
    },
    workers,
    stopping.signal,
  );
  const realMs = performance.now() - startedMs;
  const everything = faults.length === allFaults.length;
  console.log(countsTable('\nfaults injected', totals.faults, (name) => everything && isFault(name)));
  console.log(countsTable('\noutcomes and races reached', totals.races, (name) => everything && !isFault(name)));
  const missing = everything && orders * seeds >= ordersForEverything ? neverReached(totals.faults, totals.races) : [];
  console.log(
    `\n${(orders * seeds).toLocaleString('en')} orders, ${events.toLocaleString('en')} events, quiet at the latest after ` +
      `${duration(slowestQuietMs)} (virtual), ${duration(realMs)} (real), ` +
      `${Math.round((orders * seeds * 1_000) / realMs).toLocaleString('en')} orders/s, violations: ${failures.length}`,
  );
  if (missing.length > 0) console.log(`\nNEVER REACHED:\n${missing.map((name) => `  ${name}`).join('\n')}`);
  const [first] = failures.sort((a, b) => a.seed - b.seed);
  if (first) explain(first, orders, faults);
  return failures.length > 0 || missing.length > 0 ? 1 : 0;
}

function explain(failure: RunResult, orders: number, faults: readonly FaultKind[]): void {
  const { seed } = failure;
  console.log(`\nVIOLATED with seed ${seed}:\n${violationsText(failure)}`);
  console.log(
    `\nTo repeat it:\n  ${commandOf({ seed, orders, faults })}\n\nLooking for the smallest run that still fails …`,
  );
  const { options, result } = shrink({ seed, orders, faults });
  console.log(`\nThe smallest found:\n  ${commandOf(options)}\n${violationsText(result)}\n\n${result.diagram ?? ''}`);
}

/** Every planted bug must be found. */
async function hunt({ seed, orders, faults, seeds, workers }: Settings): Promise<number> {
  const width = Math.max(...mutants.map(({ name }) => name.length));
  let hidden = mutants;
  console.log(`${orders} orders a run; the seeds ${seed} to ${seed + seeds - 1} are tried\n`);
  console.log(`${'planted bug'.padEnd(width)}  seeds  promises broken`);
  for (let tried = 1; tried <= seeds && hidden.length > 0; tried++) {
    const found = new Set<string>();
    await simulateAll(
      hidden.map(({ name, faults: own }) => ({ seed: seed + tried - 1, orders, faults: own ?? faults, mutant: name })),
      (result, { mutant: name = '' }) => {
        const [first] = result.violations;
        if (!first) return;
        found.add(name);
        const bug = mutants.find((mutant) => mutant.name === name)?.bug;
        console.log(`${name.padEnd(width)}  ${String(tried).padStart(5)}  ${[...promisesOf(result)].join(' ')}`);
        console.log(
          `${' '.repeat(width + 9)}planted: ${bug}\n${' '.repeat(width + 9)}found: ${first.promise} ${first.text}`,
        );
      },
      workers,
      stopping.signal,
    );
    hidden = hidden.filter(({ name }) => !found.has(name));
  }
  for (const { name, bug } of hidden)
    console.log(`${name.padEnd(width)}  ${String(seeds).padStart(5)}  SURVIVED: ${bug}`);
  console.log(`\n${mutants.length} planted bugs, ${mutants.length - hidden.length} found`);
  return hidden.length > 0 ? 1 : 0;
}
