// An order that waits too long asks again, and who has answered before answers once more: events that are published twice
// for good reason.
import { eventIn } from '../environment/unpacked.ts';
import type { Evidence } from './evidence.ts';

/** Ids of withdrawals that ask again, and of the answers to them. */
export function repeatedAnswers(published: Evidence['published']): ReadonlySet<string> {
  const asked = new Set<string>();
  for (const message of published.values()) {
    if (message.routingKey !== 'order.withdrawn') continue;
    const { attempt } = eventIn(message).data as { readonly attempt?: number };
    if (attempt !== undefined) asked.add(message.messageId);
  }
  if (asked.size === 0) return asked;
  const repeated = new Set(asked);
  for (const message of published.values()) {
    if (!answers.has(message.routingKey)) continue;
    if (asked.has(eventIn(message).causationid)) repeated.add(message.messageId);
  }
  return repeated;
}

const answers: ReadonlySet<string> = new Set([
  'payment.refunded',
  'payment.voided',
  'inventory.released',
  'inventory.voided',
]);
