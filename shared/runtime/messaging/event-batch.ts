// Packs outbox rows into messages. Under load, what one group commit wrote for the same exchange and routing key travels
// as one CloudEvents batch: the broker's work is per message. When there is little to say, each event is a message.

import { cloudEventBatchContentType, cloudEventContentType, encodeBatch } from '../../contract/cloud-event.ts';
import type { OutboxRow } from '../storage/outbox.ts';
import type { OutgoingMessage } from './bus.ts';

/** A message, and the rows that it brings to the broker. */
export interface Parcel {
  readonly message: OutgoingMessage;
  readonly rows: readonly OutboxRow[];
}

/** Largest batch in bytes: far below every limit of a broker, and small enough to be handled in one go. */
const batchBytesMax = 64 * 1024;

/**
 * Keeps the order of the rows that have the same exchange and routing key.
 * @param batchMax most events in one message; 1: every event is a message
 */
export function pack(rows: readonly OutboxRow[], batchMax: number): Parcel[] {
  const batches: OutboxRow[][] = [];
  const open = new Map<string, { readonly rows: OutboxRow[]; bytes: number }>();
  for (const row of rows) {
    const { exchange, routingKey, body } = row.message;
    const key = `${exchange}/${routingKey}`;
    const batch = open.get(key);
    if (batch && batch.rows.length < batchMax && batch.bytes + body.length <= batchBytesMax) {
      batch.rows.push(row);
      batch.bytes += body.length;
      continue;
    }
    const started = { rows: [row], bytes: body.length };
    batches.push(started.rows);
    if (isEvent(row.message)) open.set(key, started);
  }
  return batches.map(toParcel);
}

/** A dead letter is none, whatever it says of itself: its bytes may be anything, and its headers are its own. */
function isEvent({ exchange, contentType }: OutgoingMessage): boolean {
  return exchange !== '' && contentType === cloudEventContentType;
}

function toParcel(rows: readonly OutboxRow[]): Parcel {
  const [first] = rows;
  if (!first) throw new Error('a batch without events');
  if (rows.length === 1) return { rows, message: first.message };
  return {
    rows,
    message: {
      ...first.message,
      body: encodeBatch(rows.map(({ message }) => message.body)),
      contentType: cloudEventBatchContentType,
      correlationId: undefined,
    },
  };
}
