// The three services as the observer knows them: journals with a live tail, /readyz and /metrics, in memory and without a
// broker. A test writes events into them, and can cut their streams.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type PerService, perService, serviceNames } from '../../services.ts';
import { choreography, type DataOf, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import { type CloudEvent, createEvent } from '../../shared/contract/cloud-event.ts';

const startedAtMs = Date.now();

class FakeJournal {
  readonly events: CloudEvent[] = [];
  readonly journalId: string;
  readonly streams = new Set<ServerResponse>();

  constructor(journalId: string) {
    this.journalId = journalId;
  }

  append(event: CloudEvent): void {
    this.events.push(event);
    for (const stream of this.streams) stream.write(blockOf(event, this.events.length));
  }
}

export class FakeJournals {
  readonly journals: PerService<FakeJournal> = perService((service) => new FakeJournal(service));
  /** Every request, such as `order-service /events?after=0`. */
  readonly requests: string[] = [];
  /** By service: false answers nothing but 500. */
  readonly healthy: Record<ServiceName, boolean> = { ...perService(() => true) };
  /** Metrics to add, as lines. */
  metrics = '';
  readonly #servers: Server[] = [];
  #urls: PerService<string> = perService(() => '');
  #ids = 0;

  static async start(): Promise<FakeJournals> {
    const fake = new FakeJournals();
    const listening = serviceNames.map(async (service) => {
      const server = createServer((request, response) => fake.#answer(service, request, response));
      fake.#servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return [service, `http://127.0.0.1:${(server.address() as AddressInfo).port}`] as const;
    });
    const urls = new Map(await Promise.all(listening));
    fake.#urls = perService((service) => urls.get(service) ?? '');
    return fake;
  }

  get urls(): PerService<string> {
    return this.#urls;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }

  /** Ends the live tails, as a restart of the service does. */
  cutStreams(): void {
    for (const { streams } of Object.values(this.journals)) for (const stream of streams) stream.destroy();
  }

  /** Publishes an event. @returns it */
  publish<T extends EventType>(
    type: T,
    data: DataOf<T>,
    options: { cause?: CloudEvent; atMs?: number } = {},
  ): CloudEvent {
    const { cause, atMs = Date.now() } = options;
    const service: ServiceName = choreography.events[type].by;
    const journal = this.journals[service];
    this.#ids += 1;
    const event = createEvent(
      choreography,
      { type, data },
      {
        id: uuid(atMs, this.#ids),
        source: service,
        time: new Date(atMs).toISOString(),
        causationId: cause?.id ?? uuid(atMs, 0xfff000000000 + this.#ids),
        traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
        position: journal.events.length + 1,
      },
    );
    journal.append(event);
    return event;
  }

  /** An order of 2 × PEN. */
  place(orderId: string, { userId = 'alice', atMs = Date.now(), productId = 'PEN' } = {}): CloudEvent {
    const items = [{ productId, qty: 2, unitPrice: 150 }];
    return this.publish(
      'order.placed',
      { orderId, userId, items, total: 300, deadlineAt: new Date(atMs + 30_000).toISOString() },
      { atMs },
    );
  }

  /** The whole way to a confirmed order. */
  confirm(orderId: string, options: { userId?: string; atMs?: number; productId?: string } = {}): void {
    const { userId = 'alice', atMs = Date.now() } = options;
    const placed = this.place(orderId, options);
    const items = [{ productId: options.productId ?? 'PEN', qty: 2, unitPrice: 150 }];
    const paid = this.publish(
      'payment.completed',
      { orderId, userId, amount: 300, items },
      { cause: placed, atMs: atMs + 3 },
    );
    const reserved = this.publish('inventory.reserved', { orderId, items }, { cause: paid, atMs: atMs + 6 });
    this.publish('order.confirmed', { orderId, userId, total: 300 }, { cause: reserved, atMs: atMs + 9 });
  }

  #answer(service: ServiceName, request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${service} ${request.url}`);
    const url = new URL(request.url ?? '', 'http://fake');
    if (!this.healthy[service]) return void response.writeHead(500).end('{}');
    const journal = this.journals[service];
    const head = journal.events.length;
    const json = (body: object, headers: Record<string, string> = {}) =>
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    if (url.pathname === '/events/digests')
      return void json({ journalId: journal.journalId, head, oldest: 1, ranges: [] });
    if (url.pathname === '/readyz') return void json(readinessOf(service));
    if (url.pathname === '/metrics') return void response.writeHead(200).end(this.metrics);
    if (url.pathname !== '/events') return void response.writeHead(404).end('{}');
    const after = Number(url.searchParams.get('after') ?? 0);
    if (/event-stream/.test(request.headers.accept ?? '')) return this.#tail(journal, after, response);
    const [subject, limit] = [url.searchParams.get('subject'), Number(url.searchParams.get('limit') ?? 100)];
    const rest = journal.events.slice(after).filter((event) => subject === null || event.subject === subject);
    return void json(rest.slice(0, limit), { 'next-cursor': String(head) });
  }

  #tail(journal: FakeJournal, after: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1000\n\n');
    for (const [index, event] of journal.events.entries())
      if (index >= after) response.write(blockOf(event, index + 1));
    journal.streams.add(response);
    response.on('close', () => journal.streams.delete(response));
  }
}

/** The nth order id of this run. */
export function orderIdOf(n: number): string {
  return uuid(startedAtMs, n);
}

function uuid(atMs: number, n: number): string {
  const time = atMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

function blockOf(event: CloudEvent, position: number): string {
  return `id: ${position}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function readinessOf(service: string): object {
  return {
    status: 'ready',
    service,
    warnings: [],
    database: 'ok',
    broker: { publisher: 'connected', consumer: 'connected' },
    outbox: { waiting: 0, unroutable: {} },
    reconciliation: {},
  };
}
