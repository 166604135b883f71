// The highest rate: how many sagas per second end while a fixed number is in flight.
import type { Target } from '../load/load.ts';
import type { Scenario } from '../load/shop.ts';
import type { Measured, Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { type Rate, rateOf } from './rounds.ts';
import { median } from './statistics.ts';
import { byTarget, inTurns } from './turns.ts';

export interface SaturationResult {
  readonly inFlight: number;
  readonly targets: Readonly<Partial<Record<Target, Rate>>>;
  /** The services' sagas/s by those of the raw pipeline: of the medians, and of each round. */
  readonly ratio: number;
  readonly ratios: readonly number[];
}

export async function measureSaturation(
  bench: Bench,
  stage: Stage,
  scenario: Scenario,
  targets: readonly Target[],
): Promise<SaturationResult> {
  const { rounds, saturationS } = bench.plan;
  const measured = await inTurns(targets, rounds, async (target, round) => {
    const one = await saturate(bench, stage, target, scenario, saturationS);
    bench.progress(`saturation, ${scenario}, round ${round} of ${rounds}, ${target}: ${one.perS.toFixed(0)} sagas/s`);
    return one;
  });
  const rates = byTarget(measured, rateOf);
  const services = rates.services?.rounds ?? [];
  const raw = rates.raw?.rounds ?? [];
  return {
    inFlight: bench.inFlight,
    targets: rates,
    ratio: median(services) / median(raw),
    ratios: services.map((perS, index) => perS / (raw[index] ?? Number.NaN)),
  };
}

export function saturate(
  { plan, inFlight }: Bench,
  stage: Stage,
  target: Target,
  scenario: Scenario,
  seconds: number,
): Promise<Measured> {
  return stage.run({ kind: 'closed', target, scenario, inFlight, warmUpS: plan.warmUpS, seconds, sagas: 0 });
}

/** One short measurement, for a run without the saturation section that has to derive a rate from it. */
export async function roughSaturation(bench: Bench, stage: Stage, scenario: Scenario): Promise<number> {
  const { perS } = await saturate(bench, stage, 'services', scenario, Math.min(5, bench.plan.saturationS));
  bench.progress(`saturation of the services, roughly: ${perS.toFixed(0)} sagas/s`);
  return perS;
}
