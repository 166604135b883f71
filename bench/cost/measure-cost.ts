// What a saga costs, in numbers that do not depend on how busy the machine is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { SagaRunner } from './saga-runner.ts';
import { countStatements } from './statement-count.ts';

export const costNames = [
  'statements',
  'commits',
  'pages',
  'storedBytes',
  'messages',
  'messageBytes',
  'acks',
  'allocatedKb',
] as const;
export type CostName = (typeof costNames)[number];

/** Per saga, of all three services together. */
export type Cost = Readonly<Record<CostName, number>>;

export const loads = { 'one at a time': 1, '256 in flight': 256 } as const;
export type LoadName = keyof typeof loads;
export type Costs = Readonly<Record<LoadName, Cost>>;

/** The heap must be larger than what these allocate: a collection in between would make the count wrong. */
export const heapFlags = ['--min-semi-space-size=512', '--max-semi-space-size=512', '--expose-gc'];

const warmUpSagas = 1_500;
const sagas = 1_000;

/** @throws Error when the process was not started with `heapFlags` */
export async function measureCosts(progress: (line: string) => void): Promise<Costs> {
  const counts = countStatements();
  const folder = mkdtempSync(join(tmpdir(), 'saga-cost-'));
  const runner = new SagaRunner(folder);
  try {
    await runner.fill();
    const measure = async (load: LoadName): Promise<Cost> => {
      progress(`${load}: ${sagas} sagas`);
      await runner.run(warmUpSagas, loads[load]);
      await runner.quiet();
      runner.walPages();
      const before = { ...counts, ...runner.broker.traffic, bytes: runner.bytes(), sent: runner.broker.traffic.bytes };
      const allocated = await allocatedBytes(async () => {
        await runner.run(sagas, loads[load]);
        await runner.quiet();
      });
      const { traffic } = runner.broker;
      const each = (total: number) => total / sagas;
      return {
        statements: each(counts.statements - before.statements),
        commits: each(counts.commits - before.commits),
        pages: each(runner.walPages()),
        storedBytes: each(runner.bytes() - before.bytes),
        messages: each(traffic.messages - before.messages),
        messageBytes: each(traffic.bytes - before.sent),
        acks: each(traffic.acks - before.acks),
        allocatedKb: each(allocated / 1_024),
      };
    };
    return { 'one at a time': await measure('one at a time'), '256 in flight': await measure('256 in flight') };
  } finally {
    runner.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** On the JavaScript heap. */
async function allocatedBytes(run: () => Promise<void>): Promise<number> {
  if (!global.gc) throw new Error(`start Node with ${heapFlags.join(' ')}`);
  global.gc();
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  // The collection that was asked for is reported in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 50));
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  await run();
  const allocated = process.memoryUsage().heapUsed - before;
  await new Promise((resolve) => setTimeout(resolve, 50));
  observer.disconnect();
  if (collections > 0)
    throw new Error('the heap was too small to count what is allocated: a collection came in between');
  return allocated;
}
