// Whether an event has taken effect in a service, from its inbox.

import { uuidBytes } from '../shared/contract/event-id.ts';
import type { Database } from '../shared/runtime/storage/database.ts';

export function isHandled(db: Database, eventId: string): boolean {
  const find = db.prepare<[Buffer], number>('SELECT 1 FROM inbox WHERE event_id = ? AND dead_letter = 0').pluck();
  return find.get(uuidBytes(eventId)) !== undefined;
}
