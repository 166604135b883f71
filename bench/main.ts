// `npm run bench`: what the services do beside the raw pipeline of the same broker, in the same run.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { BrokerSettingError, BrokerUnavailableError } from '../local/broker/start-broker.ts';
import { serviceNames } from '../services.ts';
import { Latencies } from './histogram.ts';
import { hottestIn } from './hottest.ts';
import { latencyPlot } from './latency-plot.ts';
import { describeMachine } from './machine.ts';
import {
  type Bench,
  measureFsyncs,
  measureGrowth,
  measureLatency,
  measureMemory,
  measureSaturation,
  roughSaturation,
  rssOf,
} from './measure.ts';
import { type Options, readOptions, UsageError, usage } from './options.ts';
import { type OwnBroker, startOwnBroker } from './own-broker.ts';
import { type BenchResult, messagesOf, reportOf } from './report.ts';
import { usualShop } from './shop.ts';
import { Stage } from './stage.ts';

class Interrupted extends Error {}

const exitUsage = 2;
const exitInterrupted = 130;
const exitUnavailable = 69;
const hottestShown = 25;

// Nobody reads any more: that is no reason to leave things running.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort(new Interrupted()));
}
process.exit(await main());

async function main(): Promise<number> {
  const startedMs = performance.now();
  const progress = (line: string): void => {
    process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
  };
  try {
    const options = readOptions(process.argv.slice(2));
    if (options.help) {
      process.stdout.write(usage);
      return 0;
    }
    const result = await run(options, progress);
    process.stdout.write(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : `\n${reportOf(result)}`);
    if (options.profile) showHottest(resolve(options.profile));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}`);
      return exitUsage;
    }
    if (error instanceof Interrupted) {
      progress('interrupted; everything that was started is stopped');
      return exitInterrupted;
    }
    if (error instanceof BrokerUnavailableError || error instanceof BrokerSettingError) {
      process.stderr.write(`${error.message}\n`);
      return error instanceof BrokerSettingError ? exitUsage : exitUnavailable;
    }
    process.stderr.write(
      `the benchmark failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 1;
  }
}

