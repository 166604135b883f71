// Latencies at each rate of arrival, and what a saga costs there.
import type { Percentiles } from '../load/histogram.ts';
import { ms } from '../measure/figures-as-text.ts';
import type { LatencyResult } from '../measure/latency.ts';
import type { LatencyOf } from '../measure/rounds.ts';
import { costTable } from './cost-table.ts';
import { heading, table, troubleIn } from './table.ts';

const percentiles = ['p50', 'p90', 'p99', 'p999', 'max'] as const;

export function latencyReport(what: string, results: readonly LatencyResult[]): string {
  return [
    heading(`${what}: milliseconds from the scheduled arrival to the event seen by a subscriber, open loop`),
    table([['', 'p50', 'p90', 'p99', 'p99.9', 'max', 'sagas', ''], ...results.flatMap(rowsOf)]),
    'p50 to p99.9: median of the rounds; max: of all. -: too few samples.',
    '',
    costTable(
      results.flatMap((result) =>
        Object.entries(result.targets).map(([target, cost]) => [`${titleOf(result)} ${target}`, cost] as const),
      ),
    ),
  ].join('\n');
}

function rowsOf(result: LatencyResult): string[][] {
  const { services, raw, ...rest } = result.targets;
  if (!services || !raw) return [];
  const title = titleOf(result);
  const others = Object.entries(rest);
  return [
    percentileRow(`${title} services`, services.median, troubleIn(services.trouble)),
    percentileRow(`${title} raw`, raw.median, troubleIn(raw.trouble)),
    [`${title} services : raw`, ...percentiles.map((key) => ratio(services.median[key], raw.median[key])), '', ''],
    ...others.map(([target, of]) => percentileRow(`${title} ${target}`, of.median, troubleIn(of.trouble))),
    ...roundsOf('services', services),
    ...roundsOf('raw', raw),
    ...others.flatMap(([target, of]) => roundsOf(target, of)),
    percentileRow('  answer to the POST', services.acceptance),
    percentileRow('  generator late by', services.generatorLag),
  ];
}

function titleOf({ ratePerS, half }: LatencyResult): string {
  return `${ratePerS}/s${half ? ' (50 %)' : ''}`;
}

function percentileRow(name: string, values: Percentiles, note = ''): string[] {
  return [name, ...percentiles.map((key) => ms(values[key])), String(values.count), note];
}

function roundsOf(name: string, { rounds }: LatencyOf): string[][] {
  if (rounds.length < 2) return [];
  const each = percentiles.map((key) => rounds.map((round) => ms(round[key])).join(' '));
  return [[`  ${name}, rounds`, ...each, '', '']];
}

function ratio(a: number | undefined, b: number | undefined): string {
  return a === undefined || b === undefined ? '-' : (a / b).toFixed(2);
}
