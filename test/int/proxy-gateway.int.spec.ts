// The gateway of machines without nginx: whom it asks, and what it does when that one is gone.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import { ProxyGateway } from '../../local/gateway/proxy-gateway.ts';
import { eventually } from '../support/wait.ts';

interface Upstream {
  readonly server: Server;
  readonly url: string;
  readonly asked: string[];
  ready: boolean;
  /** What it does with a request that is not about its health. */
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
}

async function upstream(name: string): Promise<Upstream> {
  const server = createServer((request, response) => {
    if (request.url === '/readyz') return void response.writeHead(self.ready ? 200 : 503).end();
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      self.asked.push(`${request.method} ${request.url} ${body}`);
      self.answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: Upstream = {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    ready: true,
    answer: (_request, response) => void response.end(name),
  };
  return self;
}

describe('the gateway', () => {
  let one: Upstream;
  let two: Upstream;
  let gateway: ProxyGateway;
  let url: string;

  beforeEach(async () => {
    [one, two] = await Promise.all([upstream('one'), upstream('two')]);
    const [port = 0] = await freePorts(1);
    gateway = await ProxyGateway.start({ host: '127.0.0.1', port, upstreams: { 'order-service': [one.url, two.url] } });
    url = `http://127.0.0.1:${port}`;
  });
  afterEach(async () => {
    await gateway.stop();
    for (const { server } of [one, two]) {
      server.closeAllConnections();
      server.close();
    }
  });
  it('sends GET and HEAD to the read side where there is one, and everything else to the others', async () => {
    const [port = 0] = await freePorts(1);
    const apart = await ProxyGateway.start({
      host: '127.0.0.1',
      port,
      upstreams: { 'order-service': [one.url] },
      readers: { 'order-service': [two.url] },
    });
    const path = '/order-service/ann/orders';
    for (const method of ['GET', 'HEAD', 'POST', 'PUT']) await fetch(`http://127.0.0.1:${port}${path}`, { method });
    expect(one.asked).to.deep.equal([`POST ${path} `, `PUT ${path} `]);
    expect(two.asked).to.deep.equal([`GET ${path} `, `HEAD ${path} `]);
    two.ready = false;
    await eventually(
      'the read side to be left out',
      async () => (await fetch(`http://127.0.0.1:${port}${path}`)).status,
      (status) => status === 503,
    );
    expect(one.asked).to.have.length(2);
    await apart.stop();
  });

  const text = async (path = '/order-service/ann/orders', init?: RequestInit) => (await fetch(url + path, init)).text();
  const cut = (request: IncomingMessage) => void request.socket.destroy();

  it('asks the processes of a service in turn, and passes path, method and body on', async () => {
    expect([await text(), await text()].sort()).to.deep.equal(['one', 'two']);
    await text('/order-service/ann/orders?x=1', { method: 'POST', body: '{"qty":1}' });
    expect([...one.asked, ...two.asked]).to.include('POST /order-service/ann/orders?x=1 {"qty":1}');
  });

  it('leaves out one that is not ready, and uses it again when it is', async () => {
    one.ready = false;
    await eventually('the gateway to notice', () => gateway.ready('order-service') === 1);
    expect([await text(), await text()]).to.deep.equal(['two', 'two']);
    one.ready = true;
    await eventually('the gateway to notice', () => gateway.ready('order-service') === 2);
    expect([await text(), await text()].sort()).to.deep.equal(['one', 'two']);
  });

  it('leaves out one that answers 503', async () => {
    one.answer = (_request, response) => void response.writeHead(503).end('one is stopping');
    one.ready = false;
    for (let n = 0; n < 2; n += 1) await text();
    await eventually('the gateway to leave it out', () => gateway.ready('order-service') === 1);
    expect(await text()).to.equal('two');
  });

  it('keeps one that is ready, and answers 503 to one request', async () => {
    for (const each of [one, two])
      each.answer = ({ method }, response) => void response.writeHead(method === 'POST' ? 503 : 200).end();
    const statuses: number[] = [];
    for (const method of ['POST', 'POST', 'GET', 'GET'])
      statuses.push((await fetch(`${url}/order-service/ann/orders`, { method })).status);
    expect(statuses).to.deep.equal([503, 503, 200, 200]);
  });

  it('asks the next one when a GET, or a POST with a key, breaks off', async () => {
    one.answer = cut;
    for (const init of [{}, { method: 'POST', body: '{}', headers: { 'idempotency-key': 'k' } }]) {
      for (let n = 0; n < 2; n += 1) {
        expect(await text(undefined, init)).to.equal('two');
      }
    }
  });

  it('answers 502 when a POST without a key breaks off, and does not repeat it', async () => {
    one.answer = cut;
    two.answer = cut;
    const answer = await fetch(`${url}/order-service/ann/orders`, { method: 'POST', body: '{}' });
    expect([answer.status, answer.headers.get('content-type')]).to.deep.equal([502, 'application/problem+json']);
    expect(await answer.json()).to.include({ type: 'urn:problem:connection-lost' });
    expect([...one.asked, ...two.asked]).to.have.lengthOf(1);
  });

  it('answers 503 with Retry-After when none is ready, 404 for what is about one process, and 413 for a large body', async () => {
    for (const path of ['/order-service/events', '/order-service/metrics', '/shipping-service/orders', '/'])
      expect((await fetch(url + path)).status, path).to.equal(404);
    const large = await fetch(`${url}/order-service/ann/orders`, { method: 'POST', body: 'x'.repeat(200_000) });
    expect(large.status).to.equal(413);
    one.ready = false;
    two.ready = false;
    await eventually('the gateway to notice', () => gateway.ready('order-service') === 0);
    const none = await fetch(`${url}/order-service/ann/orders`);
    expect([none.status, none.headers.get('retry-after')]).to.deep.equal([503, '1']);
  });
});
