// CloudEvents 1.0, structured mode: the one place where bytes become an event and an event becomes bytes.
// What can't be read is refused with a cause that ends up beside the message in the dead-letter queue.
import { z } from 'zod';
import type { Choreography, EventSpec } from './language.ts';

export const cloudEventContentType = 'application/cloudevents+json';
/** Several events in one message, as a JSON array (CloudEvents JSON format, section 4). */
export const cloudEventBatchContentType = 'application/cloudevents-batch+json';
/** Largest message that is read, in bytes: ten times the largest batch that a service publishes. */
export const messageBytesMax = 1024 * 1024;
/** Most events in one message. */
export const batchEventsMax = 1_000;
/** Deepest nesting of JSON that is read. */
const depthMax = 64;
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
  /** Position in the publisher's journal, as digits of a fixed length (CloudEvents extension `sequence`). */
  readonly sequence?: string | undefined;
  readonly data: D;
}

export type UnreadableCause =
  | 'too-large'
  | 'too-many-events'
  | 'too-deep'
  | 'wrong-content-type'
  | 'not-json'
  | 'not-a-cloudevent'
  | 'unknown-type'
  | 'newer-version'
  | 'wrong-source'
  | 'wrong-data';

/** The message can never be read, however often it is tried: it belongs in the dead-letter queue with this cause. */
export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';
  readonly code: UnreadableCause;
  constructor(code: UnreadableCause, detail: string) {
    super(detail);
    this.code = code;
  }
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
  /** In the publisher's journal. */
  readonly position?: number;
}

/** Puts the envelope around an event. The one place where one is built. */
export function createEvent(
  contract: Choreography,
  { type, data }: { readonly type: string; readonly data: unknown },
  { id, source, time, causationId, traceparent, position }: Envelope,
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
    ...(position === undefined ? {} : { sequence: String(position).padStart(sequenceDigits, '0') }),
    data,
  };
}
/** Number.MAX_SAFE_INTEGER has 16 digits, and a fixed length makes the text sort like the number. */
const sequenceDigits = 16;

export function encodeEvent(event: CloudEvent): Buffer {
  return Buffer.from(JSON.stringify(event));
}

const EnvelopeShape = z.object({
  specversion: z.literal('1.0'),
  id: z.uuid(),
  type: z.string(),
  source: z.string(),
  subject: z.string(),
  time: z.iso.datetime({ offset: true }),
  datacontenttype: z.literal('application/json').default('application/json'),
  dataschema: z.string(),
  correlationid: z.string(),
  causationid: z.string(),
  traceparent: z.string(),
  sequence: z
    .string()
    .regex(/^\d{1,16}$/)
    .optional(),
  data: z.unknown(),
});

/** What a message held in one place: an event, or something that is none. */
export type Decoded = ({ readonly event: CloudEvent } | { readonly error: UnreadableEventError }) & {
  /** The bytes of just that, for the dead-letter queue. */
  bytes(): Buffer;
};

/**
 * Reads a message: one event, or a batch. What can't be read in a batch does not keep its neighbours from being read.
 * @param contentType the AMQP property
 */
export function decodeMessage(body: Buffer, contentType: string | undefined, contract: Choreography): Decoded[] {
  const whole = () => body;
  const refusal = boundsRefusal(body);
  if (refusal) return [{ error: refusal, bytes: whole }];
  if (mediaType(contentType) !== cloudEventBatchContentType) {
    return [attempt(() => decodeEvent(body, contentType, contract), whole)];
  }
  try {
    const batch = parseJson(body);
    if (!Array.isArray(batch) || batch.length === 0) {
      throw new UnreadableEventError('not-a-cloudevent', 'a batch must be an array of at least one event');
    }
    if (batch.length > batchEventsMax) {
      throw new UnreadableEventError(
        'too-many-events',
        `a batch may hold ${batchEventsMax} events, not ${batch.length}`,
      );
    }
    return batch.map((value: unknown) =>
      attempt(
        () => readEvent(value, contract),
        () => Buffer.from(JSON.stringify(value)),
      ),
    );
  } catch (error) {
    if (error instanceof UnreadableEventError) return [{ error, bytes: whole }];
    throw error;
  }
}

