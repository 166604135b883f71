// Ids of events. An event that follows from another has an id made from its cause, so that a service which handles the
// same event again, from a restored database, publishes the same event again, and everybody recognises it.
import { createHash } from 'node:crypto';

/**
 * The id of the event of this type that this service publishes because of that event: always the same.
 * A UUID v8 (RFC 9562): 48 bits of time are copied from the cause, so that ids still sort by the start of their saga and
 * an index on them grows at its end; the rest is a hash.
 */
export function causedEventId(causeId: string, source: string, type: string): string {
  const hash = createHash('sha256').update(`${causeId}\n${source}\n${type}`).digest('hex');
  // 8, 9, a or b: the two bits of the variant.
  const variant = ((Number.parseInt(hash.charAt(3), 16) & 0b0011) | 0b1000).toString(16);
  const time = causeId.replaceAll('-', '').slice(0, 12).toLowerCase();
  return `${time.slice(0, 8)}-${time.slice(8)}-8${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
}
