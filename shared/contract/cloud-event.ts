// CloudEvents 1.0, structured mode: the envelope of an event, and the one place where an event becomes bytes.
// read-message.ts goes the other way.
import type { Choreography } from './language.ts';

export const cloudEventContentType = 'application/cloudevents+json';
/** Several events in one message, as a JSON array (CloudEvents JSON format, section 4). */
export const cloudEventBatchContentType = 'application/cloudevents-batch+json';
/** Major version of every event's data. A reader refuses a higher one; added fields do not raise it. */
export const dataVersion = 1;

/** An event in its envelope. Attribute names are those of CloudEvents 1.0 and its extensions. */
export interface CloudEvent<T extends string = string, D = unknown> {
  readonly specversion: '1.0';
  /** Fixed when the event is written to the journal; the same however often it is delivered. See event-id.ts. */
  readonly id: string;
  readonly type: T;
  /** Name of the publishing service. */
  readonly source: string;
  /** What it is about: an order id, or a product id. */
  readonly subject: string;
  /** When it was written, ISO 8601 UTC. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly dataschema: string;
  /** The saga: an order id, or a product id outside of sagas. */
  readonly correlationid: string;
  /** Id of the event, or of the HTTP request, that this one follows from. */
  readonly causationid: string;
  /** W3C trace context; the same trace for everything that follows from one request. */
  readonly traceparent: string;
  /** What tracing systems add to it (CloudEvents extension Distributed Tracing, as is `traceparent`). */
  readonly tracestate?: string | undefined;
  /** Position in the publisher's journal, as digits of a fixed length (CloudEvents extension `sequence`). */
  readonly sequence?: string | undefined;
  readonly data: D;
}

export function dataSchemaOf(type: string, version = dataVersion): string {
  return `urn:choreography-saga:${type}:${version}`;
}

/** The position in the publisher's journal that an event names; undefined for one that names none. */
export function positionOf({ sequence }: Pick<CloudEvent, 'sequence'>): number | undefined {
  return sequence === undefined ? undefined : Number(sequence);
}

/** What the publisher knows of an event beside its type and data. */
export interface Envelope {
  readonly id: string;
  readonly source: string;
  /** ISO 8601 UTC. */
  readonly time: string;
  readonly causationId: string;
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
  /** In the publisher's journal. */
  readonly position?: number;
}

/** Puts the envelope around an event. The one place where one is built. */
export function createEvent(
  contract: Choreography,
  { type, data }: { readonly type: string; readonly data: unknown },
  { id, source, time, causationId, traceparent, tracestate, position }: Envelope,
): CloudEvent {
  const spec = contract.events[type];
  if (!spec) throw new Error(`'${type}' is not an event of the contract`);
  const subject = String((data as Record<string, unknown>)[spec.subject]);
  return {
    specversion: '1.0',
    id,
    type,
    source,
    subject,
    time,
    datacontenttype: 'application/json',
    dataschema: dataSchemaOf(type),
    correlationid: subject,
    causationid: causationId,
    traceparent,
    ...(tracestate === undefined ? undefined : { tracestate }),
    ...(position === undefined ? {} : { sequence: String(position).padStart(sequenceDigits, '0') }),
    data,
  };
}
/** Number.MAX_SAFE_INTEGER has 16 digits, and a fixed length makes the text sort like the number. */
const sequenceDigits = 16;

export function encodeEvent(event: CloudEvent): Buffer {
  return Buffer.from(JSON.stringify(event));
}

/** The bytes of a batch, from the bytes of its events. */
export function encodeBatch(events: readonly Buffer[]): Buffer {
  return Buffer.concat([
    opening,
    ...events.flatMap((event, index) => (index === 0 ? [event] : [comma, event])),
    closing,
  ]);
}
const [opening, comma, closing] = [Buffer.from('['), Buffer.from(','), Buffer.from(']')];
