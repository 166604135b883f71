// What becomes of rate and latency as the shop grows: more past orders, more products and accounts, longer orders. Each
// in turns with the standard shop.
import type { PerService } from '../../services.ts';
import { type Shop, standardShop } from '../load/shop.ts';
import type { Measured, Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { grouped, latencySummary } from './figures-as-text.ts';
import { loadAt } from './latency.ts';
import { type LatencyOf, latencyOf, type Rate, rateOf } from './rounds.ts';
import { saturate } from './saturation.ts';

export interface GrowthResult {
  readonly what: string;
  readonly shop: Shop;
  readonly pastOrders: number;
  readonly fillS: number;
  readonly startS: number;
  readonly databaseBytes: PerService<number>;
  /** Of the standard shop without past orders, measured in turns with the grown one. */
  readonly standard: Rate;
  readonly grown: Rate;
  readonly ratio: number;
  readonly standardLatency: LatencyOf;
  readonly grownLatency: LatencyOf;
  /** The raw pipeline with messages of the same size, where that differs. */
  readonly raw: Rate | undefined;
}

interface Growth {
  readonly what: string;
  readonly shop: Shop;
  readonly pastOrders: number;
}

interface Rounds {
  readonly saturated: Measured[];
  readonly open: Measured[];
}

const latencyRatePerS = 100;

export async function measureGrowth(bench: Bench): Promise<GrowthResult[]> {
  const { growthOrders, growthCatalogues, growthLines } = bench.plan;
  const growths: Growth[] = [
    { what: `${grouped(growthOrders)} orders`, shop: standardShop, pastOrders: growthOrders },
    ...growthCatalogues.map((count) => ({
      what: `${grouped(count)} products and accounts`,
      shop: { ...standardShop, products: count, accounts: count },
      pastOrders: 0,
    })),
    ...growthLines.map((lines) => ({
      what: `${lines} lines an order`,
      shop: { ...standardShop, lines },
      pastOrders: 0,
    })),
  ];
  const results: GrowthResult[] = [];
  for (const growth of growths) {
    bench.progress(`growth: ${growth.what}: filling the databases`);
    results.push(await measureOne(bench, growth));
  }
  return results;
}

async function measureOne(bench: Bench, growth: Growth): Promise<GrowthResult> {
  const withRaw = growth.shop.lines !== standardShop.lines;
  const targets = withRaw ? (['services', 'raw'] as const) : (['services'] as const);
  const grown = await bench.startStage(growth.shop, growth.pastOrders, 'grown', targets);
  let standard: Stage | undefined;
  try {
    standard = await bench.startStage(standardShop, 0, 'standard', ['services']);
    const databaseBytes = grown.databaseBytes();
    const rounds = await measureSideBySide(bench, growth.what, standard, grown, withRaw);
    const standardRate = rateOf(rounds.standard.saturated);
    const grownRate = rateOf(rounds.grown.saturated);
    return {
      ...growth,
      fillS: grown.fillMs / 1000,
      startS: Math.max(...Object.values(grown.services).map(({ startMs }) => startMs)) / 1000,
      databaseBytes,
      standard: standardRate,
      grown: grownRate,
      ratio: grownRate.sagasPerS / standardRate.sagasPerS,
      standardLatency: latencyOf(rounds.standard.open),
      grownLatency: latencyOf(rounds.grown.open),
      raw: withRaw ? rateOf(rounds.raw) : undefined,
    };
  } finally {
    await standard?.stop();
    await grown.stop();
  }
}

async function measureSideBySide(bench: Bench, what: string, standard: Stage, grown: Stage, withRaw: boolean) {
  const { growthRounds, growthS } = bench.plan;
  const rounds = {
    standard: { saturated: [], open: [] } as Rounds,
    grown: { saturated: [], open: [] } as Rounds,
    raw: [] as Measured[],
  };
  const measure = async (stage: Stage, name: 'standard' | 'grown', round: number): Promise<void> => {
    const saturated = await saturate(bench, stage, 'services', 'confirmed', growthS);
    const open = await loadAt(bench, stage, 'services', 'confirmed', latencyRatePerS, growthS);
    rounds[name].saturated.push(saturated);
    rounds[name].open.push(open);
    bench.progress(
      `growth: ${what}, round ${round} of ${growthRounds}, ${name}: ${saturated.perS.toFixed(0)} sagas/s; ` +
        `at ${latencyRatePerS}/s ${latencySummary(open)}`,
    );
  };
  for (let round = 1; round <= growthRounds; round += 1) {
    await measure(standard, 'standard', round);
    await measure(grown, 'grown', round);
    if (withRaw) rounds.raw.push(await saturate(bench, grown, 'raw', 'confirmed', growthS));
  }
  return rounds;
}
