// The one place where bytes become events. What cannot be read is refused with a cause that ends up beside the message in
// the dead-letter queue.
import { z } from 'zod';
import {
  type CloudEvent,
  cloudEventBatchContentType,
  cloudEventContentType,
  dataSchemaOf,
  dataVersion,
} from './cloud-event.ts';
import type { Choreography, EventSpec } from './language.ts';
import { serviceOf } from './members.ts';

/** Largest message that is read, in bytes: ten times the largest batch that a service publishes. */
export const messageBytesMax = 1024 * 1024;
/** Most events in one message. */
export const batchEventsMax = 1_000;
/** Deepest nesting of JSON that is read. */
const depthMax = 64;

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
  tracestate: z.string().optional(),
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
  /** Of those bytes: an element of a batch is an event like any other, also when it is the only one. */
  readonly contentType: string;
};

/**
 * Reads a message: one event, or a batch. What can't be read in a batch does not keep its neighbours from being read.
 * @param contentType the AMQP property
 */
export function decodeMessage(body: Buffer, contentType: string | undefined, contract: Choreography): Decoded[] {
  const whole = { bytes: () => body, contentType: contentType ?? 'application/octet-stream' };
  const refusal = boundsRefusal(body);
  if (refusal) return [{ error: refusal, ...whole }];
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
      attempt(() => readEvent(value, contract), {
        bytes: () => Buffer.from(JSON.stringify(value)),
        contentType: cloudEventContentType,
      }),
    );
  } catch (error) {
    if (error instanceof UnreadableEventError) return [{ error, ...whole }];
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

function attempt(read: () => CloudEvent, raw: Pick<Decoded, 'bytes' | 'contentType'>): Decoded {
  try {
    return { event: read(), ...raw };
  } catch (error) {
    if (error instanceof UnreadableEventError) return { error, ...raw };
    throw error;
  }
}

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
  // Any instance may publish what its service publishes.
  if (envelope.source !== spec.by && serviceOf(envelope.source) !== spec.by) {
    throw new UnreadableEventError(
      'wrong-source',
      `'${envelope.type}' comes from ${spec.by}, not from '${clip(envelope.source)}'`,
    );
  }
  const data = parse('wrong-data', spec.data, envelope.data);
  checkSubject(spec, envelope.subject, data);
  envelope.data = data;
  return envelope;
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
