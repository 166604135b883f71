// The result of a run, and how people read it.
import type { Percentiles } from './histogram.ts';
import type { Target } from './load.ts';
import type { Machine } from './machine.ts';
import {
  type FsyncResult,
  type GrowthResult,
  grouped,
  type LatencyOf,
  type LatencyResult,
  type MemoryResult,
  type Rate,
  type SaturationResult,
  sum,
  type Trouble,
} from './measure.ts';
import { readersOf, type SampleMessages } from './saga-messages.ts';
import type { Scenario, Shop } from './shop.ts';
import { type PerProcess, processNames } from './stage.ts';

export interface BenchResult {
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  readonly tookS: number;
  readonly command: string;
  readonly quick: boolean;
  readonly broker: string;
  readonly machine: Machine;
  readonly shop: Shop;
  readonly messages: Readonly<
    Record<Scenario, readonly { readonly type: string; readonly bytes: number; readonly queues: number }[]>
  >;
  readonly saturation?: SaturationResult;
  readonly fsyncs?: readonly FsyncResult[];
  readonly latency?: readonly LatencyResult[];
  readonly failure?: { readonly saturation: SaturationResult; readonly latency: readonly LatencyResult[] };
  readonly memory?: MemoryResult;
  readonly growth?: readonly GrowthResult[];
}

export function messagesOf(samples: SampleMessages): BenchResult['messages'] {
  const sizes = (scenario: Scenario) =>
    samples[scenario].map(({ type, body }) => ({
      type,
      bytes: Buffer.byteLength(body, 'base64'),
      queues: readersOf(type),
    }));
  return { confirmed: sizes('confirmed'), refused: sizes('refused') };
}

export function reportOf(result: BenchResult): string {
  const parts = [
    headOf(result),
    result.saturation && saturationOf('Saturation', result.saturation),
    result.fsyncs && fsyncsOf(result.fsyncs),
    result.latency && latenciesOf('POST → confirmed', result.latency),
    result.failure && saturationOf('Saturation, failure path (refused stock, refunded)', result.failure.saturation),
    result.failure && latenciesOf('POST → cancelled (refused stock, refunded)', result.failure.latency),
    result.memory && memoryOf(result.memory),
    result.growth && growthOf(result.growth),
  ];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

function headOf({ machine, broker, command, quick, messages, startedAt, tookS }: BenchResult): string {
  const { processors, processor, memoryBytes, system, node, fileSystem, fdatasyncMs, loadBefore } = machine;
  const lines = [
    `${command}, ${startedAt}, took ${Math.round(tookS)} s`,
    `${processors} × ${processor}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node ${node.slice(1)}, ${broker}`,
    `databases on ${fileSystem}: one write and its fdatasync take ${ms(fdatasyncMs)} ms; synchronous=FULL, quorum queues`,
    'services: NODE_ENV=production, LOG_LEVEL=info to /dev/null',
    'raw: three plain Node processes; same exchanges, queues, bindings, messages, confirms; no validation, no database',
    'usual: the same with one fsynced transaction, one publish, one ack a message; no confirms, no outbox',
    ...(['confirmed', 'refused'] as const).map(
      (scenario) =>
        `a ${scenario} saga: ${messages[scenario].map(({ type, bytes, queues }) => `${type} ${bytes} B × ${queues}`).join(', ')}`,
    ),
  ];
  if (fileSystem === 'tmpfs') lines.push('! tmpfs: an fsync costs nothing there. Set TMPDIR to a folder on a disk.');
  if (loadBefore > processors / 2) {
    lines.push(`! load was ${loadBefore.toFixed(1)} before the run: something else is using the processors`);
  }
  if (quick) lines.push('! --quick: too short for figures that could be quoted');
  return lines.join('\n');
}

function saturationOf(title: string, { inFlight, targets, ratio, ratios }: SaturationResult): string {
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
    'Processor seconds per 1,000 sagas; of them the bytes written to disk per saga, in kB',
    table([
      ['', ...processNames, 'all'],
      ...entries.map(([name, { cpuSPer1000 }]) => [name, ...perProcess(cpuSPer1000, (value) => value.toFixed(2))]),
      ...entries.map(([name, { writtenBytesPerSaga }]) => [
        `${name}, kB`,
        ...perProcess(writtenBytesPerSaga, (value) => (value / 1000).toFixed(1)),
      ]),
    ]),
  ].join('\n');
}

