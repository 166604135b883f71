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
  --failpoints N instead: each service kills itself (kill -9) N times at each failpoint in the code, one after the other;
                 with 20, this takes about half an hour
  --broker-nodes N   RabbitMQ as a cluster of N nodes (3 or 5); the only faults then are kills (kill -9) of its nodes
  --write        writes the result into docs/reliability.md, and the picture of a soak to docs/soak.svg; that of a cluster
                 into docs/scaling.md
  --help         this text

Exit code 0: nothing was lost, doubled, stuck or unexpected. 1 otherwise.`;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly failpoints: number | undefined;
  readonly brokerNodes: number;
  readonly write: boolean;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '50' },
      failpoints: { type: 'string' },
      'broker-nodes': { type: 'string', default: '1' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const brokerNodes = whole('broker-nodes', values['broker-nodes']);
  if (![1, 3, 5].includes(brokerNodes)) throw new Error('--broker-nodes must be 1, 3 or 5');
  if (brokerNodes > 1 && values.failpoints !== undefined)
    throw new Error('--broker-nodes and --failpoints are two different soaks');
  return {
    minutes: whole('minutes', values.minutes),
    seed: whole('seed', values.seed),
    rate: whole('rate', values.rate),
    failpoints: values.failpoints === undefined ? undefined : whole('failpoints', values.failpoints),
    brokerNodes,
    write: values.write,
  };
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw new Error(`--${name} must be a whole number above 0`);
}

async function main({ minutes, seed, rate, failpoints, brokerNodes, write }: Options): Promise<void> {
  // It kills its broker: never that of somebody else.
  delete process.env['AMQP_URL'];
  const length = failpoints === undefined ? `--minutes ${minutes}` : `--failpoints ${failpoints}`;
  const cluster = brokerNodes > 1;
  const command = `npm run soak -- ${cluster ? `--broker-nodes ${brokerNodes} ` : ''}${length} --seed ${seed} --rate ${rate}`;
  const disk = failpoints === undefined && !cluster ? mountSmallDisk() : noDisk;
  // Services and broker end with this process; a file system would stay.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => {
      disk.abandon();
      process.exit(code);
    });
  const broker = await startBroker({ nodes: brokerNodes, progress: (line) => console.error(line) });
  try {
    const result = await soak(broker, {
      ...{ minutes, seed, ordersPerS: rate, smallDisk: disk.folder, failpointKills: failpoints },
      ...(broker.nodes ? { faults: nodeKills(broker.nodes) } : {}),
      progress: (line) => console.error(line),
    });
    const machine = `${cpus().length} processors, Node ${process.version.slice(1)}`;
    const date = new Date().toISOString().slice(0, 10);
    const product = `${broker.description.replace(/,.*/, '')}${cluster ? `, ${brokerNodes} nodes` : ''}`;
    const report = reportOf(result, { command, machine, broker: product, date });
    console.log(`\n${report}\n`);
    if (write) writeResult(failpoints === undefined ? (cluster ? 'broker-nodes' : 'soak') : 'failpoints', report);
    if (write && failpoints === undefined && !cluster) writeFileSync('docs/soak.svg', pictureOf(result, command));
    const failures = failuresOf(result);
    console.log(failures.length === 0 ? 'passed' : `FAILED\n  ${failures.join('\n  ')}`);
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    await broker.stop();
    disk.remove();
  }
}

interface Disk {
  /** Undefined: there is none. */
  readonly folder: string | undefined;
  remove(): void;
  /** The same while it is in use: it is gone when its last user is. */
  abandon(): void;
}

/** A file system in memory whose size can be changed while it is used; without the rights for one, that fault is left out. */
function mountSmallDisk(): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'saga-soak-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${smallDiskKiB}k`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    rmSync(folder, { recursive: true, force: true });
    console.error('no disk is going to be full: that needs root on Linux');
    return noDisk;
  }
  return {
    folder,
    remove: () => {
      execFileSync('umount', [folder]);
      rmSync(folder, { recursive: true, force: true });
    },
    abandon: () => {
      execFileSync('umount', ['--lazy', folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const noDisk: Disk = { folder: undefined, remove: () => {}, abandon: () => {} };

const pages = {
  soak: 'docs/reliability.md',
  failpoints: 'docs/reliability.md',
  'broker-nodes': 'docs/scaling.md',
} as const;

function writeResult(place: keyof typeof pages, report: string): void {
  const page = pages[place];
  const [begin, end] = [`<!-- ${place}:begin -->`, `<!-- ${place}:end -->`];
  const text = readFileSync(page, 'utf8');
  const [from, until] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || until < from) throw new Error(`${page} has no place for the result: ${begin} … ${end}`);
  writeFileSync(page, `${text.slice(0, from + begin.length)}\n\n${report}\n\n${text.slice(until)}`);
  console.log(`written: ${page}`);
}

try {
  const options = readOptions();
  if (options) await main(options);
  else console.log(usage);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
