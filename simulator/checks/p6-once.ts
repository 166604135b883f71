// P6, once: no event of an order is published as two events. replay.ts checks what redelivery does.
import { isSagaEvent } from '../saga-event.ts';
import type { Evidence, Finding } from './evidence.ts';

export function* eventsArePublishedOnce({ published }: Evidence): Generator<Finding> {
  const seen = new Set<string>();
  for (const { routingKey, correlationId = '' } of published.values()) {
    if (!isSagaEvent(routingKey)) continue;
    const key = `${correlationId} ${routingKey}`;
    if (seen.has(key)) yield { subject: correlationId, text: `${routingKey} was published as two events` };
    seen.add(key);
  }
}
