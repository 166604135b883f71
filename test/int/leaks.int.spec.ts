// What a request, a connection or a slow reader of the log holds is given back.
import { fork } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { types } from 'node:util';
import { expect } from 'chai';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { AmqpConnection } from '../../shared/runtime/rabbitmq/amqp-connection.ts';
import { samples } from '../support/events.ts';
import { type Served, serveOrders } from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

const line = { productId: samples['product.updated'].productId, qty: 1 };

/** What hangs on a signal: its listeners, and the signals that were derived from it. */
function heldBy(signal: AbortSignal): number {
  const derived = Object.getOwnPropertySymbols(signal)
    .map((symbol): unknown => Reflect.get(signal, symbol))
    .filter((value) => types.isSet(value));
  return getEventListeners(signal, 'abort').length + derived.reduce((sum, { size }) => sum + size, 0);
}

describe('the stop signal of a service', () => {
  let orders: Served;
  /** What the service itself has to stop. */
  let own: number;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
    own = heldBy(orders.stopping.signal);
  });
  afterEach(() => orders.close());

  const released = () =>
    eventually(
      'everything that hung on the signal to be gone',
      () => heldBy(orders.stopping.signal),
      (held) => held === own,
    );

  it('holds nothing of 50 probes and 50 requests that have waited for an outcome', async () => {
    for (let count = 0; count < 50; count += 1) {
      await orders.get('/livez');
      await orders.post('/ann/orders', line, { prefer: 'wait=0' });
    }
    await released();
  });

  it('holds nothing of a request whose client went away while it waited', async () => {
    const sent = request({
      port: orders.port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/ann/orders',
      headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    });
    sent.on('error', () => {});
    sent.end(JSON.stringify(line));
    await orders.bus.next('order.placed');
    expect(heldBy(orders.stopping.signal)).to.be.greaterThan(own);
    sent.destroy();
    await released();
  });
});

describe('a connection to the broker', () => {
  it('leaves no listener on its stop signal when it is made again and again', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    let listeners = 0;
    const { addEventListener, removeEventListener } = AbortSignal.prototype;
    AbortSignal.prototype.addEventListener = function (this: AbortSignal, ...args: unknown[]) {
      listeners += 1;
      return Reflect.apply(addEventListener, this, args);
    };
    AbortSignal.prototype.removeEventListener = function (this: AbortSignal, ...args: unknown[]) {
      listeners -= 1;
      return Reflect.apply(removeEventListener, this, args);
    };
    const connection = new AmqpConnection({
      url: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}`,
      name: 'test',
      log: silentLog,
      setUp: async () => {},
      closing: async () => {},
      lost: () => {},
    });
    try {
      connection.start();
      await eventually(
        'a few connections',
        () => connections,
        (made) => made >= 4,
      );
      expect(listeners).to.be.lessThan(4);
    } finally {
      AbortSignal.prototype.addEventListener = addEventListener;
      AbortSignal.prototype.removeEventListener = removeEventListener;
      await connection.stop();
      server.close();
    }
  });
});

describe('the log of a process', () => {
  it('takes a bounded memory while nobody reads it, and says afterwards how many lines are missing', async () => {
    const writer = fork(new URL('../support/log-writer.js', import.meta.url), {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const { stdout } = writer;
    if (!stdout) throw new Error('the writer has no output');
    const chunks: Buffer[] = [];
    try {
      const [rssMiB] = (await once(writer, 'message')) as [number];
      expect(rssMiB, 'MiB more than before 200 MiB were logged').to.be.lessThan(100);
      stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(writer, 'close');
    } finally {
      writer.kill('SIGKILL');
    }
    const lines = Buffer.concat(chunks).toString().trim().split('\n');
    const said = lines.map((text) => JSON.parse(text) as { msg: string; lines?: number });
    const dropped = said.find(({ msg }) => msg.startsWith('log lines were dropped'));
    expect(dropped?.lines).to.be.greaterThan(0);
    expect(said.filter(({ msg }) => msg === 'line').length + (dropped?.lines ?? 0)).to.equal(200_000);
  });
});
