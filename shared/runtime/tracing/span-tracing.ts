// Makes spans of what the runtime reports, by OpenTelemetry's conventions for HTTP and for messaging over RabbitMQ.
import {
  type Attributes,
  type Context,
  createTraceState,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import {
  ATTR_MESSAGING_BATCH_MESSAGE_COUNT,
  ATTR_MESSAGING_DESTINATION_NAME,
  ATTR_MESSAGING_MESSAGE_BODY_SIZE,
  ATTR_MESSAGING_MESSAGE_CONVERSATION_ID,
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_NAME,
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY,
  ATTR_MESSAGING_SYSTEM,
} from '@opentelemetry/semantic-conventions/incubating';
import { z } from 'zod';
import type {
  Span,
  TraceContext,
  TracedCommit,
  TracedHandling,
  TracedPublish,
  TracedRequest,
  Tracing,
} from '../messaging/tracing.ts';

/** What the conventions have no name for. */
const saga = {
  outcome: 'saga.outcome',
  redelivered: 'saga.redelivered',
  fetched: 'saga.fetched',
  groupSize: 'saga.group.size',
  events: 'saga.events',
} as const;

const TracedEvent = z.object({ traceparent: z.string(), tracestate: z.string().optional() });

export class SpanTracing implements Tracing {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  request({ method, route, parent }: TracedRequest): Span {
    const attributes = {
      [ATTR_HTTP_REQUEST_METHOD]: method,
      [ATTR_HTTP_ROUTE]: route,
      [ATTR_URL_SCHEME]: 'http',
    };
    const span = this.#start(`${method} ${route}`, SpanKind.SERVER, parent, attributes);
    return new WorkSpan(span, (status) => ({ [ATTR_HTTP_RESPONSE_STATUS_CODE]: Number(status) }));
  }

  publish({ exchange, routingKey, eventId, subject, body, messageEvents }: TracedPublish): Span {
    const destination = `${exchange}:${routingKey}`;
    const attributes = {
      ...messaging('publish', 'send', destination, routingKey),
      [ATTR_MESSAGING_MESSAGE_ID]: eventId,
      [ATTR_MESSAGING_MESSAGE_CONVERSATION_ID]: subject,
      [ATTR_MESSAGING_MESSAGE_BODY_SIZE]: body.length,
      ...(messageEvents > 1 ? { [ATTR_MESSAGING_BATCH_MESSAGE_COUNT]: messageEvents } : {}),
    };
    const parent = TracedEvent.safeParse(JSON.parse(body.toString())).data;
    return new WorkSpan(this.#start(`publish ${destination}`, SpanKind.PRODUCER, parent, attributes), outcomeOf);
  }

  handle({ exchange, routingKey, queue, eventId, subject, parent, redelivered, fetched }: TracedHandling): Span {
    const destination = `${exchange}:${routingKey}:${queue}`;
    const attributes = {
      ...messaging('handle', 'process', destination, routingKey),
      [ATTR_MESSAGING_MESSAGE_ID]: eventId,
      [ATTR_MESSAGING_MESSAGE_CONVERSATION_ID]: subject,
      ...(redelivered ? { [saga.redelivered]: true } : {}),
      ...(fetched ? { [saga.fetched]: true } : {}),
    };
    return new WorkSpan(this.#start(`handle ${destination}`, SpanKind.CONSUMER, parent, attributes), outcomeOf);
  }

  commit({ parent, group, writtenAtMs, types, subject }: TracedCommit): void {
    const attributes = {
      [saga.groupSize]: group.size,
      ...(types.length > 0 ? { [saga.events]: [...types] } : {}),
      ...(subject === undefined ? {} : { [ATTR_MESSAGING_MESSAGE_CONVERSATION_ID]: subject }),
    };
    const startTime = writtenAtMs - group.durationMs;
    this.#start('commit', SpanKind.INTERNAL, parent, attributes, startTime).end(writtenAtMs);
  }

  #start(
    name: string,
    kind: SpanKind,
    parent: TraceContext | undefined,
    attributes: Attributes,
    startTime?: number,
  ): OtelSpan {
    const time = startTime === undefined ? {} : { startTime };
    return this.#tracer.startSpan(name, { kind, attributes, ...time }, contextOf(parent));
  }
}

function messaging(operation: string, type: string, destination: string, routingKey: string): Attributes {
  return {
    [ATTR_MESSAGING_SYSTEM]: 'rabbitmq',
    [ATTR_MESSAGING_OPERATION_NAME]: operation,
    [ATTR_MESSAGING_OPERATION_TYPE]: type,
    [ATTR_MESSAGING_DESTINATION_NAME]: destination,
    [ATTR_MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY]: routingKey,
  };
}

function outcomeOf(outcome: string): Attributes {
  return { [saga.outcome]: outcome };
}

class WorkSpan implements Span {
  readonly #span: OtelSpan;
  readonly #outcomeOf: (outcome: string) => Attributes;
  readonly context: TraceContext;
  #ended = false;

  constructor(span: OtelSpan, outcomeOf: (outcome: string) => Attributes) {
    this.#span = span;
    this.#outcomeOf = outcomeOf;
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
    const tracestate = traceState?.serialize();
    this.context = tracestate ? { traceparent, tracestate } : { traceparent };
  }

  retried(detail: string): void {
    this.#span.addEvent('retried', { detail });
  }

  linkTo(context: TraceContext): void {
    const linked = spanContextOf(context);
    if (linked) this.#span.addLink({ context: linked });
  }

  end(outcome: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#span.setAttributes(this.#outcomeOf(outcome));
    this.#span.end();
  }

  fail(errorType: string): void {
    if (this.#ended) return;
    this.#ended = true;
    // The number of a status is its own reason.
    if (/^\d+$/.test(errorType)) this.#span.setAttributes(this.#outcomeOf(errorType));
    this.#span.setAttribute(ATTR_ERROR_TYPE, errorType);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
  }
}

function contextOf(parent: TraceContext | undefined): Context {
  const spanContext = parent && spanContextOf(parent);
  return spanContext ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
}

/** What comes in an event may be anything: then there is no parent. */
function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext | undefined {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent) ?? [];
  if (!traceId || !spanId || !flags) return undefined;
  const traceState = tracestate ? { traceState: createTraceState(tracestate) } : {};
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true, ...traceState };
}
