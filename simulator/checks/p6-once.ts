// P6, once: no event of an order is published as two events, except an answer that was asked for again. replay.ts checks
// what redelivery does.
import { isSagaEvent } from '../environment/saga-event.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import { repeatedAnswers } from './repeated-answers.ts';

export function* eventsArePublishedOnce({ published }: Evidence): Generator<Finding> {
  const repeated = repeatedAnswers(published);
  const seen = new Set<string>();
  for (const { messageId, routingKey, correlationId = '' } of published.values()) {
    if (!isSagaEvent(routingKey) || repeated.has(messageId)) continue;
    const key = `${correlationId} ${routingKey}`;
    if (seen.has(key)) yield { subject: correlationId, text: `${routingKey} was published as two events` };
    seen.add(key);
  }
}
