// What became of rate and latency in larger shops.
import { ms } from '../measure/figures-as-text.ts';
import type { GrowthResult } from '../measure/growth.ts';
import { sum } from '../measure/statistics.ts';
import { heading, table, troubleIn } from './table.ts';

export function growthReport(results: readonly GrowthResult[]): string {
  return [
    heading('Growth: in turns with the standard shop without past orders'),
    table([
      [
        '',
        'sagas/s',
        'standard',
        'ratio',
        'raw',
        'p50 at 100/s',
        'standard',
        'p99',
        'standard',
        'databases, MB',
        'fill, s',
        'start, s',
        '',
      ],
      ...results.map((one) => [
        one.what,
        one.grown.sagasPerS.toFixed(0),
        one.standard.sagasPerS.toFixed(0),
        one.ratio.toFixed(2),
        one.raw?.sagasPerS.toFixed(0) ?? '-',
        ms(one.grownLatency.median.p50),
        ms(one.standardLatency.median.p50),
        ms(one.grownLatency.median.p99),
        ms(one.standardLatency.median.p99),
        (sum(Object.values(one.databaseBytes)) / 1e6).toFixed(0),
        one.fillS.toFixed(0),
        one.startS.toFixed(1),
        troubleIn(one.grown.trouble) + troubleIn(one.grownLatency.trouble),
      ]),
    ]),
    ...results.map(
      ({ what, standard, grown }) => `${what}: rounds ${numbers(grown.rounds)} beside ${numbers(standard.rounds)}`,
    ),
  ].join('\n');
}

function numbers(values: readonly number[]): string {
  return values.map((value) => value.toFixed(0)).join(' ');
}
