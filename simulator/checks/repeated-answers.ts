// An order that waits too long asks again, and who has answered before answers once more: events that are published twice
// for good reason.
import type { Evidence } from './evidence.ts';

interface Event {
  readonly id: string;
  readonly causationid: string;
  readonly data: { readonly attempt?: number };
}

/** Ids of withdrawals that ask again, and of the answers to them. */
export function repeatedAnswers(published: Evidence['published']): ReadonlySet<string> {
  const asked = new Set<string>();
  for (const { messageId, routingKey, body } of published.values()) {
    if (routingKey !== 'order.withdrawn' || !body.includes('"attempt"')) continue;
    if ((JSON.parse(body.toString()) as Event).data.attempt !== undefined) asked.add(messageId);
  }
  if (asked.size === 0) return asked;
  const repeated = new Set(asked);
  for (const { messageId, routingKey, body } of published.values()) {
    if (!answers.has(routingKey)) continue;
    if (asked.has((JSON.parse(body.toString()) as Event).causationid)) repeated.add(messageId);
  }
  return repeated;
}

const answers: ReadonlySet<string> = new Set([
  'payment.refunded',
  'payment.voided',
  'inventory.released',
  'inventory.voided',
]);
