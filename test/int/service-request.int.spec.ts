// What a command says when a service does not answer it, or refuses.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { requestService, ServiceRequestError } from '../../local/service-request.ts';

/** Answers every request like this. */
async function answering(status: number, body: string): Promise<{ url: string; close(): void }> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}

async function errorOf(url: string): Promise<string> {
  const error: unknown = await requestService('POST', `${url}/erasures`, {}).catch((thrown: unknown) => thrown);
  if (!(error instanceof ServiceRequestError)) throw new Error(`it was not refused: ${String(error)}`);
  return error.message;
}

describe('a request of a command to a service', () => {
  it('that does not answer says where it should be, why not, and how to name another address', async () => {
    const gone = await answering(200, '{}');
    gone.close();
    expect(await errorOf(gone.url)).to.match(
      new RegExp(`^${gone.url} does not answer: connect ECONNREFUSED .*ORDER_PORT.*--url SERVICE=`),
    );
  });

  for (const [what, status, body, message] of [
    ['refuses says its reason', 409, '{"detail":"order 1 has not ended"}', '409: order 1 has not ended'],
    ['is another program says its status', 502, '<html>', '502: no reason given'],
  ] as const)
    it(`that ${what}`, async () => {
      const service = await answering(status, body);
      expect(await errorOf(service.url)).to.equal(`${service.url}/erasures answered ${message}`);
      service.close();
    });

  it('that is answered returns the body', async () => {
    const service = await answering(200, '{"deleted":3}');
    expect(await requestService('GET', service.url)).to.deep.equal({ deleted: 3 });
    service.close();
  });
});
