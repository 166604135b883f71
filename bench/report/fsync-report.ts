// Fsyncs per saga, by process.
import type { FsyncResult } from '../measure/fsyncs.ts';
import { sum } from '../measure/statistics.ts';
import { processNames } from '../stage/per-process.ts';
import { heading, table } from './table.ts';

export function fsyncReport(results: readonly FsyncResult[]): string {
  if (results.length === 0)
    return `${heading('Fsyncs per saga')}\nnot counted: neither perf nor strace can be used here`;
  const names = processNames.filter((name) => name !== 'load generator');
  const tools = [...new Set(results.map(({ tool }) => tool))].join(', ');
  return [
    heading(`Fsyncs (fsync and fdatasync calls, counted by ${tools}) per saga`),
    table([
      ['', ...names, 'all'],
      ...results.map(({ target, load, perSaga }) => [
        `${target}, ${load}`,
        ...names.map((name) => perSaga[name]?.toFixed(2) ?? '-'),
        sum(Object.values(perSaga)).toFixed(2),
      ]),
    ]),
  ].join('\n');
}
