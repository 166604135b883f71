// What a saga costs each process: processor time and bytes written to disk.
import type { SagaCost } from '../measure/rounds.ts';
import { processCells, processColumns, table } from './table.ts';

export function costTable(entries: readonly (readonly [string, SagaCost])[]): string {
  return [
    'Processor milliseconds per saga (seconds per 1,000 sagas); below them kB written to disk per saga',
    table([
      ['', ...processColumns],
      ...entries.map(([name, { cpuSPer1000 }]) => [name, ...processCells(cpuSPer1000, (value) => value.toFixed(2))]),
      ...entries.map(([name, { writtenBytesPerSaga }]) => [
        `${name}, kB`,
        ...processCells(writtenBytesPerSaga, (value) => (value / 1000).toFixed(1)),
      ]),
    ]),
  ].join('\n');
}
