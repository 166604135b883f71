// How long a saga takes, and what it costs, at fixed rates of arrival.
import type { Target } from '../load/load.ts';
import type { Scenario } from '../load/shop.ts';
import type { Measured, Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { latencySummary } from './figures-as-text.ts';
import { type LatencyOf, latencyOf } from './rounds.ts';
import { byTarget, inTurns } from './turns.ts';

export interface LatencyResult {
  readonly ratePerS: number;
  /** The rate is half of the services' rate at saturation. */
  readonly half: boolean;
  readonly targets: Readonly<Partial<Record<Target, LatencyOf>>>;
}

export async function measureLatency(
  bench: Bench,
  stage: Stage,
  scenario: Scenario,
  rates: readonly (number | 'half')[],
  saturationPerS: number,
): Promise<LatencyResult[]> {
  const { latencyRounds, latencyS } = bench.plan;
  const results: LatencyResult[] = [];
  for (const wanted of rates) {
    const ratePerS = wanted === 'half' ? Math.max(1, Math.round(saturationPerS / 2)) : wanted;
    const peers = scenario === 'confirmed' && bench.plan.peerRates.some((rate) => rate === wanted) ? bench.peers : [];
    const measured = await inTurns(['services', 'raw', ...peers], latencyRounds, async (target, round) => {
      const one = await loadAt(bench, stage, target, scenario, ratePerS, latencyS);
      bench.progress(
        `latency, ${scenario}, ${ratePerS}/s, round ${round} of ${latencyRounds}, ${target}: ${latencySummary(one)}`,
      );
      return one;
    });
    results.push({ ratePerS, half: wanted === 'half', targets: byTarget(measured, latencyOf) });
  }
  return results;
}

export function loadAt(
  { plan }: Bench,
  stage: Stage,
  target: Target,
  scenario: Scenario,
  ratePerS: number,
  seconds: number,
): Promise<Measured> {
  return stage.run({ kind: 'open', target, scenario, ratePerS, warmUpS: plan.warmUpS, seconds });
}
