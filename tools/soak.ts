// `npm run soak`: real faults of all kinds at random, under load, for as long as is asked for; and an account of every order.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker } from '../local/broker/start-broker.ts';
import { nodeKills, smallDiskKiB } from '../local/soak/faults.ts';
import { pictureOf } from '../local/soak/picture.ts';
import { failuresOf, reportOf } from '../local/soak/report.ts';
import { soak } from '../local/soak/soak.ts';

const usage = `Usage: npm run soak -- [options]

Starts a system of its own, lets customers order all the time, and lets faults strike one after the other, sometimes two at
once: processes killed, the broker killed, paused and cut off, queues deleted and purged, a database locked, put back, or (as
root, on Linux) on a full disk, and poison messages. Then it accounts for every order, over HTTP.

  --minutes N    how long faults strike (default 5)
  --seed N       decides which faults come in which order (default 1)
  --rate N       orders a second (default 50)
  --broker-nodes N   RabbitMQ as a cluster of N nodes (3 or 5); the only fault then is kill -9 of one node after the other
  --write        writes the result into docs/reliability.md, and the picture to docs/soak.svg; of a cluster, into docs/scaling.md
  --help         this text

Exit code 0: nothing was lost, doubled, stuck or unexpected. 1 otherwise.`;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly brokerNodes: number;
  readonly write: boolean;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '50' },
      'broker-nodes': { type: 'string', default: '1' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const number = (name: 'minutes' | 'seed' | 'rate' | 'broker-nodes'): number => {
    if (!/^\d{1,9}$/.test(values[name]) || Number(values[name]) === 0)
      throw new Error(`--${name} must be a whole number above 0`);
    return Number(values[name]);
  };
  const brokerNodes = number('broker-nodes');
  if (![1, 3, 5].includes(brokerNodes)) throw new Error('--broker-nodes must be 1, 3 or 5');
  return { minutes: number('minutes'), seed: number('seed'), rate: number('rate'), brokerNodes, write: values.write };
}

async function main({ minutes, seed, rate, brokerNodes, write }: Options): Promise<void> {
  // It kills its broker: never that of somebody else.
  delete process.env['AMQP_URL'];
  const cluster = brokerNodes > 1;
  const nodesOption = cluster ? ` --broker-nodes ${brokerNodes}` : '';
  const command = `npm run soak -- --minutes ${minutes} --seed ${seed} --rate ${rate}${nodesOption}`;
  const disk = cluster ? noSmallDisk : mountSmallDisk();
  const broker = await startBroker({ nodes: brokerNodes, progress: (line) => console.error(line) });
  try {
    const result = await soak(broker, {
      ...{ minutes, seed, ordersPerS: rate, smallDisk: disk.folder },
      ...(broker.nodes ? { faults: nodeKills(broker.nodes) } : {}),
      progress: (line) => console.error(line),
    });
    const machine = `${cpus().length} processors, Node ${process.version.slice(1)}`;
    const date = new Date().toISOString().slice(0, 10);
    const product = `${broker.description.replace(/,.*/, '')}${cluster ? `, ${brokerNodes} nodes` : ''}`;
    const report = reportOf(result, { command, machine, broker: product, date });
    console.log(`\n${report}\n`);
    if (write && cluster) writeInto(clusterPage, report);
    else if (write) writeDocuments(report, pictureOf(result, command));
    const failures = failuresOf(result);
    console.log(failures.length === 0 ? 'passed' : `FAILED\n  ${failures.join('\n  ')}`);
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    await broker.stop();
    disk.remove();
  }
}

const noSmallDisk = { folder: undefined, remove: () => {} };

/** A file system in memory whose size can be changed while it is used; without the rights for one, that fault is left out. */
function mountSmallDisk(): { readonly folder: string | undefined; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'saga-soak-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${smallDiskKiB}k`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    rmSync(folder, { recursive: true, force: true });
    console.error('no disk is going to be full: that needs root on Linux');
    return noSmallDisk;
  }
  return {
    folder,
    remove: () => {
      execFileSync('umount', [folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const page = 'docs/reliability.md';
const clusterPage = 'docs/scaling.md';
const [begin, end] = ['<!-- soak:begin -->', '<!-- soak:end -->'];

function writeDocuments(report: string, picture: string): void {
  writeInto(page, report);
  writeFileSync('docs/soak.svg', picture);
  console.log('written: docs/soak.svg');
}

function writeInto(file: string, report: string): void {
  const text = readFileSync(file, 'utf8');
  const [from, until] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || until < from) throw new Error(`${file} has no place for the result: ${begin} … ${end}`);
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${report}\n\n${text.slice(until)}`);
  console.log(`written: ${file}`);
}

try {
  const options = readOptions();
  if (options) await main(options);
  else console.log(usage);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
