// How many requests are worked on at once, and that each gives its place back, however it ends.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../shared/runtime/environment/clock.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { createHttpServer } from '../../shared/runtime/http/http-app.ts';
import { IdempotencyKeys, idempotencySchema } from '../../shared/runtime/http/idempotency.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { type HttpRequest, type Route, route } from '../../shared/runtime/http/route.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventually } from '../support/wait.ts';

const requestsMax = 2;

describe('a server that works on two requests at most', () => {
  let server: Server;
  let url: string;
  /** Requests that wait, and what lets each of them go on. */
  let waiting: { readonly request: HttpRequest<unknown, unknown, unknown>; readonly goOn: () => void }[];

  const at = (
    path: string,
    handle: (request: HttpRequest<unknown, unknown, unknown>) => Promise<{ status: number }>,
  ): Route =>
    route({ method: 'GET', path, operationId: path.slice(1), summary: path, waits: true, answers: {}, handle });

  beforeEach(async () => {
    waiting = [];
    const db = openDatabase(':memory:', [idempotencySchema]);
    server = createHttpServer({
      routes: [
        at('/wait', async (request) => {
          await new Promise<void>((goOn) => {
            waiting.push({ request, goOn });
            request.signal.addEventListener('abort', () => goOn());
          });
          return { status: 204 };
        }),
        at('/refuse', async () => {
          throw new ProblemError(409, 'refused', 'a request that is refused');
        }),
        at('/fail', async () => {
          throw new Error('a request that fails');
        }),
        at('/quick', async () => ({ status: 204 })),
        { ...at('/probe', async () => ({ status: 204 })), lane: 'probe' },
      ],
      clock: systemClock,
      log: silentLog,
      stopping: new AbortController().signal,
      transact: () => Promise.reject(new Error('there are no commands here')),
      keys: new IdempotencyKeys(db),
      refuse: () => undefined,
      requestsMax,
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const get = async (path: string) => (await fetch(`${url}${path}`)).status;
  const waits = (count: number) => eventually(`${count} requests to wait`, () => waiting.length === count);

  it('refuses the third with when to try again, answers probes, and takes the next once one has its answer', async () => {
    const first = fetch(`${url}/wait`);
    await waits(1);
    expect(await get('/quick'), 'the second').to.equal(204);
    const second = fetch(`${url}/wait`);
    await waits(2);
    const refused = await fetch(`${url}/quick`);
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '1']);
    expect(await get('/probe')).to.equal(204);
    waiting[0]?.goOn();
    expect((await first).status).to.equal(204);
    expect(await get('/quick')).to.equal(204);
    waiting[1]?.goOn();
    await second;
  });

  it('has both places free after requests that were refused, that failed, or that there is no route for', async () => {
    for (const [path, status] of [
      ['/refuse', 409],
      ['/fail', 500],
      ['/nowhere', 404],
    ] as const)
      for (let count = 0; count <= requestsMax; count += 1) expect(await get(path)).to.equal(status);
    const both = [fetch(`${url}/wait`), fetch(`${url}/wait`)];
    await waits(2);
    for (const { goOn } of waiting) goOn();
    await Promise.all(both);
  });

  it('has a place free as soon as a client that waits goes away', async () => {
    const { port } = server.address() as AddressInfo;
    const clients = [1, 2].map(() => {
      const socket = connect(port, '127.0.0.1');
      socket.write('GET /wait HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\r\n');
      return socket;
    });
    await waits(2);
    expect(await get('/quick')).to.equal(503);
    clients[0]?.destroy();
    await eventually('a place to be free', async () => (await get('/quick')) === 204);
    expect(waiting.filter(({ request }) => request.signal.aborted)).to.have.lengthOf(1);
    clients[1]?.destroy();
  });
});
