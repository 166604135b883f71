// What is printed about runs.
import { allFaults, type FaultKind } from './environment/faults.ts';
import type { RunResult } from './run.ts';

const number = (value: number) => Math.round(value).toLocaleString('en');

export function duration(ms: number): string {
  if (ms < 10_000) return `${number(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${(ms / 60_000).toFixed(1)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** One line for one run. */
export function summary(result: RunResult): string {
  const speed = (result.orders / result.realMs) * 1_000;
  const instances = result.instances > 0 ? `${result.instances} instance${result.instances > 1 ? 's' : ''}, ` : '';
  const verdict = result.violations.length === 0 ? 'ok' : `VIOLATED: ${[...promisesOf(result)].join(', ')}`;
  return (
    `seed ${result.seed}: ${number(result.orders)} orders, ${instances}${number(result.events)} events, ` +
    `quiet after ${duration(result.quietAfterMs)}, ${number(speed)} orders/s, hash ${result.hash}, ${verdict}`
  );
}

export function promisesOf({ violations }: RunResult): Set<string> {
  return new Set(violations.map(({ promise }) => promise).sort());
}

/** Sums the counts of several runs. */
export function sum(into: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, times] of counts) into.set(name, (into.get(name) ?? 0) + times);
}

/** Faults, or outcomes and races, with how often they came about, in two columns. What is expected is never left out. */
export function countsTable(title: string, counts: ReadonlyMap<string, number>, expected: readonly string[]): string {
  const names = new Set([...[...counts.keys()].sort(), ...expected]);
  const rows = [...names].map((name) => `  ${number(counts.get(name) ?? 0).padStart(11)}  ${name}`);
  return [`${title}:`, ...(rows.length > 0 ? rows : ['  none'])].join('\n');
}

export function violationsText({ violations }: RunResult, most = 10): string {
  const lines = violations
    .slice(0, most)
    .map(({ promise, subject, text }) => `  ${promise}  ${subject ? `order ${subject} ` : ''}${text}`);
  if (violations.length > most) lines.push(`  … and ${violations.length - most} more`);
  return lines.join('\n');
}

/** What repeats a run. */
export function commandOf(run: {
  readonly seed: number;
  readonly orders: number;
  readonly faults: readonly FaultKind[];
  readonly instances?: number | undefined;
}): string {
  const faults =
    run.faults.length === allFaults.length ? 'all' : run.faults.length === 0 ? 'none' : run.faults.join(',');
  const instances = run.instances ?? 0;
  return `npm run simulate -- --seed ${run.seed} --orders ${run.orders} --faults ${faults} --instances ${instances}`;
}
