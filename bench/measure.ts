// The measurements, section by section. Services and raw pipeline take turns, since the machine is never quite the same
// from one minute to the next; what is compared was measured side by side.
import { setTimeout as delay } from 'node:timers/promises';
import { perService } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import { countFsyncs, fsyncTool } from './fsync-count.ts';
import { Latencies, median, medianOfKnown, type Percentiles } from './histogram.ts';
import type { Target } from './load.ts';
import type { Options } from './options.ts';
import { type Scenario, type Shop, usualShop } from './shop.ts';
import { type Measured, type PerProcess, processNames, type Stage } from './stage.ts';

export interface Bench {
  readonly options: Options;
  readonly progress: (line: string) => void;
  /** Folder for what tools write. */
  readonly dataDir: string;
  startStage(shop: Shop, pastOrders: number, vhost: string, targets: readonly Target[]): Promise<Stage>;
}

/** Sagas that did not go as they should; all zero in a run that can be trusted. */
export interface Trouble {
  readonly refused: number;
  readonly failed: number;
  readonly unexpected: number;
  readonly unfinished: number;
}

export interface Rate {
  readonly sagasPerS: number;
  readonly rounds: readonly number[];
  /** Processor seconds per 1,000 sagas, median of the rounds. */
  readonly cpuSPer1000: PerProcess<number>;
  readonly writtenBytesPerSaga: PerProcess<number>;
  readonly trouble: Trouble;
}

export interface SaturationResult {
  readonly inFlight: number;
  readonly targets: Readonly<Partial<Record<Target, Rate>>>;
  /** Services' sagas/s by the raw pipeline's, of the medians, and of each round. */
  readonly ratio: number;
  readonly ratios: readonly number[];
}

export interface LatencyOf {
  /** Median over the rounds of each percentile; `max` is the worst of all. */
  readonly median: Percentiles;
  readonly rounds: readonly Percentiles[];
  /** All rounds in one HDR histogram (V2, compressed, base64; microseconds). */
  readonly histogram: string;
  /** Of the answer to the POST. Services only. */
  readonly acceptance: Percentiles;
  readonly generatorLag: Percentiles;
  readonly trouble: Trouble;
}

export interface LatencyResult {
  readonly ratePerS: number;
  /** What the rate was derived from: `half` of saturation. */
  readonly half: boolean;
  readonly targets: Readonly<Partial<Record<Target, LatencyOf>>>;
}

export interface FsyncResult {
  readonly load: string;
  readonly target: Target;
  readonly tool: string;
  readonly perSaga: Readonly<Record<string, number>>;
}

export interface MemoryResult {
  readonly sagas: number;
  readonly sagasPerS: number;
  /** Bytes of resident memory: right after the start, the highest seen under load, at the end, five idle seconds later. */
  readonly atStart: PerProcess<number>;
  readonly highest: PerProcess<number>;
  readonly atEnd: PerProcess<number>;
  readonly afterwards: PerProcess<number>;
  /** At every tenth of the run. */
  readonly course: readonly { readonly sagas: number; readonly rssBytes: PerProcess<number> }[];
  readonly databaseBytesPerOrder: Readonly<Record<ServiceName, number>>;
  readonly trouble: Trouble;
}

export interface GrowthResult {
  readonly what: string;
  readonly shop: Shop;
  readonly pastOrders: number;
  readonly fillS: number;
  readonly startS: number;
  readonly databaseBytes: Readonly<Record<ServiceName, number>>;
  /** By an empty shop of the usual size, measured in turns with it. */
  readonly usual: Rate;
  readonly grown: Rate;
  readonly ratio: number;
  readonly usualLatency: LatencyOf;
  readonly grownLatency: LatencyOf;
  /** The raw pipeline with messages of the same size, where that differs. */
  readonly raw: Rate | undefined;
}

const idleMs = 5_000;
const growthRatePerS = 100;

