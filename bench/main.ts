// `npm run bench`: measures the services and, in the same run, the raw pipeline of the same broker.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BrokerSettingError, BrokerUnavailableError } from '../local/broker/start-broker.ts';
import { UsageError } from '../local/usage-error.ts';
import { readOptions, usage } from './options.ts';
import { hottestReport } from './report/hottest.ts';
import { plotOf } from './report/plot.ts';
import { reportOf } from './report/report.ts';
import { run } from './run.ts';

class Interrupted extends Error {}

const exitUsage = 2;
const exitInterrupted = 130;
const exitUnavailable = 69;

// A reader that went away is no reason to leave processes running.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort(new Interrupted()));
}
const startedMs = performance.now();
process.exit(await main());

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options.help) {
      process.stdout.write(usage);
      return 0;
    }
    const result = await run(options, progress, stopping);
    if (options.svg !== undefined && result.latency) {
      const file = resolve(options.svg);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, plotOf(result));
      progress(`latencies drawn in ${options.svg}`);
    }
    process.stdout.write(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : `\n${reportOf(result)}`);
    if (options.profile) process.stderr.write(hottestReport(resolve(options.profile)));
    return 0;
  } catch (error) {
    return exitCodeFor(error);
  }
}

function progress(line: string): void {
  process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
}

/** Writes what went wrong to standard error. */
function exitCodeFor(error: unknown): number {
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
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`the benchmark failed: ${shown}\n`);
  return 1;
}
