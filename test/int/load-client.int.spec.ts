// The HTTP client of the load generator, against a server.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { expect } from 'chai';
import { HttpClient, postRequest } from '../../bench/load/http-client.ts';

describe("the load generator's HTTP client", () => {
  let server: Server;
  let connections = 0;

  beforeEach(async () => {
    connections = 0;
    server = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.end(request.url));
    });
    server.on('connection', () => {
      connections += 1;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  function post(client: HttpClient, path: string): Promise<string> {
    return new Promise((resolve) => {
      client.send(postRequest(path, {}), (status, body) => resolve(`${status} ${body}`));
    });
  }

  it('uses an idle connection again', async () => {
    const client = new HttpClient(portOf(server), 2);
    expect(await post(client, '/a')).to.equal('200 /a');
    expect(await post(client, '/b')).to.equal('200 /b');
    expect(connections).to.equal(1);
  });

  it('takes as many new connections as it may have, right after it has closed the idle ones', async () => {
    const client = new HttpClient(portOf(server), 2);
    await Promise.all([post(client, '/a'), post(client, '/b')]);
    client.closeIdle();
    expect(await Promise.all(['/c', '/d', '/e'].map((path) => post(client, path)))).to.deep.equal([
      '200 /c',
      '200 /d',
      '200 /e',
    ]);
    expect(connections).to.equal(4);
  });
});

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return address.port;
}
