// The runtime's own tables, which every service's database has beside those of its domain.
import { inboxPositionsSchema, inboxSchema, reconciledTimeSchema } from '../storage/inbox.ts';
import { journalSchema } from '../storage/journal.ts';
import { outboxSchema, outboxTableSchema } from '../storage/outbox.ts';
import { suspectsSchema } from '../storage/suspects.ts';

/** Append only. A service lists each where it came in between its own migrations. */
export const runtimeSchema = {
  inboxAndOutbox: inboxSchema + outboxTableSchema,
  journal: journalSchema + outboxSchema + inboxPositionsSchema + suspectsSchema,
  reconciledTime: reconciledTimeSchema,
} as const;