export async function measureSaturation(
  bench: Bench,
  stage: Stage,
  scenario: Scenario,
  targets: readonly Target[],
): Promise<SaturationResult> {
  const { plan, inFlight } = bench.options;
  const rounds = collector(targets);
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const target of targets) {
      const measured = await saturate(bench, stage, target, scenario, plan.saturationS);
      rounds[target]?.push(measured);
      bench.progress(
        `saturation, ${scenario}, round ${round} of ${plan.rounds}, ${target}: ${measured.perS.toFixed(0)} sagas/s`,
      );
    }
  }
  const rates = Object.fromEntries(targets.map((target) => [target, rateOf(rounds[target] ?? [])]));
  const services = rates['services']?.rounds ?? [];
  const raw = rates['raw']?.rounds ?? [];
  return {
    inFlight,
    targets: rates,
    ratio: median(services) / median(raw),
    ratios: services.map((perS, index) => perS / (raw[index] ?? Number.NaN)),
  };
}

function saturate(
  { options: { plan, inFlight } }: Bench,
  stage: Stage,
  target: Target,
  scenario: Scenario,
  seconds: number,
): Promise<Measured> {
  return stage.run({ kind: 'closed', target, scenario, inFlight, warmUpS: plan.warmUpS, seconds, sagas: 0 });
}

/** One short measurement, where nobody asked for a good one and a rate has to be derived from it. */
export async function roughSaturation(bench: Bench, stage: Stage, scenario: Scenario): Promise<number> {
  const { perS } = await saturate(bench, stage, 'services', scenario, Math.min(5, bench.options.plan.saturationS));
  bench.progress(`saturation of the services, roughly: ${perS.toFixed(0)} sagas/s`);
  return perS;
}

export async function measureLatency(
  bench: Bench,
  stage: Stage,
  scenario: Scenario,
  rates: readonly (number | 'half')[],
  saturationPerS: number,
): Promise<LatencyResult[]> {
  const { plan } = bench.options;
  const targets = ['services', 'raw'] as const;
  const results: LatencyResult[] = [];
  for (const wanted of rates) {
    const ratePerS = wanted === 'half' ? Math.max(1, Math.round(saturationPerS / 2)) : wanted;
    const rounds = collector(targets);
    for (let round = 1; round <= plan.latencyRounds; round += 1) {
      for (const target of targets) {
        rounds[target]?.push(await openLoad(bench, stage, target, scenario, ratePerS, plan.latencyS));
        bench.progress(
          `latency, ${scenario}, ${ratePerS}/s, round ${round} of ${plan.latencyRounds}, ${target}: ${summary(rounds[target]?.at(-1))}`,
        );
      }
    }
    results.push({
      ratePerS,
      half: wanted === 'half',
      targets: Object.fromEntries(targets.map((target) => [target, latencyOf(rounds[target] ?? [])])),
    });
  }
  return results;
}

function openLoad(
  { options: { plan } }: Bench,
  stage: Stage,
  target: Target,
  scenario: Scenario,
  ratePerS: number,
  seconds: number,
): Promise<Measured> {
  return stage.run({ kind: 'open', target, scenario, ratePerS, warmUpS: plan.warmUpS, seconds });
}

export async function measureFsyncs(bench: Bench, stage: Stage): Promise<FsyncResult[]> {
  const { plan, inFlight } = bench.options;
  const tool = fsyncTool();
  if (!tool) {
    bench.progress('fsyncs are not counted: neither perf nor strace can be used here');
    return [];
  }
  const results: FsyncResult[] = [];
  for (const target of ['services', 'raw'] as const) {
    for (const load of ['100/s', 'saturation'] as const) {
      const { 'load generator': _, ...pids } = stage.pids[target] ?? {};
      const counter = await countFsyncs(tool, pids, bench.dataDir);
      const scenario = 'confirmed';
      const measured = await (load === 'saturation'
        ? stage.run({ kind: 'closed', target, scenario, inFlight, warmUpS: 0, seconds: plan.costS, sagas: 0 })
        : stage.run({ kind: 'open', target, scenario, ratePerS: 100, warmUpS: 0, seconds: plan.costS }));
      const counts = await counter.stop();
      // The sagas in flight at the end of the counted part have their fsyncs too.
      const sagas = measured.ended + (load === 'saturation' ? inFlight : 0);
      const perSaga = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / sagas]));
      results.push({ load, target, tool, perSaga });
      bench.progress(`fsyncs, ${target}, ${load}: ${sum(Object.values(perSaga)).toFixed(2)} a saga (${tool})`);
    }
  }
  return results;
}