function fsyncsOf(results: readonly FsyncResult[]): string {
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

function latenciesOf(what: string, results: readonly LatencyResult[]): string {
  const columns = ['p50', 'p90', 'p99', 'p99.9', 'max'];
  const row = (name: string, { p50, p90, p99, p999, max, count }: Percentiles, note = '') => [
    name,
    ...[p50, p90, p99, p999, max].map(ms),
    String(count),
    note,
  ];
  const rows = results.flatMap(({ ratePerS, half, targets }) => {
    const { services, raw } = targets;
    const title = `${ratePerS}/s${half ? ' (50 %)' : ''}`;
    if (!services || !raw) return [];
    return [
      row(`${title} services`, services.median, troubleIn(services.trouble)),
      row(`${title} raw`, raw.median, troubleIn(raw.trouble)),
      [
        `${title} services : raw`,
        ...(['p50', 'p90', 'p99', 'p999', 'max'] as const).map((key) => ratio(services.median[key], raw.median[key])),
        '',
        '',
      ],
      ...roundsOf('services', services),
      ...roundsOf('raw', raw),
      row('  answer to the POST', services.acceptance),
      row('  generator late by', services.generatorLag),
    ];
  });
  return [
    heading(`${what}: milliseconds from the scheduled arrival to the event seen by a subscriber, open loop`),
    table([['', ...columns, 'sagas', ''], ...rows]),
    'p50 to p99.9: median of the rounds; max: of all. -: too few samples.',
  ].join('\n');
}

function roundsOf(name: string, { rounds }: LatencyOf): string[][] {
  if (rounds.length < 2) return [];
  const each = (key: 'p50' | 'p90' | 'p99' | 'p999' | 'max') => rounds.map((round) => ms(round[key])).join(' ');
  return [[`  ${name}, rounds`, each('p50'), each('p90'), each('p99'), each('p999'), each('max'), '', '']];
}

function memoryOf(result: MemoryResult): string {
  const { sagas, sagasPerS, atStart, highest, atEnd, afterwards, databaseBytesPerOrder, course, trouble } = result;
  const row = (name: string, values: PerProcess<number>) => [
    name,
    ...perProcess(values, (bytes) => (bytes / 1e6).toFixed(0)),
  ];
  return [
    heading(`Memory: resident, in MB, over ${grouped(sagas)} sagas at ${sagasPerS.toFixed(0)}/s`),
    table([
      ['', ...processNames, 'all'],
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

function growthOf(results: readonly GrowthResult[]): string {
  return [
    heading('Growth: beside a shop of the usual size with no past orders, in turns with it'),
    table([
      [
        '',
        'sagas/s',
        'usual',
        'ratio',
        'raw',
        'p50 at 100/s',
        'usual',
        'p99',
        'usual',
        'databases, MB',
        'fill, s',
        'start, s',
        '',
      ],
      ...results.map((one) => [
        one.what,
        one.grown.sagasPerS.toFixed(0),
        one.usual.sagasPerS.toFixed(0),
        one.ratio.toFixed(2),
        one.raw?.sagasPerS.toFixed(0) ?? '-',
        ms(one.grownLatency.median.p50),
        ms(one.usualLatency.median.p50),
        ms(one.grownLatency.median.p99),
        ms(one.usualLatency.median.p99),
        (sum(Object.values(one.databaseBytes)) / 1e6).toFixed(0),
        one.fillS.toFixed(0),
        one.startS.toFixed(1),
        troubleIn(one.grown.trouble) + troubleIn(one.grownLatency.trouble),
      ]),
    ]),
    ...results.map(
      ({ what, usual, grown }) => `${what}: rounds ${numbers(grown.rounds)} beside ${numbers(usual.rounds)}`,
    ),
  ].join('\n');
}

function numbers(values: readonly number[]): string {
  return values.map((value) => value.toFixed(0)).join(' ');
}

function troubleIn({ refused, failed, unexpected, unfinished }: Trouble): string {
  const found = Object.entries({ refused, failed, unexpected, unfinished }).filter(([, count]) => count > 0);
  return found.length === 0 ? '' : `! ${found.map(([what, count]) => `${count} ${what}`).join(', ')}`;
}

function perProcess(values: PerProcess<number>, show: (value: number) => string): string[] {
  const each = processNames.map((name) => values[name]);
  const known = each.filter((value) => value !== undefined);
  return [...each.map((value) => (value === undefined ? '-' : show(value))), show(sum(known))];
}

export function ms(value: number | undefined): string {
  if (value === undefined) return '-';
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

function ratio(a: number | undefined, b: number | undefined): string {
  return a === undefined || b === undefined ? '-' : (a / b).toFixed(2);
}

function heading(text: string): string {
  return `## ${text}`;
}

/** Columns as wide as they must be; the first to the left, the others to the right. */
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
