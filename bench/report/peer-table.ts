// The services beside their peers, as a table in Markdown for the documents.

import { serviceNames } from '../../services.ts';
import type { Target } from '../load/load.ts';
import { grouped, ms } from '../measure/figures-as-text.ts';
import type { LatencyOf, SagaCost } from '../measure/rounds.ts';
import type { SaturationResult } from '../measure/saturation.ts';
import { sum } from '../measure/statistics.ts';
import type { BenchResult } from './result.ts';
import { heading } from './table.ts';

const unknown = '–';
/** The rate of arrival at which costs are shown; fsyncs are counted there, too. */
const costRatePerS = 100;

const titles: Readonly<Partial<Record<Target, string>>> = {
  services: 'this project',
  plain: 'plain: amqplib and express',
  moleculer: 'moleculer with channels',
  raw: 'raw pipeline: no HTTP, no database',
};

/** The part of a result that the table is made of. */
type Compared = Pick<BenchResult, 'latency' | 'fsyncs' | 'kills'> & {
  readonly plan: Pick<BenchResult['plan'], 'peerRates'>;
  readonly saturation?: Pick<SaturationResult, 'targets'>;
};

interface Column {
  readonly title: string;
  readonly cell: (target: Target, result: Compared) => string;
}

export function peerTable(result: Compared): string {
  const columns = columnsFor(result);
  const targets = (Object.keys(titles) as Target[]).filter((target) => isMeasured(target, result));
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    heading('The services and their peers, in Markdown'),
    row(['', ...columns.map(({ title }) => title)]),
    row(['---', ...columns.map(() => '---')]),
    ...targets.map((target) => row([titles[target] ?? target, ...columns.map(({ cell }) => cell(target, result))])),
  ].join('\n');
}

function columnsFor({ latency = [], plan }: Compared): Column[] {
  const rates = plan.peerRates.filter((rate) => latency.some(({ ratePerS, half }) => ratePerS === rate && !half));
  const both = `at saturation, at ${costRatePerS}/s`;
  const atBoth = (of: (cost: SagaCost) => number | undefined) => (target: Target, result: Compared) =>
    pair(saturated(target, result), latencyAt(target, result, costRatePerS), of);
  return [
    { title: 'sagas/s', cell: (target, result) => shown(saturated(target, result)?.sagasPerS, sagasPerS) },
    ...rates.map((rate) => ({
      title: `p50, p99 ms at ${rate}/s`,
      cell: (target: Target, result: Compared) => percentiles(latencyAt(target, result, rate)),
    })),
    { title: `services' processor s per 1,000 sagas ${both}`, cell: atBoth(servicesCpuS) },
    { title: `broker's, likewise`, cell: atBoth(({ cpuSPer1000 }) => cpuSPer1000.broker) },
    { title: `fsyncs per saga ${both}`, cell: fsyncs },
    {
      title: 'lost, stuck, doubled orders after `kill -9` under load',
      cell: killed,
    },
  ];
}

function isMeasured(target: Target, result: Compared): boolean {
  const inKills = result.kills?.some((one) => one.target === target) ?? false;
  return Boolean(saturated(target, result)) || inKills || (result.latency ?? []).some(({ targets }) => targets[target]);
}

function saturated(target: Target, { saturation }: Compared) {
  return saturation?.targets[target];
}

function latencyAt(target: Target, { latency = [] }: Compared, rate: number): LatencyOf | undefined {
  return latency.find(({ ratePerS, half }) => ratePerS === rate && !half)?.targets[target];
}

/** Of the three services together; undefined where processor time cannot be measured. */
function servicesCpuS({ cpuSPer1000 }: SagaCost): number | undefined {
  const known = serviceNames.map((service) => cpuSPer1000[service]).filter((value) => value !== undefined);
  return known.length === 0 ? undefined : sum(known);
}

function fsyncs(target: Target, { fsyncs: counted = [] }: Compared): string {
  const of = (load: string): string => {
    const found = counted.find((one) => one.target === target && one.load === load);
    return shown(found && sum(Object.values(found.perSaga)), (value) => value.toFixed(2));
  };
  return joined([of('saturation'), of(`${costRatePerS}/s`)]);
}

function killed(target: Target, { kills: results = [] }: Compared): string {
  const found = results.find((one) => one.target === target);
  if (!found) return unknown;
  const { lost, stuck, doubled, accepted, kills } = found;
  return `${[lost, stuck, doubled].map(grouped).join(', ')} of ${grouped(accepted)} (${kills} kills)`;
}

function pair(
  first: SagaCost | undefined,
  second: SagaCost | undefined,
  of: (cost: SagaCost) => number | undefined,
): string {
  return joined([first, second].map((cost) => shown(cost && of(cost), (value) => value.toFixed(2))));
}

function percentiles(latency: LatencyOf | undefined): string {
  return latency ? joined([latency.median.p50, latency.median.p99].map((value) => shown(value, ms))) : unknown;
}

function sagasPerS(value: number): string {
  return grouped(Math.round(value));
}

function shown(value: number | undefined, as: (value: number) => string): string {
  return value === undefined ? unknown : as(value);
}

/** One dash where there is nothing at all. */
function joined(cells: readonly string[]): string {
  return cells.every((cell) => cell === unknown) ? unknown : cells.join(', ');
}
