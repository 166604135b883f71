// Whether an event has taken effect in a service, from its inbox.
import type { Database } from '../shared/runtime/storage/database.ts';
import { uuidBytes } from '../shared/runtime/storage/journal.ts';

export function isHandled(db: Database, eventId: string): boolean {
  const find = db.prepare<[Buffer], number>('SELECT 1 FROM inbox WHERE event_id = ? AND dead_letter = 0').pluck();
  return find.get(uuidBytes(eventId)) !== undefined;
}
