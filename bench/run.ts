// One run of the benchmark: starts a broker and a stage, measures the wanted sections, and leaves nothing behind.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { standardShop } from './load/shop.ts';
import type { Bench } from './measure/bench.ts';
import { measureFsyncs } from './measure/fsyncs.ts';
import { measureGrowth } from './measure/growth.ts';
import { measureLatency } from './measure/latency.ts';
import { measureMemory, rssOf } from './measure/memory.ts';
import { measureOverload } from './measure/overload.ts';
import { measureSaturation, roughSaturation } from './measure/saturation.ts';
import type { Options, Section } from './options.ts';
import { describeMachine } from './report/machine.ts';
import { type BenchResult, messagesOf } from './report/result.ts';
import { type OwnBroker, startOwnBroker } from './stage/own-broker.ts';
import type { Stage } from './stage/stage.ts';
import { startStage } from './stage/start-stage.ts';

type Figures = Pick<
  BenchResult,
  'messages' | 'saturation' | 'fsyncs' | 'latency' | 'failure' | 'memory' | 'growth' | 'overload'
>;

/**
 * Everything that was started is stopped when it resolves or rejects.
 * @param stopping aborts the run; aborted by the run itself when one of its processes fails
 */
export async function run(
  options: Options,
  progress: (line: string) => void,
  stopping: AbortController,
): Promise<BenchResult> {
  const startedAtMs = Date.now();
  const dataDir = mkdtempSync(join(tmpdir(), 'saga-bench-'));
  const stages = new Set<Stage>();
  let broker: OwnBroker | undefined;
  try {
    const machine = describeMachine(dataDir);
    progress('starting a broker');
    const ownBroker = await startOwnBroker(progress, stopping.signal);
    broker = ownBroker;
    progress(`${broker.broker.description} (source: ${broker.broker.source})`);
    if (broker.pids.length === 0) progress("the broker's processes are unknown: its processor time is not measured");
    const profile = options.profile === undefined ? undefined : resolve(options.profile);
    const bench: Bench = {
      plan: options.plan,
      inFlight: options.inFlight,
      progress,
      dataDir,
      startStage: async (shop, pastOrders, vhost, targets) => {
        const stage = await startStage({
          broker: ownBroker,
          dataDir,
          shop,
          pastOrders,
          vhost,
          targets,
          profile,
          stopping,
        });
        stages.add(stage);
        return stage;
      },
    };
    const figures = await measureSections(bench, options.only);
    return {
      startedAt: new Date(startedAtMs).toISOString(),
      tookS: (Date.now() - startedAtMs) / 1000,
      command: commandLine(process.argv.slice(2)),
      quick: options.quick,
      broker: broker.broker.description.replace(/, port \d+/, ''),
      machine,
      shop: standardShop,
      ...figures,
    };
  } finally {
    for (const stage of stages) await stage.kill();
    await broker?.broker.stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measureSections(bench: Bench, sections: readonly Section[]): Promise<Figures> {
  const wants = (section: Section) => sections.includes(section);
  bench.progress('filling the databases; starting the services, the raw pipeline and the load generator');
  const stage = await bench.startStage(standardShop, 0, 'services', ['services', 'raw', 'baseline']);
  const rssAtStart = rssOf(stage);
  await warmUp(bench, stage);
  const saturation = wants('saturation')
    ? await measureSaturation(bench, stage, 'confirmed', ['services', 'raw', 'baseline'])
    : undefined;
  const fsyncs = wants('saturation') ? await measureFsyncs(bench, stage) : undefined;
  const latency = wants('latency')
    ? await measureLatency(
        bench,
        stage,
        'confirmed',
        bench.plan.rates,
        saturation?.targets.services?.sagasPerS ?? (await roughSaturation(bench, stage, 'confirmed')),
      )
    : undefined;
  const failure = wants('failure') ? await measureFailurePath(bench, stage) : undefined;
  const memory = wants('memory') ? await measureMemory(bench, stage, rssAtStart) : undefined;
  const overload = wants('overload') ? await measureOverload(bench, stage, bench.plan.overloadS) : undefined;
  const messages = messagesOf(stage.samples);
  await stage.stop();
  const growth = wants('growth') ? await measureGrowth(bench) : undefined;
  return {
    messages,
    ...(saturation ? { saturation } : {}),
    ...(fsyncs ? { fsyncs } : {}),
    ...(latency ? { latency } : {}),
    ...(failure ? { failure } : {}),
    ...(memory ? { memory } : {}),
    ...(growth ? { growth } : {}),
    ...(overload ? { overload } : {}),
  };
}

async function warmUp(bench: Bench, stage: Stage): Promise<void> {
  bench.progress('warming up');
  const seconds = bench.plan.warmUpS * 2;
  for (const target of ['services', 'raw'] as const) {
    await stage.run({ kind: 'open', target, scenario: 'confirmed', ratePerS: 200, warmUpS: 0, seconds });
  }
}

async function measureFailurePath(bench: Bench, stage: Stage): Promise<NonNullable<BenchResult['failure']>> {
  const saturation = await measureSaturation(bench, stage, 'refused', ['services', 'raw']);
  const servicesPerS = saturation.targets.services?.sagasPerS ?? 0;
  const latency = await measureLatency(bench, stage, 'refused', bench.plan.failureRates, servicesPerS);
  return { saturation, latency };
}

/** How to measure these figures again; without the files, whose names are of no use to others. */
function commandLine(args: readonly string[]): string {
  const isFile = (arg: string | undefined): boolean => arg === '--svg' || arg === '--profile';
  const kept = args.filter((arg, index) => !isFile(arg) && !isFile(args[index - 1]) && !/^--(svg|profile)=/.test(arg));
  return ['npm run bench', ...(kept.length > 0 ? ['--', ...kept] : [])].join(' ');
}
