// Rates at saturation, and what a saga costs there.
import type { Target } from '../load/load.ts';
import type { Rate } from '../measure/rounds.ts';
import type { SaturationResult } from '../measure/saturation.ts';
import { costTable } from './cost-table.ts';
import { heading, table, troubleIn } from './table.ts';

export function saturationReport(title: string, { inFlight, targets, ratio, ratios }: SaturationResult): string {
  const entries = Object.entries(targets) as [Target, Rate][];
  return [
    heading(`${title}: sagas/s with ${inFlight} in flight (closed loop), medians`),
    table([
      ['', 'sagas/s', 'rounds', ''],
      ...entries.map(([name, { sagasPerS, rounds, trouble }]) => [
        name,
        sagasPerS.toFixed(0),
        rounds.map((perS) => perS.toFixed(0)).join(' '),
        troubleIn(trouble),
      ]),
    ]),
    `services : raw = ${ratio.toFixed(2)}   (rounds ${ratios.map((one) => one.toFixed(2)).join(' ')})`,
    '',
    costTable(entries),
  ].join('\n');
}
