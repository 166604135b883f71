// An event as the observer keeps it: what it needs of the envelope, and the whole as compact text.
import { z } from 'zod';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';

export interface SeenEvent {
  readonly eventId: string;
  readonly type: string;
  readonly source: string;
  readonly subject: string;
  readonly atMs: number;
  readonly causationId: string;
  readonly reason: string | undefined;
  /** When it arrived; undefined when it was read from the past. */
  readonly seenAtMs: number | undefined;
  /** The CloudEvent as JSON. Bytes: a part of a received text would keep the whole of it in memory. */
  readonly json: Buffer;
}

/** Journals hold what the services have checked; here only what is used is looked at. */
const Envelope = z.object({
  id: z.string(),
  type: z.string(),
  source: z.string(),
  subject: z.string(),
  time: z.string(),
  causationid: z.string().catch(''),
  data: z.object({ reason: z.string().optional().catch(undefined) }).catch({}),
});

const Placed = z.looseObject({
  userId: z.string().catch(''),
  items: z.array(z.looseObject({ productId: z.string(), qty: z.number(), unitPrice: z.number().optional() })).catch([]),
  total: z.number().optional().catch(undefined),
  deadlineAt: z.string().optional().catch(undefined),
});
/** What the first event of a saga says of the order, as far as it says it. */
export type PlacedData = z.output<typeof Placed>;

/**
 * @param text a CloudEvent as JSON
 * @returns undefined for what is no event
 */
export function seenEvent(text: string, seenAtMs: number | undefined): SeenEvent | undefined {
  const parsed = Envelope.safeParse(parsedJson(text));
  if (!parsed.success) return undefined;
  const { id, type, source, subject, time, causationid, data } = parsed.data;
  const atMs = Date.parse(time);
  if (Number.isNaN(atMs)) return undefined;
  return {
    eventId: id,
    type: shared(type),
    source: shared(source),
    subject,
    atMs,
    causationId: causationid,
    reason: data.reason,
    seenAtMs,
    json: Buffer.from(text),
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function cloudEventOf({ json }: SeenEvent): CloudEvent {
  return JSON.parse(json.toString()) as CloudEvent;
}

export function placedDataOf(event: SeenEvent): PlacedData {
  return Placed.parse(cloudEventOf(event).data ?? {});
}

/** Names that repeat, once each: there are a few dozen of them, and hundreds of thousands of events. */
const names = new Map<string, string>();
const namesMax = 1_000;

function shared(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  if (names.size < namesMax) names.set(name, name);
  return name;
}
