// A collector for tests: takes spans over OTLP/HTTP as JSON, and keeps them.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { eventually } from './wait.ts';

const Value = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  z.object({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
  z
    .object({ arrayValue: z.object({ values: z.array(z.object({ stringValue: z.string() })) }) })
    .transform(({ arrayValue }) => arrayValue.values.map(({ stringValue }) => stringValue)),
]);
const Attributes = z
  .array(z.object({ key: z.string(), value: Value }))
  .default([])
  .transform((list) => new Map(list.map(({ key, value }) => [key, value])));
const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              traceState: z.string().optional(),
              name: z.string(),
              kind: z.int(),
              /** In microseconds: nanoseconds do not fit into a number. */
              endTimeUnixNano: z.coerce.bigint().transform((nanos) => Number(nanos / 1_000n)),
              attributes: Attributes,
              events: z.array(z.object({ name: z.string() })).default([]),
              links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
              status: z.object({ code: z.int().default(0) }).default({ code: 0 }),
            }),
          ),
        }),
      ),
    }),
  ),
});
type ExportedSpan = z.output<typeof Export>['resourceSpans'][number]['scopeSpans'][number]['spans'][number];

export interface ReceivedSpan extends ExportedSpan {
  readonly service: string;
  readonly resource: ReadonlyMap<string, unknown>;
}

export const orderIdAttribute = 'messaging.message.conversation_id';

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      json(request).then(
        (body) => {
          this.#take(request.url, body);
          response.setHeader('content-type', 'application/json').end('{}');
        },
        () => response.writeHead(400).end(),
      );
    });
  }

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #take(url: string | undefined, body: unknown): void {
    if (url !== '/v1/traces') throw new Error(`traces were sent to ${url}`);
    for (const { resource, scopeSpans } of Export.parse(body).resourceSpans) {
      const service = String(resource.attributes.get('service.name'));
      for (const { spans } of scopeSpans)
        this.spans.push(...spans.map((span) => ({ ...span, service, resource: resource.attributes })));
    }
  }

  /** Resolves with all spans of the trace that this order's events are in, once they are as many. */
  async saga(orderId: string, count: number): Promise<ReceivedSpan[]> {
    return eventually(
      `${count} spans of order ${orderId}`,
      async () => {
        const traceIds = this.traceIds(orderId);
        return this.spans.filter(({ traceId }) => traceIds.has(traceId));
      },
      (spans) => spans.length >= count,
    );
  }

  /** Resolves with all spans of a trace, once they are as they must be. */
  async trace(traceId: string, complete: (spans: readonly ReceivedSpan[]) => boolean): Promise<ReceivedSpan[]> {
    return eventually(
      `the spans of trace ${traceId}`,
      async () => this.spans.filter((span) => span.traceId === traceId),
      complete,
    );
  }

  /** The traces in which an order is named. */
  traceIds(orderId: string): Set<string> {
    const named = this.spans.filter(({ attributes }) => attributes.get(orderIdAttribute) === orderId);
    return new Set(named.map(({ traceId }) => traceId));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
