// Memory of the processes, and what an order leaves in the databases.
import { grouped } from '../measure/figures-as-text.ts';
import type { MemoryResult } from '../measure/memory.ts';
import { sum } from '../measure/statistics.ts';
import type { PerProcess } from '../stage/per-process.ts';
import { heading, processCells, processColumns, table, troubleIn } from './table.ts';

export function memoryReport(result: MemoryResult): string {
  const { sagas, sagasPerS, atStart, highest, atEnd, afterwards, databaseBytesPerOrder, course, trouble } = result;
  const row = (name: string, values: PerProcess<number>) => [
    name,
    ...processCells(values, (bytes) => (bytes / 1e6).toFixed(0)),
  ];
  return [
    heading(`Memory: resident, in MB, over ${grouped(sagas)} sagas at ${sagasPerS.toFixed(0)}/s`),
    table([
      ['', ...processColumns],
      row('at start', atStart),
      ...course.map(({ sagas: after, rssBytes }) => row(`after ${grouped(after)}`, rssBytes)),
      row('highest', highest),
      row('at the end', atEnd),
      row('idle again', afterwards),
    ]),
    `Database bytes per order: ${Object.entries(databaseBytesPerOrder)
      .map(([name, bytes]) => `${name} ${bytes.toFixed(0)}`)
      .join(', ')}, together ${sum(Object.values(databaseBytesPerOrder)).toFixed(0)} ${troubleIn(trouble)}`,
  ].join('\n');
}
