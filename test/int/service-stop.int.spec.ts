// A service as a process that is asked to stop, on a scripted broker: what it finishes, what it refuses, when it gives up.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { ServiceProcess } from '../../local/service-process.ts';
import { encodeEvent } from '../../shared/contract/cloud-event.ts';
import { eventOf } from '../support/events.ts';
import { http } from '../support/saga-system.ts';
import { type PeerConnection, ScriptedBroker } from '../support/scripted-broker.ts';
import { eventually } from '../support/wait.ts';

describe('a service that is asked to stop', function () {
  this.timeout(180_000);
  let broker: ScriptedBroker;
  let service: ServiceProcess;
  let dataDir: string;
  let lines: string[];

  beforeEach(async () => {
    broker = await ScriptedBroker.start();
    dataDir = mkdtempSync(join(tmpdir(), 'saga-stop-'));
    lines = [];
  });
  afterEach(async () => {
    await service.kill();
    await broker.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const onLine = (line: string) => void lines.push(line);
    service = new ServiceProcess({ service: 'inventory-service', amqpUrl: broker.url, dataDir, env, onLine });
    await service.start();
    await eventually(
      'both connections',
      () => http<{ broker: Record<string, string> }>('GET', `${service.url}/readyz`),
      ({ body }) => body.broker['publisher'] === 'connected' && body.broker['consumer'] === 'connected',
    );
  }

  const open = (kind: string): PeerConnection => {
    const found = broker.connections.find((connection) => connection.is(kind) && connection.open);
    if (!found) throw new Error(`the ${kind} is not connected`);
    return found;
  };
  const putProduct = async (productId: string): Promise<void> => {
    const { status } = await http('PUT', `${service.url}/products/${productId}`, { name: 'A product', unitPrice: 1 });
    expect(status).to.be.oneOf([200, 201]);
  };
  const logged = (text: string) =>
    eventually(`the log to say: ${text}`, () => lines.some((line) => line.includes(text)));
  const cancelled = () => open('consumer').method('BasicCancel');

  it('ends in order although it was paused (SIGSTOP)', async () => {
    await start();
    service.signal('SIGSTOP');
    await service.stop();
    expect(service.endedBy).to.equal('exit code 0');
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`by ${signal} handles and acks what it has in hand and publishes what it has written, then ends with 0`, async () => {
      await start({ SHUTDOWN_MS: '600000', PREFETCH: '7' });
      const [publisher, consumer] = [open('publisher'), open('consumer')];
      expect(consumer.all('BasicQos').map(({ fields }) => fields['prefetchCount'])).to.deep.equal([7]);
      await putProduct('one');
      await publisher.messages(1);
      publisher.confirm(1);
      await eventually(
        'the outbox to be empty',
        () => http<{ outbox: { waiting: number } }>('GET', `${service.url}/readyz`),
        ({ body }) => body.outbox.waiting === 0,
      );
      const locker = new Sqlite(service.databasePath);
      locker.exec('BEGIN EXCLUSIVE');
      consumer.deliver(encodeEvent(eventOf('payment.completed')).toString(), {
        contentType: 'application/cloudevents+json',
      });
      await logged('the database cannot be written now');
      service.signal(signal);
      await cancelled();
      // It waits for the lock, and then for the confirm of what follows from the event.
      locker.exec('ROLLBACK');
      locker.close();
      await consumer.method('BasicAck');
      await publisher.messages(2);
      expect(service.running, 'while the broker has confirmed nothing').to.equal(true);
      publisher.confirm(2);
      await service.ended();
      expect(service.endedBy).to.equal('exit code 0');
      expect(consumer.has('ConnectionClose') && publisher.has('ConnectionClose'), 'an orderly end').to.equal(true);
      // What it has published is known: the next run does not publish it again.
      await start();
      await putProduct('two');
      const [next] = await open('publisher').messages(1);
      expect(JSON.parse(next?.body.toString() ?? '')).to.include({ subject: 'two' });
    });
  }

  it('refuses changes on connections that are open still, with when to try again, and closes them', async () => {
    await start({ SHUTDOWN_MS: '600000' });
    await putProduct('one');
    await open('publisher').messages(1);
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    const answer = textOf(socket);
    const body = JSON.stringify({ name: 'Late', unitPrice: 1 });
    // Begun before, so that the connection is not idle.
    socket.write('PUT /products/late HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n');
    await http('GET', `${service.url}/livez`);
    service.signal('SIGTERM');
    await cancelled();
    socket.write(`content-length: ${body.length}\r\n\r\n${body}`);
    expect(await answer)
      .to.match(/^HTTP\/1\.1 503 /)
      .and.to.match(/\nconnection: close/i)
      .and.to.match(/\nretry-after: 1/i)
      .and.include('urn:problem:stopping');
    open('publisher').confirm(1);
    await service.ended();
    expect(service.endedBy).to.equal('exit code 0');
  });

  it('gives up after SHUTDOWN_MS, says that nothing is lost, and publishes the rest at its next start', async () => {
    await start({ SHUTDOWN_MS: '300' });
    await putProduct('one');
    await open('publisher').messages(1);
    service.signal('SIGTERM');
    await service.ended();
    expect(service.endedBy).to.equal('exit code 0');
    await logged('not everything was finished in time; nothing is lost');
    await start();
    const [again] = await open('publisher').messages(1);
    expect(JSON.parse(again?.body.toString() ?? '')).to.include({ subject: 'one' });
  });

  for (const [second, endedBy] of [
    ['SIGINT', 'exit code 130'],
    ['SIGTERM', 'exit code 0'],
  ] as const) {
    it(`ends with ${endedBy} when ${second} follows: only Ctrl-C cuts the stop short`, async () => {
      await start({ SHUTDOWN_MS: '600000' });
      await putProduct('one');
      await open('publisher').messages(1);
      service.signal('SIGTERM');
      await cancelled();
      service.signal(second);
      if (second === 'SIGTERM') open('publisher').confirm(1);
      await service.ended();
      expect(service.endedBy).to.equal(endedBy);
    });
  }
});

/** All that comes over a connection until the other side closes it. */
function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  return new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks).toString())));
}
