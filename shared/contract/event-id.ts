// Ids of events. An event that follows from another has an id made from its cause, so that a service which handles the
// same event again, from a restored database, publishes the same event again, and everybody recognises it.
import { createHash } from 'node:crypto';

const timeBytes = 6;
const versionAt = 6;
const variantAt = 8;

/**
 * The id of the event of this type that this service publishes because of that event: always the same.
 * A UUID v8 (RFC 9562): 48 bits of time are copied from the cause, so that ids still sort by the start of their saga and
 * an index on them grows at its end; the rest is that of the cause, each bit flipped or not as the hash of the service and
 * the type says. Different causes give different ids, and so do different types.
 * @param causeId a UUID
 */
export function causedEventId(causeId: string, source: string, type: string): string {
  const mask = maskOf(source, type);
  const id = uuidBytes(causeId);
  for (let at = timeBytes; at < id.length; at += 1) id[at] = (id[at] ?? 0) ^ (mask[at] ?? 0);
  id[versionAt] = 0x80 | ((id[versionAt] ?? 0) & 0x0f);
  id[variantAt] = 0x80 | ((id[variantAt] ?? 0) & 0x3f);
  return uuidText(id);
}

/** One for each service and type of the contract, so it stays small. */
const masks = new Map<string, Buffer>();

function maskOf(source: string, type: string): Buffer {
  const key = `${source}\n${type}`;
  let mask = masks.get(key);
  if (!mask) {
    mask = createHash('sha256').update(key).digest().subarray(0, 16);
    masks.set(key, mask);
  }
  return mask;
}

/** 16 bytes instead of 36 characters. */
export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The first 48 bits of a UUID v7, such as an order's id, are the time at which it was made. */
export function uuidTimeMs(uuid: string): number {
  return Number.parseInt(uuid.replaceAll('-', '').slice(0, 12), 16);
}
