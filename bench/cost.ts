// `npm run cost`: what a saga costs in statements, commits, messages, bytes and allocations. They are the same on every
// machine, however busy, so a change that makes sagas dearer shows. Speed is what `npm run bench` measures.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isUsageError } from '../local/usage-error.ts';
import {
  type CostName,
  type Costs,
  costNames,
  heapFlags,
  type LoadName,
  loads,
  measureCosts,
} from './cost/measure-cost.ts';
import { table } from './report/table.ts';

const usage = `npm run cost -- [--check | --record]

Runs sagas through the three services in one process, and prints what one costs: SQL statements, commits (an fsync each),
pages written, messages, bytes and allocations.

  --check    fails when a saga costs more than is recorded in bench/cost/recorded.json
  --record   records what it costs now
`;

const recordedFile = fileURLToPath(new URL('../../bench/cost/recorded.json', import.meta.url));
/** How much more than recorded is let pass: allocations depend a little on the version of Node, group sizes on timing. */
const tolerance: Readonly<Record<CostName, number>> = {
  statements: 0.05,
  commits: 0.1,
  pages: 0.1,
  storedBytes: 0.05,
  messages: 0.1,
  messageBytes: 0.05,
  acks: 0.1,
  allocatedKb: 0.15,
};
const titles: Readonly<Record<CostName, string>> = {
  statements: 'SQL statements',
  commits: 'commits',
  pages: 'pages written to the logs',
  storedBytes: 'bytes kept in the databases',
  messages: 'messages published',
  messageBytes: 'bytes of messages',
  acks: 'acks',
  allocatedKb: 'kB allocated',
};

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({
      options: { check: { type: 'boolean' }, record: { type: 'boolean' }, help: { type: 'boolean' } },
    });
    if (values.help) {
      process.stdout.write(usage);
      return 0;
    }
    if (!global.gc) return withHeapFlags();
    const costs = await measureCosts((line) => process.stderr.write(`${line}\n`));
    if (values.record) writeFileSync(recordedFile, `${JSON.stringify(rounded(costs), undefined, 2)}\n`);
    const recorded = JSON.parse(readFileSync(recordedFile, 'utf8')) as Costs;
    process.stdout.write(
      `\nOne saga, all three services together; in brackets what is recorded:\n\n${reportOf(costs, recorded)}\n`,
    );
    const dearer = values.check ? dearerThan(recorded, costs) : [];
    for (const line of dearer) process.stdout.write(`${line}\n`);
    if (dearer.length > 0)
      process.stdout.write('If that is worth it: npm run cost -- --record, and say why in the commit.\n');
    return dearer.length > 0 ? 1 : 0;
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
}

function withHeapFlags(): number {
  const [, script = '', ...args] = process.argv;
  return spawnSync(process.execPath, [...heapFlags, script, ...args], { stdio: 'inherit' }).status ?? 1;
}

function loadNames(): LoadName[] {
  return Object.keys(loads) as LoadName[];
}

function reportOf(costs: Costs, recorded: Costs): string {
  const rows = costNames.map((name) => [
    titles[name],
    ...loadNames().map((load) => `${shown(costs[load][name])} (${shown(recorded[load][name])})`),
  ]);
  return table([['', ...loadNames()], ...rows]);
}

function dearerThan(recorded: Costs, costs: Costs): string[] {
  return loadNames().flatMap((load) =>
    costNames
      .filter((name) => costs[load][name] > recorded[load][name] * (1 + tolerance[name]))
      .map(
        (name) =>
          `Dearer: ${titles[name]}, ${load}: ${shown(costs[load][name])}, recorded ${shown(recorded[load][name])}`,
      ),
  );
}

function rounded(costs: Costs): Costs {
  const round = (cost: Costs[LoadName]) =>
    Object.fromEntries(costNames.map((name) => [name, Number(shown(cost[name]))])) as Costs[LoadName];
  return { 'one at a time': round(costs['one at a time']), '256 in flight': round(costs['256 in flight']) };
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
