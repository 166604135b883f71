// P6, once: no event of an order is published as two events, except an answer that was asked for again. replay.ts checks
// what redelivery does.
import { isSagaEvent } from '../environment/saga-event.ts';
import { eventIn } from '../environment/unpacked.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import { repeatedAnswers } from './repeated-answers.ts';

export function* eventsArePublishedOnce({ published, instances }: Evidence): Generator<Finding> {
  const repeated = repeatedAnswers(published);
  const seen = new Set<string>();
  for (const message of published.values()) {
    const { messageId, routingKey, correlationId = '' } = message;
    if (!isSagaEvent(routingKey) || repeated.has(messageId)) continue;
    // Whoever adopts an order may not know what was decided before: once each.
    const source = instances && instances.adopted.size > 0 ? eventIn(message).source : '';
    const key = `${correlationId} ${routingKey} ${source}`;
    if (seen.has(key)) yield { subject: correlationId, text: `${routingKey} was published as two events` };
    seen.add(key);
  }
}