export async function measureMemory(bench: Bench, stage: Stage, atStart: PerProcess<number>): Promise<MemoryResult> {
  const { plan, inFlight } = bench.options;
  const sagas = plan.memorySagas;
  const bytesBefore = stage.databaseBytes();
  let highest: PerProcess<number> = {};
  const course: { sagas: number; rssBytes: PerProcess<number> }[] = [];
  const measured = await stage.run(
    { kind: 'closed', target: 'services', scenario: 'confirmed', inFlight, warmUpS: 0, seconds: 1, sagas },
    (ended) => {
      const now = rssOf(stage);
      highest = eachProcess((name) => maxOf(highest[name], now[name]));
      if (ended < (course.length * sagas) / 10) return;
      course.push({ sagas: ended, rssBytes: now });
      bench.progress(`memory: ${ended} of ${sagas} sagas, ${megabytes(now)}`);
    },
  );
  const atEnd = rssOf(stage);
  await delay(bench.options.quick ? 1_000 : idleMs);
  const bytesAfter = stage.databaseBytes();
  const perOrder = (service: ServiceName) => (bytesAfter[service] - bytesBefore[service]) / (measured.ended + inFlight);
  return {
    sagas: measured.ended,
    sagasPerS: measured.perS,
    atStart,
    highest,
    atEnd,
    afterwards: rssOf(stage),
    course,
    databaseBytesPerOrder: perService(perOrder),
    trouble: troubleOf([measured]),
  };
}

/** Resident memory of the services' processes, in bytes. */
export function rssOf(stage: Stage): PerProcess<number> {
  const figures = stage.figures('services');
  return eachProcess((name) => figures[name]?.rssBytes);
}

export async function measureGrowth(bench: Bench): Promise<GrowthResult[]> {
  const { plan } = bench.options;
  const results: GrowthResult[] = [];
  const grow = async (what: string, shop: Shop, pastOrders: number): Promise<void> => {
    bench.progress(`growth: ${what}: filling the databases`);
    results.push(await growTo(bench, what, shop, pastOrders));
  };
  await grow(`${grouped(plan.growthOrders)} orders`, usualShop, plan.growthOrders);
  for (const count of plan.growthCatalogues) {
    await grow(`${grouped(count)} products and accounts`, { ...usualShop, products: count, accounts: count }, 0);
  }
  for (const lines of plan.growthLines) await grow(`${lines} lines an order`, { ...usualShop, lines }, 0);
  return results;
}

async function growTo(bench: Bench, what: string, shop: Shop, pastOrders: number): Promise<GrowthResult> {
  const { plan } = bench.options;
  const otherMessages = shop.lines !== usualShop.lines;
  const grown = await bench.startStage(shop, pastOrders, 'grown', otherMessages ? ['services', 'raw'] : ['services']);
  let usual: Stage | undefined;
  try {
    usual = await bench.startStage(usualShop, 0, 'usual-size', ['services']);
    const databaseBytes = grown.databaseBytes();
    const rounds: Record<'usual' | 'grown' | 'raw', Measured[]> = { usual: [], grown: [], raw: [] };
    const latency: Record<'usual' | 'grown', Measured[]> = { usual: [], grown: [] };
    for (let round = 1; round <= plan.growthRounds; round += 1) {
      for (const [name, stage] of [
        ['usual', usual],
        ['grown', grown],
      ] as const) {
        const measured = await saturate(bench, stage, 'services', 'confirmed', plan.growthS);
        rounds[name].push(measured);
        latency[name].push(await openLoad(bench, stage, 'services', 'confirmed', growthRatePerS, plan.growthS));
        bench.progress(
          `growth: ${what}, round ${round} of ${plan.growthRounds}, ${name}: ${measured.perS.toFixed(0)} sagas/s; ` +
            `at ${growthRatePerS}/s ${summary(latency[name].at(-1))}`,
        );
      }
      if (otherMessages) rounds.raw.push(await saturate(bench, grown, 'raw', 'confirmed', plan.growthS));
    }
    const [usualRate, grownRate] = [rateOf(rounds.usual), rateOf(rounds.grown)];
    return {
      what,
      shop,
      pastOrders,
      fillS: grown.fillMs / 1000,
      startS: Math.max(...grown.services.map(({ startMs }) => startMs)) / 1000,
      databaseBytes,
      usual: usualRate,
      grown: grownRate,
      ratio: grownRate.sagasPerS / usualRate.sagasPerS,
      usualLatency: latencyOf(latency.usual),
      grownLatency: latencyOf(latency.grown),
      raw: otherMessages ? rateOf(rounds.raw) : undefined,
    };
  } finally {
    await usual?.stop();
    await grown.stop();
  }
}

