// The layout of the report: headings, tables, and the cells that several tables have.
import type { Trouble } from '../measure/rounds.ts';
import { sum } from '../measure/statistics.ts';
import { type PerProcess, processNames } from '../stage/per-process.ts';

export function heading(text: string): string {
  return `## ${text}`;
}

/** Columns as wide as they must be; the first aligned to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (wide, row) => row.map((cell, column) => Math.max(wide[column] ?? 0, cell.length)),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Titles of the columns of `processCells`. */
export const processColumns = [...processNames, 'all'];

/** A cell for each process, and one for their sum. */
export function processCells(values: PerProcess<number>, show: (value: number) => string): string[] {
  const each = processNames.map((name) => values[name]);
  const known = each.filter((value) => value !== undefined);
  return [...each.map((value) => (value === undefined ? '-' : show(value))), show(sum(known))];
}

/** Empty where nothing went wrong. */
export function troubleIn({ refused, failed, unexpected, unfinished }: Trouble): string {
  const found = Object.entries({ refused, failed, unexpected, unfinished }).filter(([, count]) => count > 0);
  return found.length === 0 ? '' : `! ${found.map(([what, count]) => `${count} ${what}`).join(', ')}`;
}
