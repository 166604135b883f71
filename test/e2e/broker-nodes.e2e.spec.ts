// A broker of three nodes: each is killed in turn while customers order. It stops as a whole, and nothing outlives its parent.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { expect } from 'chai';
import { type Broker, startBroker } from '../../local/broker/start-broker.ts';
import { nodeKills } from '../../local/soak/faults.ts';
import { failuresOf } from '../../local/soak/report.ts';
import { soak } from '../../local/soak/soak.ts';
import { addressesIn } from '../../shared/runtime/environment/broker-addresses.ts';
import { eventually } from '../support/wait.ts';

const nodes = 3;
const queue = 'kept';
const startTimeoutMs = 180_000;

describe('a broker of three nodes', function () {
  this.timeout(400_000);
  let place: string;
  let dataDir: string;
  let broker: Broker | undefined;

  before(function () {
    // Neither a broker of somebody else nor one in Docker can be given nodes.
    if (process.env['AMQP_URL'] || ['url', 'docker'].includes(process.env['BROKER_SOURCE'] ?? '')) this.skip();
    place = mkdtempSync(join(tmpdir(), 'broker-nodes-spec-'));
    dataDir = join(place, 'broker');
  });

  after(async () => {
    await broker?.stop();
    if (place) rmSync(place, { recursive: true, force: true, maxRetries: 10 });
  });

  it('loses, doubles and holds up no order when each node is killed in turn: the others go on', async () => {
    broker = await startBroker({ nodes, dataDir, progress: (line) => console.log(`      ${line}`) });
    const kills = nodeKills(broker.nodes ?? []);
    const result = await soak(broker, {
      ...{ minutes: 10, seed: 1, ordersPerS: 15, faults: kills, eachOnce: true },
      progress: (line) => console.log(`      ${line}`),
    });
    expect(failuresOf(result)).to.deep.equal([]);
    expect(result.account.acknowledged).to.be.greaterThan(0);
    expect(new Set(result.strikes.map(({ kind }) => kind)).size).to.equal(nodes);
    for (const { kind, fromMs, untilMs, longestPauseMs } of result.strikes) {
      console.log(`      ${kind}: away ${seconds(untilMs - fromMs)}, no order ended for ${seconds(longestPauseMs)}`);
      expect(longestPauseMs, `orders end while it is away (${kind})`).to.be.lessThan(untilMs - fromMs);
    }
  });

  it('continues from its data, and ends when its parent is killed with SIGKILL', async () => {
    if (!broker) throw new Error('the test before this one has not started it');
    for (const url of addressesIn(broker.url)) await publish(url, url);
    await broker.stop();
    const parent = parentOf(dataDir);
    const url = await firstLine(parent);
    const kept = new Set<string>();
    for (const address of addressesIn(url)) kept.add(await take(address));
    expect(kept.size, 'messages that were published at each node').to.equal(nodes);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await eventually(
      'everything of the broker to be gone',
      () => processesThatMention(place),
      (left) => left.length === 0,
    );
    for (const address of addressesIn(url)) expect(await connect(address).catch(String)).to.be.a('string');
  });
});

/** A process that starts the broker of that folder and prints its URL. */
function parentOf(dataDir: string) {
  const module = JSON.stringify(new URL('../../local/broker/start-broker.js', import.meta.url).href);
  const script = `
    const { startBroker } = await import(${module});
    console.log((await startBroker({ nodes: ${nodes}, dataDir: ${JSON.stringify(dataDir)} })).url);
    setInterval(() => {}, 60_000);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function firstLine({ stdout }: ReturnType<typeof parentOf>): Promise<string> {
  let printed = '';
  stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await eventually('the broker to start again', () => printed.includes('\n'), Boolean, startTimeoutMs);
  return printed.trim();
}

async function publish(url: string, text: string): Promise<void> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  channel.sendToQueue(queue, Buffer.from(text), { persistent: true });
  await channel.waitForConfirms();
  await connection.close();
}

async function take(url: string): Promise<string> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  const message = await eventually(
    'a message in the queue',
    () => channel.get(queue, { noAck: true }),
    (got) => got !== false,
  );
  await connection.close();
  return message === false ? '' : message.content.toString();
}

/** By command line and environment. */
function processesThatMention(text: string): string[] {
  if (process.platform !== 'linux') {
    const listed = execFileSync('ps', ['-A', '-o', 'command='], { encoding: 'utf8' });
    return listed.split('\n').filter((line) => line.includes(text));
  }
  const mentions = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(text);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && pid !== String(process.pid) && (mentions(pid, 'cmdline') || mentions(pid, 'environ')),
  );
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'an unknown time' : `${(ms / 1_000).toFixed(1)} s`;
}
