// A gateway in this process, for machines without nginx: the services by the first part of the path, their processes in turn.
// A request is sent to another process only where that is harmless: nothing of it was sent, or it may be repeated.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { createProxyServer } from 'httpxy';
import { type Upstream, Upstreams } from './upstreams.ts';

/** Largest body that is kept to be sent again; the services take 64 KiB. */
const bodyBytesMax = 128 * 1024;

export interface GatewayOptions {
  readonly host: string;
  readonly port: number;
  /** Base URLs of the processes of each service. */
  readonly upstreams: Readonly<Record<string, readonly string[]>>;
  /** Those that take GET and HEAD instead, where a service has a read side of its own. */
  readonly readers?: Readonly<Record<string, readonly string[]>>;
}

/** What is about one process, not about the service: its own journal, its own metrics, its peers. */
export const hiddenPaths = ['events', 'metrics', 'instances', 'copies', 'readyz', 'livez'] as const;

export class ProxyGateway {
  readonly #server: Server;
  readonly #services: ReadonlyMap<string, Upstreams>;
  readonly #readers: ReadonlyMap<string, Upstreams>;
  readonly #targets = new WeakMap<IncomingMessage, Upstream>();
  readonly #proxy = createProxyServer({ xfwd: true, proxyTimeout: 60_000 });

  private constructor({ upstreams, readers = {} }: GatewayOptions) {
    this.#services = new Map(Object.entries(upstreams).map(([service, urls]) => [service, new Upstreams(urls)]));
    this.#readers = new Map(Object.entries(readers).map(([service, urls]) => [service, new Upstreams(urls)]));
    // One that stops, or is catching up, is left out until it is ready again. A 503 may also be about this request only.
    this.#proxy.on('proxyRes', ({ statusCode }, request) => {
      const upstream = this.#targets.get(request);
      if (upstream && statusCode === 503) void upstream.look();
    });
    this.#server = createServer((request, response) => void this.#handle(request, response));
    this.#server.keepAliveTimeout = 65_000;
  }

  /** Resolves when it listens. */
  static async start(options: GatewayOptions): Promise<ProxyGateway> {
    const gateway = new ProxyGateway(options);
    await Promise.all(gateway.#all.map((upstreams) => upstreams.start()));
    await new Promise<void>((resolve, reject) => {
      gateway.#server.once('error', reject);
      gateway.#server.listen(options.port, options.host, () => resolve());
    });
    return gateway;
  }

  get #all(): Upstreams[] {
    return [...this.#services.values(), ...this.#readers.values()];
  }

  /** How many processes of a service take requests now. */
  ready(service: string): number {
    return this.#services.get(service)?.ready ?? 0;
  }

  async stop(): Promise<void> {
    for (const upstreams of this.#all) upstreams.stop();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, service = '', first = ''] = new URL(request.url ?? '/', 'http://gateway').pathname.split('/');
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const upstreams = (reads ? this.#readers.get(service) : undefined) ?? this.#services.get(service);
    if (!upstreams || hiddenPaths.some((path) => path === first)) {
      return refuse(
        response,
        404,
        'no-such-route',
        `the gateway has no ${request.method} ${request.url?.slice(0, 200)}`,
      );
    }
    const body = await bodyOf(request);
    if (!body) return refuse(response, 413, 'body-too-large', `the gateway takes up to ${bodyBytesMax} bytes`);
    for (const upstream of upstreams.candidates()) {
      if (await this.#sent(upstream, request, response, body)) return;
    }
    if (!response.headersSent)
      refuse(response, 503, 'no-instance-ready', `no process of ${service} can take requests now`, {
        'retry-after': '1',
      });
  }

  /** False: nothing came of it, and it may be sent to another one. */
  async #sent(upstream: Upstream, request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<boolean> {
    this.#targets.set(request, upstream);
    try {
      await this.#proxy.web(request, response, { target: upstream.url, buffer: Readable.from([body]) });
      return true;
    } catch (error) {
      upstream.ready = false;
      const { code } = error as NodeJS.ErrnoException;
      const repeatable =
        code === 'ECONNREFUSED' || request.method === 'GET' || request.headers['idempotency-key'] !== undefined;
      if (response.headersSent) {
        response.destroy();
        return true;
      }
      if (repeatable && !response.destroyed) return false;
      refuse(
        response,
        502,
        'connection-lost',
        'the connection to the process was lost: the request may or may not have taken effect; an Idempotency-Key makes it safe to send it again',
      );
      return true;
    }
  }
}

/** undefined: it is too large. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bodyBytesMax) chunks.push(chunk);
  }
  return bytes <= bodyBytesMax ? Buffer.concat(chunks) : undefined;
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const title = code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ');
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ type: `urn:problem:${code}`, title, status, detail }));
}
