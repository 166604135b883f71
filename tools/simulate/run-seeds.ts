// `npm run simulate`: runs seeds, prints what came about and what did not, and makes the first failure small.
import { faultsOf, missed, neverReached, ordersForEverything, outcomesAndRacesOf } from '../../simulator/coverage.ts';
import { allFaults, type FaultKind } from '../../simulator/environment/faults.ts';
import { instancesOfSeed } from '../../simulator/environment/instances.ts';
import { simulateAll } from '../../simulator/parallel.ts';
import { commandOf, countsTable, duration, sum, summary, violationsText } from '../../simulator/report.ts';
import type { RunResult } from '../../simulator/run.ts';
import { shrink } from '../../simulator/shrink.ts';
import { KeptResults } from './kept-results.ts';
import type { Settings } from './settings.ts';

/** Returns the exit code. */
export async function runSeeds(settings: Settings, signal: AbortSignal): Promise<number> {
  const { orders, faults, seeds } = settings;
  const withInstances = seedsOf(settings).some((seed) => instancesFor(settings, seed) > 1);
  const startedMs = performance.now();
  const results = await runAll(settings, signal);
  const realMs = performance.now() - startedMs;
  const counts = { faults: new Map<string, number>(), races: new Map<string, number>() };
  for (const result of results) {
    sum(counts.faults, result.faults);
    sum(counts.races, result.races);
  }
  const failures = results.filter(({ violations }) => violations.length > 0).sort((a, b) => a.seed - b.seed);
  const events = results.reduce((total, result) => total + result.events, 0);
  const slowestQuietMs = Math.max(...results.map(({ quietAfterMs }) => quietAfterMs));
  console.log(countsTable('\nfaults injected', counts.faults, faultsOf(faults, withInstances)));
  console.log(countsTable('\noutcomes and races reached', counts.races, outcomesAndRacesOf(withInstances)));
  console.log(
    `\n${(orders * seeds).toLocaleString('en')} orders, ${events.toLocaleString('en')} events, quiet at the latest after ` +
      `${duration(slowestQuietMs)} (virtual), ${duration(realMs)} (real), ` +
      `${Math.round((orders * seeds * 1_000) / realMs).toLocaleString('en')} orders/s, violations: ${failures.length}`,
  );
  const missing = neverReached(counts, faults, withInstances);
  const mustReachEverything = faults.length === allFaults.length && orders * seeds >= ordersForEverything;
  const fails = mustReachEverything && missed(counts, faults, withInstances).length > 0;
  console.log(neverReachedText(missing, fails));
  const [first] = failures;
  if (first) explain(first, faults);
  return failures.length > 0 || fails ? 1 : 0;
}

function seedsOf({ seed, seeds }: Settings): number[] {
  return Array.from({ length: seeds }, (_, index) => seed + index);
}

function instancesFor({ instances }: Settings, seed: number): number {
  return instances ?? instancesOfSeed(seed);
}

async function runAll(settings: Settings, signal: AbortSignal): Promise<RunResult[]> {
  const { orders, faults, seeds, workers } = settings;
  const kept = new KeptResults(settings.results);
  const requests = seedsOf(settings).map((seed) => ({ seed, orders, faults, instances: instancesFor(settings, seed) }));
  const results = requests.flatMap((request) => kept.of(request) ?? []);
  if (results.length > 0) console.log(`${results.length} of ${seeds} runs are in ${settings.results}`);
  await simulateAll(
    requests.filter((request) => !kept.of(request)),
    (result, request) => {
      kept.keep(request, result);
      results.push(result);
      console.log(`${seeds > 1 ? `[${results.length}/${seeds}] ` : ''}${summary(result)}`);
    },
    workers,
    signal,
  );
  return results;
}

function neverReachedText(missing: readonly string[], fails: boolean): string {
  if (missing.length === 0) return '\nnever reached: nothing';
  const title = fails
    ? 'NEVER REACHED, in runs that must reach everything'
    : 'never reached (not required of these runs)';
  return `\n${title}:\n${missing.map((name) => `  ${name}`).join('\n')}`;
}

function explain(failure: RunResult, faults: readonly FaultKind[]): void {
  const { seed, orders, instances } = failure;
  console.log(`\nVIOLATED with seed ${seed}:\n${violationsText(failure)}`);
  console.log(`\nTo repeat it:\n  ${commandOf({ seed, orders, faults, instances })}`);
  console.log('\nLooking for the smallest run that still fails …');
  const { options, result } = shrink({ seed, orders, faults, instances });
  console.log(`\nThe smallest found:\n  ${commandOf(options)}\n${violationsText(result)}\n\n${result.diagram ?? ''}`);
}