/** Checked before anything is parsed: what comes from a queue may be anything. */
function boundsRefusal(body: Buffer): UnreadableEventError | undefined {
  if (body.length > messageBytesMax) {
    return new UnreadableEventError('too-large', `a message may have ${messageBytesMax} bytes, not ${body.length}`);
  }
  // JSON.parse reads any depth, but JSON.stringify overflows the stack at a few thousand levels.
  return isDeeperThan(body, depthMax)
    ? new UnreadableEventError('too-deep', `JSON may be nested ${depthMax} levels deep`)
    : undefined;
}

function isDeeperThan(json: Buffer, max: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const byte = json[index];
    if (inString) {
      if (byte === backslash) index += 1;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === openBracket || byte === openBrace) {
      depth += 1;
      if (depth > max) return true;
    } else if (byte === closeBracket || byte === closeBrace) depth -= 1;
  }
  return false;
}
const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = Buffer.from('"\\[]{}');

function attempt(read: () => CloudEvent, bytes: () => Buffer): Decoded {
  try {
    return { event: read(), bytes };
  } catch (error) {
    if (error instanceof UnreadableEventError) return { error, bytes };
    throw error;
  }
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

/**
 * Reads a message of one event.
 * @param contentType the AMQP property; it must name a structured CloudEvent in JSON.
 * @throws UnreadableEventError with the cause, for whatever is not an event of the contract.
 */
export function decodeEvent(body: Buffer, contentType: string | undefined, contract: Choreography): CloudEvent {
  if (mediaType(contentType) !== cloudEventContentType) {
    throw new UnreadableEventError(
      'wrong-content-type',
      `content type is ${contentType ?? 'missing'}, not ${cloudEventContentType}`,
    );
  }
  return readEvent(parseJson(body), contract);
}

function mediaType(contentType: string | undefined): string | undefined {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase();
}

function readEvent(value: unknown, contract: Choreography): CloudEvent {
  const envelope = parse('not-a-cloudevent', EnvelopeShape, value);
  const spec = Object.hasOwn(contract.events, envelope.type) ? contract.events[envelope.type] : undefined;
  if (!spec) throw new UnreadableEventError('unknown-type', `no event '${clip(envelope.type)}' in the contract`);
  checkVersion(envelope.type, envelope.dataschema);
  if (envelope.source !== spec.by) {
    throw new UnreadableEventError(
      'wrong-source',
      `'${envelope.type}' comes from ${spec.by}, not from '${clip(envelope.source)}'`,
    );
  }
  const data = parse('wrong-data', spec.data, envelope.data);
  checkSubject(spec, envelope.subject, data);
  return { ...envelope, data };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(body));
  } catch (error) {
    throw new UnreadableEventError('not-json', clip(error instanceof Error ? error.message : String(error)));
  }
}
const utf8 = new TextDecoder('utf-8', { fatal: true });

function parse<T>(code: UnreadableCause, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || '(whole)'}: ${issue.message}`);
  throw new UnreadableEventError(code, issues.join('; '));
}

function checkVersion(type: string, dataschema: string): void {
  const prefix = dataSchemaOf(type, dataVersion).slice(0, -String(dataVersion).length);
  const version = dataschema.startsWith(prefix) ? Number(dataschema.slice(prefix.length)) : Number.NaN;
  if (version === dataVersion) return;
  if (Number.isInteger(version) && version > dataVersion) {
    throw new UnreadableEventError('newer-version', `data version ${version}; this reader knows ${dataVersion}`);
  }
  throw new UnreadableEventError(
    'not-a-cloudevent',
    `dataschema is '${clip(dataschema)}', not '${dataSchemaOf(type)}'`,
  );
}

function checkSubject(spec: EventSpec, subject: string, data: unknown): void {
  const about = (data as Record<string, unknown>)[spec.subject];
  if (about !== subject) {
    throw new UnreadableEventError(
      'wrong-data',
      `subject is '${clip(subject)}', but ${spec.subject} is '${clip(String(about))}'`,
    );
  }
}

/** Text from outside, short enough for a log line and a message header. */
function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
