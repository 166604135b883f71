// Ports on 127.0.0.1 that nobody listens on now. Somebody else may take one before it is used: callers try again.
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

// Below the range the kernel takes ports of outgoing connections from (Linux 32768 and up, others 49152 and up). A client that
// keeps dialling a port of that range while its broker is down can be given this very port as its own end, is then connected
// to itself, and keeps the broker from ever coming back.
const LOWEST = 12_000;
const HIGHEST = 31_999;
const TRIES = 200;

/** That many different ports. Throws when there are none. */
export async function freePorts(count: number): Promise<number[]> {
  const held: { port: number; server: Server }[] = [];
  try {
    for (let tries = 0; held.length < count; tries += 1) {
      if (tries === TRIES) throw new Error(`no free port on 127.0.0.1 between ${LOWEST} and ${HIGHEST}`);
      const port = randomInt(LOWEST, HIGHEST + 1);
      const server = await listen(port);
      if (server !== undefined) held.push({ port, server });
    }
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map(({ server }) => new Promise((closed) => server.close(closed))));
  }
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}
