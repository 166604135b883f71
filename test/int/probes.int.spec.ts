// Probes are answered whatever else goes on: a supervisor must not kill a service that only has much to do.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { systemClock } from '../../shared/runtime/environment/clock.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { createHttpServer } from '../../shared/runtime/http/http-app.ts';
import { IdempotencyKeys, idempotencySchema } from '../../shared/runtime/http/idempotency.ts';
import type { Route } from '../../shared/runtime/http/route.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { samples } from '../support/events.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { expectProblem, type Served, serveOrders } from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

const line = { productId: samples['product.updated'].productId, qty: 1 };

describe('the probes of a service on which 5,000 requests wait for an outcome', () => {
  let orders: Served;
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  before(async () => {
    orders = await serveOrders({ settings: { OUTBOX_MAX: '100000' } });
    await orders.consumeProduct();
  });
  after(async () => {
    agent.destroy();
    await orders.close();
  });

  it('answer 200, and one request more is refused at once', async () => {
    const placed = await orders.post('/ann/orders', line);
    const { orderId } = placed.body as { orderId: string };
    let failed: Error | undefined;
    for (let count = 1; count <= 5_000; count += 1) {
      const path = `/orders/${orderId}/cancel`;
      const sent = request({
        port: orders.port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        headers: { prefer: 'wait=30' },
        agent,
      });
      sent.on('error', (error) => {
        failed = error;
      });
      sent.end();
      // As many as the server takes in before it cuts off slow requests.
      if (count % 100 === 0) await orders.get('/livez');
    }
    const refused = await eventually(
      'one request more to be refused',
      () => orders.get('/orders'),
      ({ status }) => status !== 200,
    );
    expectProblem(refused, 503, 'overloaded');
    for (const path of ['/livez', '/readyz', '/health_check', '/metrics'])
      expect((await orders.get(path)).status, path).to.equal(200);
    expect(failed).to.equal(undefined);
  });
});

describe('a server that 200 readers ask at once for something that takes 5 ms', () => {
  let server: Server;
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const at = (path: string, lane: 'probe' | 'service' | undefined, tookMs: number): Route => ({
    ...{ method: 'GET', path, operationId: path.slice(1), summary: path, answers: {} },
    ...(lane === undefined ? {} : { lane }),
    handle: () => {
      for (const endMs = performance.now() + tookMs; performance.now() < endMs; );
      return { status: 204 };
    },
  });
  before(async () => {
    server = createHttpServer({
      routes: [at('/slow', 'service', 5), at('/probe', 'probe', 0), at('/mine', undefined, 0)],
      clock: systemClock,
      log: silentLog,
      stopping: new AbortController().signal,
      transact: () => Promise.reject(new Error('there are no commands here')),
      keys: new IdempotencyKeys(openDatabase(':memory:', [idempotencySchema])),
      refuse: () => undefined,
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    agent.destroy();
    server.close();
  });

  const get = async (path: string): Promise<number | undefined> => {
    const { port } = server.address() as AddressInfo;
    const [answer] = (await once(request({ port, path, agent }).end(), 'response')) as [IncomingMessage];
    await once(answer.resume(), 'end');
    return answer.statusCode;
  };

  it('answers probes and customers before it has answered most of those', async () => {
    let read = 0;
    const readers = Array.from({ length: 200 }, async () => {
      const status = await get('/slow');
      read += 1;
      return status;
    });
    for (const path of ['/probe', '/mine']) expect(await get(path), path).to.equal(204);
    expect(read, 'answered meanwhile').to.be.below(100);
    // Those behind one that has waited for a second may be refused.
    const statuses = new Set(await Promise.all(readers));
    statuses.delete(503);
    expect([...statuses]).to.deep.equal([204]);
  });
});

describe('a service whose database is locked by another process', () => {
  let orders: Served;
  let locker: Sqlite.Database;
  before(async () => {
    const path = newDatabasePath();
    orders = await serveOrders({ path });
    await orders.consumeProduct();
    locker = new Sqlite(path);
    locker.exec('BEGIN EXCLUSIVE');
  });
  after(async () => {
    locker.close();
    await orders.close();
    removeDatabases();
  });

  const place = () => orders.post('/ann/orders', line);

  it('answers probes and reads meanwhile, and refuses 300 changes with when to try again', async () => {
    const changes = Array.from({ length: 300 }, place);
    for (const path of ['/livez', '/readyz', '/orders', '/products'])
      expect((await orders.get(path)).status, path).to.equal(200);
    const refused = await Promise.all(changes);
    for (const answer of refused) {
      expectProblem(answer, 503, 'storage-unavailable');
      expect(answer.headers['retry-after']).to.equal('2');
    }
    const ready = await orders.get('/readyz');
    expect([ready.status, ready.body.database]).to.deep.equal([503, 'unavailable']);
    expect((await orders.get('/livez')).status).to.equal(200);
  });

  it('is ready again by itself once the lock is gone, without anybody writing', async () => {
    locker.exec('ROLLBACK');
    await eventually(
      'the service to be ready',
      () => orders.get('/readyz'),
      ({ status }) => status === 200,
    );
    expect((await place()).status).to.equal(202);
  });
});
