// What is known of a dead letter, from its headers and its body. Nothing in it can be trusted.
import { createHash } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { z } from 'zod';

export type Letter = Pick<ConsumeMessage, 'content' | 'properties'>;

export interface LetterFacts {
  /** Its message id; for a message without one, the first half of its body's SHA-256. */
  readonly letterId: string;
  readonly reason: string;
  readonly detail: string | undefined;
  /** ISO 8601; undefined when neither a service nor the broker has noted it. */
  readonly deadLetteredAt: string | undefined;
  /** Of the event; undefined where the body is not one that can be read. */
  readonly eventId: string | undefined;
  readonly type: string | undefined;
  readonly subject: string | undefined;
  readonly bytes: number;
}

/** A body above this is not parsed: no event is as large, and the others have to be read as well. */
const parsedBytesMax = 2 * 1024 * 1024;

const text = z.string().optional().catch(undefined);
const eventSchema = z.object({ id: text, type: text, subject: text });
/** The first death is the last entry. */
const brokerDeaths = z.array(z.object({ time: z.object({ value: z.number() }) })).min(1);

export function factsOf(letter: Letter): LetterFacts {
  const { headers = {}, messageId } = letter.properties;
  const event = eventIn(letter.content);
  return {
    letterId: String(messageId || '') || createHash('sha256').update(letter.content).digest('hex').slice(0, 32),
    reason: reasonOf(headers),
    detail: headers['x-detail'] ? String(headers['x-detail']) : undefined,
    deadLetteredAt: deadLetteredAt(headers),
    eventId: event?.id ?? (headers['x-original-message-id'] ? String(headers['x-original-message-id']) : undefined),
    type: event?.type,
    subject: event?.subject,
    bytes: letter.content.length,
  };
}

/** Whether people may mean this letter by that id: its own one, or its event's. */
export function isCalled(id: string, { letterId, eventId }: LetterFacts): boolean {
  return id === letterId || id === eventId;
}

/** Our own reason; or the broker's, for a message that was rejected or delivered too often. */
function reasonOf(headers: Readonly<Record<string, unknown>>): string {
  return String(headers['x-cause'] ?? headers['x-first-death-reason'] ?? 'unknown');
}

function deadLetteredAt(headers: Readonly<Record<string, unknown>>): string | undefined {
  const own = headers['x-dead-lettered-at'];
  if (own !== undefined) return String(own);
  const seconds = brokerDeaths.safeParse(headers['x-death']).data?.at(-1)?.time.value;
  const date = new Date((seconds ?? Number.NaN) * 1_000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** The event, or the first one of a batch. */
function eventIn(content: Buffer): z.output<typeof eventSchema> | undefined {
  if (content.length > parsedBytesMax) return undefined;
  try {
    const parsed: unknown = JSON.parse(content.toString());
    return eventSchema.safeParse(Array.isArray(parsed) ? parsed[0] : parsed).data;
  } catch {
    return undefined;
  }
}
