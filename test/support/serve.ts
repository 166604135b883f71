// The real HTTP side of a service over its real node, with a database in memory and a broker that takes everything.
// Every answer is held against the service's own OpenAPI document.
import { type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect } from 'chai';
import { z } from 'zod';
import { inventoryRoutes } from '../../inventory-service/routes.ts';
import { inventoryService } from '../../inventory-service/service.ts';
import { orderRoutes } from '../../order-service/routes.ts';
import { orderService } from '../../order-service/service.ts';
import { paymentRoutes } from '../../payment-service/routes.ts';
import { paymentService } from '../../payment-service/service.ts';
import type { DataOf, ServiceName } from '../../shared/contract/choreography.ts';
import type { AnyEvent } from '../../shared/contract/cloud-event.ts';
import { systemClock } from '../../shared/runtime/environment/clock.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { healthRoutes } from '../../shared/runtime/http/health.ts';
import { createHttpServer } from '../../shared/runtime/http/http-app.ts';
import { openApiDocument } from '../../shared/runtime/http/openapi.ts';
import { type ProblemError, unavailable } from '../../shared/runtime/http/problem.ts';
import type { Route } from '../../shared/runtime/http/route.ts';
import {
  migrationsOf,
  type ServiceDefinition,
  ServiceNode,
  type ServiceParts,
} from '../../shared/runtime/node/service-node.ts';
import { readSettings } from '../../shared/runtime/process/settings.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { anyEventOf, samples } from './events.ts';
import { FakeBus } from './fake-bus.ts';
import { contentOf } from './files.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes, and the document checks each
  readonly body: any;
}

export interface Question {
  readonly body?: unknown;
  /** Instead of body: the very bytes. */
  readonly bytes?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** OpenAPI as far as the tests read it. */
export interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { name: string; in: string; required: boolean }[];
  readonly requestBody?: unknown;
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema?: object }> }>;
}

const waitMs = 10_000;

export class Served {
  readonly name: ServiceName;
  readonly db: Database;
  readonly bus: FakeBus;
  readonly document: Document;
  readonly port: number;
  /** Aborted: the process has been told to stop. */
  readonly stopping: AbortController;
  /** Set: every request that changes something is refused with it. */
  refusal: ProblemError | undefined;
  readonly #relay: { readonly drained: boolean };
  readonly #close: () => Promise<void>;

  constructor(
    name: ServiceName,
    db: Database,
    bus: FakeBus,
    document: Document,
    port: number,
    stopping: AbortController,
    relay: { readonly drained: boolean },
    close: () => Promise<void>,
  ) {
    this.name = name;
    this.db = db;
    this.bus = bus;
    this.document = document;
    this.port = port;
    this.stopping = stopping;
    this.#relay = relay;
    this.#close = close;
  }

