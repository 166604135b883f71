// Ten times the load of saturation: what was accepted, what became of it, and how the services bore it.
import { grouped, ms } from '../measure/figures-as-text.ts';
import type { OverloadResult } from '../measure/overload.ts';
import type { PerProcess } from '../stage/per-process.ts';
import { heading, processCells, processColumns, table } from './table.ts';

export function overloadReport(result: OverloadResult): string {
  const { ratePerS, seconds, load, livez, unanswered, accepted, open, endedWithinS } = result;
  const row = (name: string, values: PerProcess<number>) => [
    name,
    ...processCells(values, (bytes) => (bytes / 1e6).toFixed(0)),
  ];
  return [
    heading(`Overload: ${grouped(ratePerS)} orders/s for ${seconds} s, ten times saturation`),
    `accepted ${grouped(accepted)}; refused with 503 ${grouped(load.refused)}; not sent, or the connection closed, ${grouped(load.failed)}`,
    `of the accepted ones, not ended: ${open}; the last ended ${endedWithinS.toFixed(1)} s after the load`,
    `/livez on the health port, one probe every 50 ms and service: p50 ${ms(livez.p50)} ms, p99 ${ms(livez.p99)} ms, max ${ms(livez.max)} ms; unanswered ${unanswered} of ${livez.count}`,
    table([
      ['resident memory, MB', ...processColumns],
      row('before', result.before),
      row('at the end of the load', result.atEnd),
      row('a minute after the last order', result.afterwards),
    ]),
  ].join('\n');
}
