// `npm run dead-letters` on a real RabbitMQ: what it does not handle stays, in its place.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { expect } from 'chai';
import { choreography } from '../../shared/contract/choreography.ts';
import { deadLetterQueueOf, queueOf, wholeTopology } from '../../shared/contract/topology.ts';
import { DeadLetterQueue } from '../../tools/dead-letters/dead-letter-queue.ts';
import { newVhost } from '../support/broker.ts';
import { eventually } from '../support/wait.ts';

const service = 'payment-service';
const dead = deadLetterQueueOf(service);
/** More than two pages, and more than the broker keeps in order in one nack. */
const count = 1_500;
const tool = fileURLToPath(new URL('../../tools/dead-letters.js', import.meta.url));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('npm run dead-letters', () => {
  let url: string;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  let folder: string;

  before(async () => {
    url = await newVhost();
    connection = await connect(url, { noDelay: true });
    channel = await connection.createConfirmChannel();
    for (const queue of wholeTopology(choreography).queues) {
      await channel.assertQueue(queue.name, { durable: true, arguments: queue.arguments });
    }
    folder = mkdtempSync(join(tmpdir(), 'dead-letters-'));
  });

  beforeEach(async () => {
    await channel.purgeQueue(dead);
    await channel.purgeQueue(queueOf(service));
    for (let number = 0; number < count; number += 1) {
      const event = { id: `e-${number}`, type: 'order.placed', subject: `o-${number % 10}` };
      channel.publish('', dead, Buffer.from(JSON.stringify(event)), {
        persistent: true,
        messageId: `m-${number}`,
        headers: { 'x-cause': number % 3 === 0 ? 'newer-version' : 'wrong-data' },
      });
    }
    await channel.waitForConfirms();
  });

  after(async () => {
    await connection?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  function run(...words: string[]): Promise<Run> {
    const env = { ...process.env, AMQP_URL: url };
    return new Promise((resolve) => {
      execFile(process.execPath, [tool, ...words], { env, maxBuffer: 1e8 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });
  }

  /** The numbers of the letters that are there, in order. Leaves them where they are. */
  async function numbers(): Promise<number[]> {
    const found: number[] = [];
    const reader = await connect(url, { noDelay: true });
    try {
      const queue = await DeadLetterQueue.open(reader, service);
      for await (const page of queue.pages()) {
        for (const { properties } of page) found.push(Number(String(properties.messageId).slice(2)));
      }
      await queue.close();
    } finally {
      await reader.close();
    }
    return found;
  }

  const all = Array.from({ length: count }, (_, number) => number);
  const wrongData = all.filter((number) => number % 3 !== 0);

  it('counts by reason and event type, and names the broker without its password', async () => {
    const { code, stdout, stderr } = await run('list', service);
    expect(code).to.equal(0);
    expect(stdout).to.match(
      /payment-service: 1,500 dead letters\n.*\n +1,000 +wrong-data +order\.placed +-\n +500 +newer-version/,
    );
    expect(stderr).to.match(/Broker: amqp:\/\/guest:\*\*\*@/);
    const { stdout: json } = await run('list', service, '--reason', 'newer-version', '--json');
    expect(JSON.parse(json)).to.include({ service, reason: 'newer-version', count: 500 });
  });

  it('leaves every letter in its place, also after 30 readings', async () => {
    for (let round = 0; round < 30; round += 1) expect(await numbers(), `round ${round}`).to.deep.equal(all);
  });

  it('shows single letters, and one whole', async () => {
    const { stdout } = await run('list', service, '--subject', 'o-7', '--limit', '2');
    expect(stdout).to.include('id m-7\n').and.to.include('id m-17\n').and.to.include('1,500 dead letters, 2 shown');
    const shown = await run('show', service, 'e-1499');
    expect(shown.stdout).to.include('x-cause: wrong-data').and.to.include('"subject": "o-9"');
    const missing = await run('show', service, 'e-1500');
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.include('none of the 1,500 dead letters of payment-service has the id e-1500');
  });

  it('redrives what matches up to the limit, and leaves the rest in its place', async () => {
    const { code, stdout } = await run('redrive', service, '--reason', 'newer-version', '--limit', '450');
    expect(code).to.equal(0);
    expect(stdout).to.include('450 dead letters redriven');
    expect((await channel.checkQueue(queueOf(service))).messageCount).to.equal(450);
    expect(await numbers()).to.deep.equal(all.filter((number) => number % 3 !== 0 || number >= 1_350));
    const first = await channel.get(queueOf(service), { noAck: true });
    expect(first ? first.properties : {}).to.include({ messageId: 'm-0', type: 'order.placed', correlationId: 'o-0' });
  });

  it('loses nothing when the queue does not exist, and says so', async () => {
    const spec = wholeTopology(choreography).queues.find(({ name }) => name === queueOf(service));
    await channel.deleteQueue(queueOf(service));
    try {
      const { code, stdout, stderr } = await run('redrive', service);
      expect(code).to.equal(1);
      expect(stderr).to.include(
        "the queue 'payment-service' does not exist; what was not redriven stays a dead letter",
      );
      expect(stdout).to.include('0 dead letters redriven');
      expect(await numbers()).to.deep.equal(all);
    } finally {
      await channel.assertQueue(queueOf(service), { durable: true, arguments: spec?.arguments });
    }
  });

  it('discards only with --yes, after all of it is in a file that was not there', async () => {
    const file = join(folder, 'discarded.jsonl');
    const dry = await run('discard', service, '--reason', 'newer-version', '--to', file);
    expect(dry.code).to.equal(1);
    expect(dry.stdout).to.include('500 dead letters would be discarded').and.to.include('Nothing was changed');
    expect(existsSync(file)).to.equal(false);
    expect(await numbers()).to.deep.equal(all);
    expect((await run('discard', service, '--reason', 'newer-version', '--to', file, '--yes')).code).to.equal(0);
    const kept = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): { letterId: string } => JSON.parse(line));
    expect(kept.map(({ letterId }) => letterId)).to.deep.equal(all.filter((n) => n % 3 === 0).map((n) => `m-${n}`));
    expect(await numbers()).to.deep.equal(wrongData);
    const again = await run('discard', service, '--to', file, '--yes');
    expect(again.code).to.equal(1);
    expect(again.stderr).to.include('it exists, and is not overwritten');
    expect(await numbers()).to.deep.equal(wrongData);
  });

  it('refuses a second run while one is at it, and another consumer; a run that is killed holds nobody up', async () => {
    const first = await connect(url, { noDelay: true });
    first.on('error', () => {});
    const queue = await DeadLetterQueue.open(first, service);
    for await (const page of queue.pages()) {
      expect(page).to.have.length(100);
      break;
    }
    const second = await run('redrive', service);
    expect(second.code).to.equal(1);
    expect(second.stderr).to.include('another run is at the dead letters of payment-service');
    // Without returning anything, as after kill -9.
    await first.close();
    await eventually('the letters of the first run to be back', numbers, (found) => found.length === count);
    const { consumerTag } = await channel.consume(dead, () => {}, { noAck: false });
    const beside = await run('list', service);
    await channel.cancel(consumerTag);
    expect(beside.stderr).to.include("another program consumes the queue 'payment-service.dead-letters'");
  });
});