// ---- putting rounds together

export function rateOf(rounds: readonly Measured[]): Rate {
  const per = (of: (measured: Measured) => PerProcess<number>, factor: number): PerProcess<number> =>
    eachProcess((name) =>
      medianOfKnown(rounds.map((measured) => scaled(of(measured)[name], factor / Math.max(1, measured.ended)))),
    );
  return {
    sagasPerS: median(rounds.map(({ perS }) => perS)),
    rounds: rounds.map(({ perS }) => perS),
    cpuSPer1000: per(({ cpuS }) => cpuS, 1000),
    writtenBytesPerSaga: per(({ writtenBytes }) => writtenBytes, 1),
    trouble: troubleOf(rounds),
  };
}

export function latencyOf(rounds: readonly Measured[]): LatencyOf {
  const merged = (of: (measured: Measured) => string) =>
    Latencies.merged(rounds.map((round) => Latencies.decode(of(round))));
  const each = rounds.map(({ latency }) => Latencies.decode(latency).percentiles());
  const whole = merged(({ latency }) => latency);
  return {
    median: {
      count: whole.count,
      p50: medianOfKnown(each.map(({ p50 }) => p50)),
      p90: medianOfKnown(each.map(({ p90 }) => p90)),
      p99: medianOfKnown(each.map(({ p99 }) => p99)),
      // One round may be too short to tell; all of them together may not be.
      p999: medianOfKnown(each.map(({ p999 }) => p999)) ?? whole.percentiles().p999,
      max: whole.percentiles().max,
    },
    rounds: each,
    histogram: whole.encode(),
    acceptance: merged(({ acceptance }) => acceptance).percentiles(),
    generatorLag: merged(({ lag }) => lag).percentiles(),
    trouble: troubleOf(rounds),
  };
}

export function troubleOf(rounds: readonly Trouble[]): Trouble {
  return {
    refused: sum(rounds.map(({ refused }) => refused)),
    failed: sum(rounds.map(({ failed }) => failed)),
    unexpected: sum(rounds.map(({ unexpected }) => unexpected)),
    unfinished: sum(rounds.map(({ unfinished }) => unfinished)),
  };
}

function collector(targets: readonly Target[]): Partial<Record<Target, Measured[]>> {
  return Object.fromEntries(targets.map((target) => [target, []]));
}

function eachProcess(of: (name: (typeof processNames)[number]) => number | undefined): PerProcess<number> {
  return Object.fromEntries(
    processNames.flatMap((name) => {
      const value = of(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function maxOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function summary(measured: Measured | undefined): string {
  if (!measured) return '';
  const { p50, p99 } = Latencies.decode(measured.latency).percentiles();
  return `p50 ${p50?.toFixed(1) ?? '-'} ms, p99 ${p99?.toFixed(1) ?? '-'} ms`;
}

function megabytes(rss: PerProcess<number>): string {
  return Object.entries(rss)
    .map(([name, bytes]) => `${name} ${Math.round(bytes / 1e6)} MB`)
    .join(', ');
}

export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
