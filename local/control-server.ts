// Lets the live page stop parts of a system on this machine: kill or pause a service, kill the broker, cut its connections.
// It listens on the loopback only and wants a token that only the observer is given.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { type PerService, serviceNames } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import type { Broker } from './broker/start-broker.ts';
import type { ServiceProcess } from './service-process.ts';

const pausedMs = 4_000;
const bodyBytesMax = 1_000;

const Request = z.object({ target: z.string(), action: z.string() });

/** What can be stopped. Whoever started it starts it again. */
export interface Controlled {
  readonly services: PerService<ServiceProcess>;
  readonly broker: Broker;
}

export class ControlServer {
  readonly token = randomBytes(24).toString('hex');
  readonly #controlled: Controlled;
  readonly #server: Server;
  readonly #paused = new Map<ServiceName, NodeJS.Timeout>();

  private constructor(controlled: Controlled) {
    this.#controlled = controlled;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(controlled: Controlled): Promise<ControlServer> {
    const control = new ControlServer(controlled);
    control.#server.listen(0, '127.0.0.1');
    await once(control.#server, 'listening');
    return control;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What was paused goes on: a process that is stopped cannot end in order. */
  stop(): void {
    for (const service of this.#paused.keys()) this.#resume(service);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [status, body] = await this.#answerTo(request).catch(
      (error: unknown) => [409, { error: messageOf(error) }] as const,
    );
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  async #answerTo(request: IncomingMessage): Promise<readonly [status: number, body: object]> {
    if (!this.#isAllowed(request.headers.authorization ?? '')) return [401, { error: 'the token is wrong' }];
    const ownBroker = this.#controlled.broker.source !== 'url';
    if (request.method === 'GET') return [200, { services: serviceNames, broker: ownBroker ? ['kill', 'cut'] : [] }];
    const { target, action } = Request.parse(JSON.parse(await bodyOf(request)));
    const service = serviceNames.find((name) => name === target);
    if (service && action === 'kill') return [200, await this.#kill(service)];
    if (service && action === 'pause') return [200, this.#pause(service)];
    if (target === 'broker' && ownBroker && action === 'kill') return [200, await this.#killBroker()];
    if (target === 'broker' && ownBroker && action === 'cut') return [200, await this.#cutConnections()];
    return [404, { error: `'${action}' cannot be done to '${target}'` }];
  }

  async #kill(service: ServiceName): Promise<object> {
    this.#resume(service);
    await this.#controlled.services[service].kill();
    return { done: `${service} was killed (kill -9). It is started again at once.` };
  }

  #pause(service: ServiceName): object {
    clearTimeout(this.#paused.get(service));
    this.#controlled.services[service].signal('SIGSTOP');
    this.#paused.set(
      service,
      setTimeout(() => this.#resume(service), pausedMs),
    );
    return { done: `${service} is paused for ${pausedMs / 1_000} s (kill -STOP).` };
  }

  #resume(service: ServiceName): void {
    const timer = this.#paused.get(service);
    if (!timer) return;
    clearTimeout(timer);
    this.#paused.delete(service);
    this.#controlled.services[service].signal('SIGCONT');
  }

  async #killBroker(): Promise<object> {
    await this.#controlled.broker.kill();
    return { done: 'The broker was killed (kill -9). It is started again, with the same messages, in a few seconds.' };
  }

  async #cutConnections(): Promise<object> {
    await this.#controlled.broker.rabbitmqctl(['close_all_connections', 'cut by the live page']);
    return { done: 'All connections to the broker were cut. The services connect again by themselves.' };
  }

  #isAllowed(authorization: string): boolean {
    const [given, wanted] = [Buffer.from(authorization), Buffer.from(`Bearer ${this.token}`)];
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > bodyBytesMax) throw new Error('the body is too large');
  }
  return text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
