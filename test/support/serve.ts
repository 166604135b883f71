// The real HTTP side of a service over its real node, put together as in a process, with a broker that takes everything.
// Every answer is held against the service's own OpenAPI document.
import { request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { inventoryProgram } from '../../inventory-service/program.ts';
import { orderProgram } from '../../order-service/program.ts';
import { paymentProgram } from '../../payment-service/program.ts';
import type { AnyEvent, DataOf, ServiceName } from '../../shared/contract/choreography.ts';
import { type Clock, systemClock } from '../../shared/runtime/environment/clock.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { Tracing } from '../../shared/runtime/messaging/tracing.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import type { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { assembleService, type ServiceProgram } from '../../shared/runtime/process/service-program.ts';
import { readSettings } from '../../shared/runtime/process/settings.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples } from './events.ts';
import { FakeBus } from './fake-bus.ts';
import { contentOf } from './files.ts';
import { type Answer, checkAgainst, type Document } from './openapi-answers.ts';

export { type Answer, type Document, expectProblem } from './openapi-answers.ts';

export interface Question {
  readonly body?: unknown;
  /** Instead of body: the very bytes. */
  readonly bytes?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ServeOptions {
  /** Settings beside those that every test has. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A database file. Left out: in memory. */
  readonly path?: string;
  /** Left out: any free one. */
  readonly port?: number;
  readonly clock?: Clock;
  /** Cuts off slow requests as a process does, only sooner. */
  readonly impatient?: true;
  /** Left out: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

const waitMs = 10_000;

interface Assembled {
  readonly name: ServiceName;
  readonly db: Database;
  readonly bus: FakeBus;
  readonly node: ServiceNode;
  readonly server: Server;
  readonly document: Document;
  readonly stopping: AbortController;
}

export class Served {
  readonly name: ServiceName;
  readonly db: Database;
  readonly bus: FakeBus;
  readonly node: ServiceNode;
  readonly document: Document;
  readonly port: number;
  /** Aborted: the process has been asked to stop. */
  readonly stopping: AbortController;
  readonly #server: Server;

  constructor({ name, db, bus, node, server, document, stopping }: Assembled) {
    this.name = name;
    this.db = db;
    this.bus = bus;
    this.node = node;
    this.document = document;
    this.stopping = stopping;
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.node.stop();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    this.node.commit.close();
    this.db.close();
  }

  get(path: string, question: Question = {}): Promise<Answer> {
    return this.send('GET', path, question);
  }

  post(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('POST', path, { body, headers });
  }

  put(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('PUT', path, { body, headers });
  }

  /** Sends, reads the answer, and checks it against the OpenAPI document. */
  async send(method: string, path: string, { body, bytes, headers = {} }: Question = {}): Promise<Answer> {
    const payload = bytes ?? (body === undefined ? undefined : JSON.stringify(body));
    const answer = await new Promise<Answer>((resolve, reject) => {
      const sent = request(
        {
          port: this.port,
          host: '127.0.0.1',
          method,
          path,
          agent: false,
          headers: {
            ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
            ...(payload === undefined ? {} : { 'content-length': Buffer.byteLength(payload) }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const isJson = /json/.test(response.headers['content-type'] ?? '');
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              body: isJson && text !== '' ? JSON.parse(text) : undefined,
            });
          });
        },
      );
      sent.on('error', reject);
      sent.setTimeout(waitMs, () => sent.destroy(new Error(`waited ${waitMs} ms for the answer to ${method} ${path}`)));
      sent.end(payload);
    });
    checkAgainst(this.document, this.name, method, path, answer);
    return answer;
  }

  /** Connections that are open on its side. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  /** Sends bytes as they are and resolves with all that comes back until the connection is closed. */
  raw(bytes: string | Buffer, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write(bytes));
      const chunks: Buffer[] = [];
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`waited ${waitMs} ms for the server to close the connection: ${what}`));
      }, waitMs);
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('error', () => {});
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(Buffer.concat(chunks).toString());
      });
    });
  }

  /** Everything that is stored now. */
  stored(): Record<string, unknown[]> {
    return contentOf(this.db);
  }

  /** The events that the service has published so far. */
  published(): AnyEvent[] {
    return this.bus.published.map(({ message }) => JSON.parse(message.body.toString()) as AnyEvent);
  }

  /** Resolves when the broker has everything and the outbox is empty. */
  async drained(): Promise<void> {
    const endMs = performance.now() + waitMs;
    while (!this.node.relay.drained) {
      if (performance.now() > endMs) throw new Error(`waited ${waitMs} ms for the outbox to be empty`);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** An event is delivered; resolves once it is handled. */
  consume(event: AnyEvent): Promise<void> {
    const { acked } = this.bus.deliverEvent(event);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${waitMs} ms for the ack of ${event.type}`)), waitMs);
    });
    return Promise.race([acked, late]).finally(() => clearTimeout(timer));
  }

  /** Order-service: a product that it may sell. */
  consumeProduct(product: Partial<DataOf<'product.updated'>> = {}): Promise<void> {
    return this.consume(eventOf('product.updated', { ...samples['product.updated'], ...product }));
  }
}

export function serveOrders(options?: ServeOptions): Promise<Served> {
  return serve('order-service', orderProgram, options);
}

export function servePayments(options?: ServeOptions): Promise<Served> {
  return serve('payment-service', paymentProgram, options);
}

export function serveInventory(options?: ServeOptions): Promise<Served> {
  return serve('inventory-service', inventoryProgram, options);
}

async function serve<P extends ServiceParts>(
  name: ServiceName,
  program: ServiceProgram<P>,
  { settings: given = {}, path = ':memory:', port = 0, clock = systemClock, impatient, tracing }: ServeOptions = {},
): Promise<Served> {
  const settings = readSettings(
    { OUTBOX_MAX: '50', EVENT_BATCH_MAX: '1', ...given },
    { PORT: '0', DATABASE_PATH: path },
  );
  const db = openDatabase(path, program.definition.migrations);
  const bus = new FakeBus();
  bus.autoAnswer = 'confirmed';
  const stopping = new AbortController();
  const environment = { settings, db, bus, clock, log: silentLog, stopping: stopping.signal, tracing };
  const { node, server, document } = assembleService(program, environment);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  node.start();
  if (impatient) {
    server.headersTimeout = 300;
    server.requestTimeout = 500;
  }
  return new Served({ name, db, bus, node, server, document: document as unknown as Document, stopping });
}
