// The ports of the services: which they are, and whether they are free.
import { createServer } from 'node:net';
import { defaultPorts, type PerService, perService, serviceNames } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';

/** What the user has to put right before anything can start; the message says how. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** `order-service` has ORDER_PORT, and so on. */
export const portSettings: PerService<{ readonly variable: string; readonly port: number }> = perService((service) => ({
  variable: `${service
    .replace(/-service$/, '')
    .replaceAll('-', '_')
    .toUpperCase()}_PORT`,
  port: defaultPorts[service],
}));

/** @throws StartError for a value that is not a port, or a port that is given twice */
export function portsFrom(env: NodeJS.ProcessEnv): PerService<number> {
  const read = (service: ServiceName): number => {
    const { variable, port } = portSettings[service];
    return portFrom(env, variable, port);
  };
  const ports = perService(read);
  for (const [index, service] of serviceNames.entries()) {
    const other = serviceNames.slice(0, index).find((name) => ports[name] === ports[service]);
    if (other) throw new StartError(`${other} and ${service} cannot both have port ${ports[service]}.`);
  }
  return ports;
}

/** The port of the gateway, where there are several order-service instances. @throws StartError for what is no port */
export function gatewayPortFrom(env: NodeJS.ProcessEnv): number {
  return portFrom(env, 'GATEWAY_PORT', 8000);
}

function portFrom(env: NodeJS.ProcessEnv, variable: string, otherwise: number): number {
  const text = env[variable];
  if (text === undefined || text === '') return otherwise;
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text);
  throw new StartError(`${variable}=${text} is wrong: it must be a port number from 1 to 65535.`);
}

/**
 * @param further ports of what is not a service of its own
 * @throws StartError that names every port which is taken, by whom as far as that can be told, and what to do
 */
export async function checkPortsFree(
  ports: PerService<number>,
  host: string,
  further: readonly { readonly port: number; readonly what: string }[] = [],
): Promise<void> {
  const problems: string[] = [];
  const taken: number[] = [];
  for (const { port, what } of [...serviceNames.map((name) => ({ port: ports[name], what: name })), ...further]) {
    const error = await portError(port, host);
    if (!error) continue;
    taken.push(port);
    if (error.code === 'EADDRINUSE') problems.push(`Port ${port}, for ${what}, is taken${await takenBy(port)}.`);
    else problems.push(`Port ${port}, for ${what}, cannot be used on ${host}: ${error.message}.`);
  }
  if (problems.length === 0) return;
  throw new StartError(
    `${problems.join('\n')}\nStop what listens there (lsof -i :${taken[0]} shows it), or use other ports:\n` +
      `  ${otherPorts(ports)} npm start`,
  );
}

/** Settings of other ports, as they are written before a command. */
export function otherPorts(ports: PerService<number> = defaultPorts): string {
  return serviceNames.map((name) => `${portSettings[name].variable}=${otherThan(ports[name])}`).join(' ');
}

/** A port that is as easy to remember. */
function otherThan(port: number): number {
  return port + 10_000 <= 65_535 ? port + 10_000 : port - 10_000;
}

export function portError(port: number, host: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Says so when it is one of our own. */
async function takenBy(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health_check`, { signal: AbortSignal.timeout(1_000) });
    const { service } = (await response.json()) as { service?: unknown };
    const own = serviceNames.find((name) => name === service);
    return own ? `: ${own} is already running there (another npm start, or docker compose?)` : '';
  } catch {
    return '';
  }
}
