// Fsyncs per saga, by process: at 100/s, where a saga hardly shares one with another, and at saturation.
import type { Load, Target } from '../load/load.ts';
import type { Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { countFsyncs, fsyncTool } from './fsync-count.ts';
import { sum } from './statistics.ts';

export interface FsyncResult {
  readonly load: string;
  readonly target: Target;
  readonly tool: string;
  readonly perSaga: Readonly<Record<string, number>>;
}

/** @returns nothing where no tool can count them */
export async function measureFsyncs(bench: Bench, stage: Stage): Promise<FsyncResult[]> {
  const tool = fsyncTool();
  if (!tool) {
    bench.progress('fsyncs are not counted: neither perf nor strace can be used here');
    return [];
  }
  const results: FsyncResult[] = [];
  for (const target of ['services', 'raw', ...bench.peers] as const) {
    for (const load of ['100/s', 'saturation'] as const) {
      const { 'load generator': _, ...pids } = stage.pids[target] ?? {};
      const counter = await countFsyncs(tool, pids, bench.dataDir);
      const measured = await stage.run(load === 'saturation' ? saturating(bench, target) : at100PerS(bench, target));
      const counts = await counter.stop();
      // The sagas in flight at the end of the counted part have their fsyncs too.
      const sagas = measured.ended + (load === 'saturation' ? bench.inFlight : 0);
      const perSaga = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / sagas]));
      results.push({ load, target, tool, perSaga });
      bench.progress(`fsyncs, ${target}, ${load}: ${sum(Object.values(perSaga)).toFixed(2)} a saga (${tool})`);
    }
  }
  return results;
}

// Without a warm-up: the counter sees every saga of the load.

function at100PerS({ plan }: Bench, target: Target): Load {
  return { kind: 'open', target, scenario: 'confirmed', ratePerS: 100, warmUpS: 0, seconds: plan.fsyncS };
}

function saturating({ plan, inFlight }: Bench, target: Target): Load {
  return { kind: 'closed', target, scenario: 'confirmed', inFlight, warmUpS: 0, seconds: plan.fsyncS, sagas: 0 };
}
