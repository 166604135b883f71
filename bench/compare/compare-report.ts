// The comparison as Markdown: a table for each question, with a column for each way.
import type { Latencies } from '../load/histogram.ts';
import type { Phase, Tally } from './tally.ts';
import type { Way } from './ways.ts';

export interface Measured {
  readonly way: Way;
  readonly tally: Tally;
  /** How long everything ran undisturbed, in seconds. */
  readonly wholeS: number;
}

type Row = readonly [title: string, cell: (measured: Measured) => string];

const load: readonly Row[] = [
  ['orders accepted, per second', ({ tally, wholeS }) => (tally.accepted.whole / wholeS).toFixed(0)],
  ['an order is accepted within, p50, p99 ms', ({ tally }) => both(tally.postMs)],
  ['a list is read within, p50, p99 ms', ({ tally }) => both(tally.getMs)],
];
const outage: readonly Row[] = [
  ['killed in the middle', ({ way }) => `\`${way.killed}\``],
  ['orders that failed meanwhile', ({ tally }) => failed(tally.posts, 'down')],
  ['reads that failed meanwhile', ({ tally }) => failed(tally.gets, 'down')],
];

const rowsOf: Readonly<Record<Way['of'], readonly Row[]>> = {
  databases: [
    ...load,
    [
      'lists that lack an order accepted before, read at once',
      ({ tally: { lists } }) => share(lists.lacking, lists.read),
    ],
    ['lists read twice in a row that differ', ({ tally: { pairs } }) => share(pairs.differing, pairs.read)],
    [
      'lists that lack it although the read brought the version',
      ({ tally: { versioned } }) => share(versioned.lacking, versioned.read),
    ],
    ['a write is seen at every process after, p50, p99 ms', ({ tally }) => seen(tally)],
    ...outage,
    [
      'orders that a process does not know at the end',
      ({ tally }) => share(tally.finally.missing, tally.finally.asked),
    ],
  ],
  catalogue: [
    ...load,
    ['a new price counts after, p50, p99 ms', ({ tally }) => both(tally.priceMs)],
    [
      'price changes after which an order was refused',
      ({ tally: { prices } }) => share(prices.outdated, prices.changed),
    ],
    [
      'new products whose first order was refused',
      ({ tally: { newcomers } }) => share(newcomers.refused, newcomers.ordered),
    ],
    ...outage,
  ],
};

export function tableOf(of: Way['of'], all: readonly Measured[]): string {
  const columns = all.filter(({ way }) => way.of === of);
  return [
    `| | ${columns.map(({ way }) => way.title).join(' | ')} |`,
    `| --- | ${columns.map(() => '---:').join(' | ')} |`,
    ...rowsOf[of].map(([title, cell]) => `| ${title} | ${columns.map(cell).join(' | ')} |`),
  ].join('\n');
}

/** Undefined where too few were measured. */
function both(latencies: Latencies): string {
  return [50, 99].map((percentile) => ms(latencies.at(percentile))).join(', ');
}

function seen({ seenMs, seenNever }: Tally): string {
  if (seenMs.count === 0) return seenNever === 0 ? '–' : 'never';
  return seenNever === 0 ? both(seenMs) : `${both(seenMs)}; never: ${share(seenNever, seenNever + seenMs.count)}`;
}

function failed(requests: Tally['posts'], phase: Phase): string {
  return share(requests[phase].failed, requests[phase].sent);
}

function share(part: number, of: number): string {
  if (of === 0) return '–';
  if (part === 0) return `0 of ${of.toLocaleString('en')}`;
  const percent = (100 * part) / of;
  return `${percent < 0.1 ? '< 0.1' : percent.toFixed(percent < 10 ? 1 : 0)} % of ${of.toLocaleString('en')}`;
}

function ms(value: number | undefined): string {
  if (value === undefined) return '–';
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