async function run(options: Options, progress: (line: string) => void): Promise<BenchResult> {
  const startedAtMs = Date.now();
  const dataDir = mkdtempSync(join(tmpdir(), 'saga-bench-'));
  const profile = options.profile === undefined ? undefined : resolve(options.profile);
  let broker: OwnBroker | undefined;
  const stages = new Set<Stage>();
  try {
    const machine = describeMachine(dataDir);
    progress('starting a broker');
    broker = await startOwnBroker(progress, stopping.signal);
    progress(`${broker.broker.description} (source: ${broker.broker.source})`);
    if (broker.pids.length === 0)
      progress("the broker's processes can not be told: its processor time is not measured");
    const ownBroker = broker;
    const bench: Bench = {
      options,
      progress,
      dataDir,
      startStage: async (shop, pastOrders, vhost, targets) => {
        const stage = await Stage.start({
          broker: ownBroker,
          dataDir,
          shop,
          pastOrders,
          vhost,
          targets,
          profile,
          progress,
          stopping,
        });
        stages.add(stage);
        return stage;
      },
    };
    const result = await measureAll(bench, machine, ownBroker, startedAtMs);
    for (const stage of stages) await stage.stop();
    if (options.svg !== undefined && result.latency) {
      const file = resolve(options.svg);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, plotOf(result));
      progress(`latencies drawn in ${options.svg}`);
    }
    return result;
  } finally {
    for (const stage of stages) await stage.kill();
    await broker?.broker.stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measureAll(
  bench: Bench,
  machine: BenchResult['machine'],
  broker: OwnBroker,
  startedAtMs: number,
): Promise<BenchResult> {
  const { options, progress } = bench;
  const wants = (section: Options['only'][number]) => options.only.includes(section);
  progress('filling the databases; starting the services, the raw pipeline and the load generator');
  const stage = await bench.startStage(usualShop, 0, 'services', ['services', 'raw', 'usual']);
  const atStart = rssOf(stage);
  progress('warming up');
  for (const target of ['services', 'raw'] as const) {
    const seconds = options.plan.warmUpS * 2;
    await stage.run({ kind: 'open', target, scenario: 'confirmed', ratePerS: 200, warmUpS: 0, seconds });
  }
  const saturation = wants('saturation')
    ? await measureSaturation(bench, stage, 'confirmed', ['services', 'raw', 'usual'])
    : undefined;
  const fsyncs = wants('saturation') ? await measureFsyncs(bench, stage) : undefined;
  const { rates, failureRates } = options.plan;
  const latency = wants('latency')
    ? await measureLatency(
        bench,
        stage,
        'confirmed',
        rates,
        saturation?.targets.services?.sagasPerS ?? (await roughSaturation(bench, stage, 'confirmed')),
      )
    : undefined;
  const refused = wants('failure') ? await measureSaturation(bench, stage, 'refused', ['services', 'raw']) : undefined;
  const failure = refused && {
    saturation: refused,
    latency: await measureLatency(bench, stage, 'refused', failureRates, refused.targets.services?.sagasPerS ?? 0),
  };
  const memory = wants('memory') ? await measureMemory(bench, stage, atStart) : undefined;
  const messages = messagesOf(stage.samples);
  await stage.stop();
  const growth = wants('growth') ? await measureGrowth(bench) : undefined;
  return {
    startedAt: new Date(startedAtMs).toISOString(),
    tookS: (Date.now() - startedAtMs) / 1000,
    command: commandLine(process.argv.slice(2)),
    quick: options.quick,
    broker: broker.broker.description.replace(/, port \d+/, ''),
    machine,
    shop: usualShop,
    messages,
    ...(saturation ? { saturation } : {}),
    ...(fsyncs ? { fsyncs } : {}),
    ...(latency ? { latency } : {}),
    ...(failure ? { failure } : {}),
    ...(memory ? { memory } : {}),
    ...(growth ? { growth } : {}),
  };
}

/** How to get these figures again; where files went is nobody's business. */
function commandLine(args: readonly string[]): string {
  const isFile = (arg: string | undefined): boolean => arg === '--svg' || arg === '--profile';
  const kept = args.filter((arg, index) => !isFile(arg) && !isFile(args[index - 1]) && !/^--(svg|profile)=/.test(arg));
  return ['npm run bench', ...(kept.length > 0 ? ['--', ...kept] : [])].join(' ');
}

function plotOf({ latency = [], failure, startedAt, machine, broker, command }: BenchResult): string {
  const panels = [
    ...latency.map((one) => ({ ...one, what: 'confirmed' })),
    ...(failure?.latency ?? []).map((one) => ({ ...one, what: 'refused and refunded' })),
  ].map(({ ratePerS, half, targets, what }) => ({
    title: `${ratePerS} orders/s${half ? ' (half of saturation)' : ''}, ${what}`,
    curves: [
      { name: 'services', colour: '#0b6e99', of: targets.services },
      { name: 'raw pipeline', colour: '#c2571a', of: targets.raw },
    ].flatMap(({ name, colour, of }) => (of ? [{ name, colour, latencies: Latencies.decode(of.histogram) }] : [])),
  }));
  return latencyPlot(
    'POST to end of the saga: latency by percentile',
    `${command}, ${startedAt.slice(0, 10)}, ${machine.processors} processors, ${broker}, Node ${machine.node.slice(1)}`,
    panels,
  );
}

function showHottest(folder: string): void {
  for (const service of serviceNames) {
    process.stderr.write(`\n${service}: functions with the most time of their own\n`);
    const hottest = hottestIn(readFileSync(join(folder, `${service}.cpuprofile`), 'utf8'), hottestShown);
    for (const { name, share } of hottest) process.stderr.write(`${(share * 100).toFixed(1).padStart(6)} %  ${name}\n`);
  }
}
