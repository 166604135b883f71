// Packs journal entries into messages. Under load, what one group commit wrote for the same routing key travels as one
// CloudEvents batch: the broker's work is per message. At low load each event is a message.
import { cloudEventBatchContentType, encodeBatch } from '../../contract/cloud-event.ts';
import type { JournalEntry } from '../storage/journal.ts';
import type { OutgoingMessage } from './bus.ts';

/** A message, and the entries that it brings to the broker. */
export interface Envelope {
  readonly message: OutgoingMessage;
  readonly entries: readonly JournalEntry[];
}

interface Item {
  readonly entry: JournalEntry;
  /** As it would travel alone. */
  readonly message: OutgoingMessage;
}

/** Largest batch in bytes: far below every limit of a broker, and small enough to be handled in one go. */
const batchBytesMax = 64 * 1024;

/**
 * Keeps the order of the entries with the same routing key.
 * @param batchMax most events in one message; 1: every event is a message
 */
export function pack(items: readonly Item[], batchMax: number): Envelope[] {
  const batches: Item[][] = [];
  const open = new Map<string, { readonly items: Item[]; bytes: number }>();
  for (const item of items) {
    const { routingKey, body } = item.message;
    const batch = open.get(routingKey);
    if (batch && batch.items.length < batchMax && batch.bytes + body.length <= batchBytesMax) {
      batch.items.push(item);
      batch.bytes += body.length;
      continue;
    }
    const started = { items: [item], bytes: body.length };
    batches.push(started.items);
    // A dead letter travels alone, whatever it says of itself: its bytes may be anything, and its headers are its own.
    if (!item.entry.deadLetter) open.set(routingKey, started);
  }
  return batches.map(toEnvelope);
}

function toEnvelope(items: readonly Item[]): Envelope {
  const [first] = items;
  // Stryker disable next-line ConditionalExpression: a batch begins with an item; the check is for the type
  if (!first) throw new Error('a batch without events');
  const entries = items.map(({ entry }) => entry);
  if (items.length === 1) return { entries, message: first.message };
  return {
    entries,
    message: {
      ...first.message,
      body: encodeBatch(entries.map(({ body }) => body)),
      contentType: cloudEventBatchContentType,
      correlationId: undefined,
    },
  };
}