  close(): Promise<void> {
    return this.#close();
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

  /** What the service has said so far, by event type. */
  said(): AnyEvent[] {
    return this.bus.published.map(({ message }) => JSON.parse(message.body.toString()) as AnyEvent);
  }

  /** Resolves when the broker has everything and the outbox is empty. */
  async drained(): Promise<void> {
    const endMs = performance.now() + waitMs;
    while (!this.#relay.drained) {
      if (performance.now() > endMs) throw new Error(`waited ${waitMs} ms for the outbox to be empty`);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** An event arrives; resolves once it is handled. */
  hear(event: AnyEvent): Promise<void> {
    const { acked } = this.bus.deliverEvent(event);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${waitMs} ms for the ack of ${event.type}`)), waitMs);
    });
    return Promise.race([acked, late]).finally(() => clearTimeout(timer));
  }

  /** Order-service: a product that it may sell. */
  hearOfProduct(product: Partial<DataOf<'product.updated'>> = {}): Promise<void> {
    return this.hear(anyEventOf('product.updated', { ...samples['product.updated'], ...product }));
  }
}

/** What a problem answer must be. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, type: answer.body?.type }, answer.text.slice(0, 500)).to.deep.equal({
    status,
    type: `urn:problem:${code}`,
  });
  expect(answer.headers['content-type']).to.match(/^application\/problem\+json/);
  expect(answer.body.status).to.equal(status);
  expect(answer.body.title).to.be.a('string').with.property('length').greaterThan(3);
  expect(answer.body.detail).to.be.a('string').with.property('length').within(10, 1_000);
  expect(answer.body.requestId).to.equal(answer.headers['x-request-id']).and.to.be.a('string');
  expect(answer.text.length, 'length of the whole answer').to.be.lessThan(10_000);
}

export function serveOrders(): Promise<Served> {
  const settings = readSettings({}, { PORT: '0', DATABASE_PATH: ':memory:' });
  return serve(orderService, (node) => orderRoutes(node, settings));
}

export function servePayments(): Promise<Served> {
  return serve(paymentService, paymentRoutes);
}

export function serveInventory(): Promise<Served> {
  return serve(inventoryService, inventoryRoutes);
}

/** As run-service.ts puts it together, without the process around it. */
async function serve<S extends ServiceName, P extends ServiceParts<S>>(
  definition: ServiceDefinition<S, P>,
  routesOf: (node: ServiceNode<S, P>) => Route[],
): Promise<Served> {
  const { name } = definition;
  const db = openDatabase(':memory:', migrationsOf(definition));
  const bus = new FakeBus();
  bus.answer = 'confirmed';
  const node = new ServiceNode(definition, { db, bus, clock: systemClock, log: silentLog });
  const own = routesOf(node);
  const outboxMax = 50;
  const stopping = new AbortController();
  const health = healthRoutes({
    service: name,
    db,
    outboxMax,
    relay: () => node.relay.status(),
    bus: () => bus.status(),
    stopping: () => stopping.signal.aborted,
  });
  const document = openApiDocument(name, 'For tests.', [...own, ...health]) as unknown as Document;
  let served: Served | undefined;
  const server = createHttpServer({
    routes: [...health, ...own],
    prefixes: [`/${name}`],
    clock: systemClock,
    log: silentLog,
    stopping: stopping.signal,
    refuse: () => {
      if (served?.refusal) return served.refusal;
      return node.relay.waiting > outboxMax ? unavailable('outbox-full', 'the broker is away', 5) : undefined;
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  node.start();
  // Slow requests are cut off as in a process, only sooner.
  server.headersTimeout = 300;
  server.requestTimeout = 500;
  served = new Served(
    name,
    db,
    bus,
    document,
    (server.address() as AddressInfo).port,
    stopping,
    node.relay,
    async () => {
      node.stop();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      while (!node.commit.idle) await new Promise<void>((resolve) => setImmediate(resolve));
      db.close();
    },
  );
  return served;
}

// ---- the document

const schemas = new WeakMap<object, z.ZodType>();

function schemaOf(document: Document, schema: object): z.ZodType {
  const known = schemas.get(schema);
  if (known) return known;
  const reference = (schema as { $ref?: string }).$ref;
  const resolved = reference ? document.components.schemas[reference.split('/').at(-1) ?? ''] : schema;
  if (!resolved) throw new Error(`no schema ${reference}`);
  const made = z.fromJSONSchema(resolved as Parameters<typeof z.fromJSONSchema>[0]);
  schemas.set(schema, made);
  return made;
}

/** The operation of the document that a request is for, if it is for one. */
function operationOf(document: Document, name: ServiceName, method: string, path: string): Operation | undefined {
  const [bare = ''] = path.split('?');
  const own = bare.startsWith(`/${name}/`) ? bare.slice(name.length + 1) : bare;
  const matches = Object.entries(document.paths).filter(([template]) =>
    new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(own),
  );
  // A path in full comes before one with a parameter in its place.
  matches.sort(([a], [b]) => a.split('{').length - b.split('{').length);
  return matches.map(([, operations]) => operations[method.toLowerCase()]).find((operation) => operation);
}

/** Fails when the answer is not one that the document promises for its route. */
export function checkAgainst(
  document: Document,
  name: ServiceName,
  method: string,
  path: string,
  answer: Answer,
): void {
  const operation = operationOf(document, name, method, path);
  if (!operation) return;
  const what = `the answer ${answer.status} to ${method} ${path.slice(0, 100)}`;
  const response = operation.responses[String(answer.status)];
  if (!response) expect.fail(`${what} is not in the OpenAPI document: ${answer.text.slice(0, 300)}`);
  const [type = ''] = (answer.headers['content-type'] ?? '').split(';');
  const content = response.content?.[type];
  if (!content)
    expect.fail(`${what} has content type '${type}'; the document has ${Object.keys(response.content ?? {})}`);
  if (!content.schema) return;
  const result = schemaOf(document, content.schema).safeParse(answer.body);
  if (!result.success)
    expect.fail(`${what} is not what its schema says: ${z.prettifyError(result.error)}\n${answer.text}`);
}
