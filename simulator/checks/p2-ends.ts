// P2, every accepted order ends: confirmed or cancelled, once, and as the customer was answered.
import { finalEvents, hasEnded } from '../environment/saga-event.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* everyOrderEnds({ answers }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  for (const [subject, { row, facts }] of byId) {
    const { status } = row;
    if (!hasEnded(status)) yield { subject, text: `is still ${status} at the end` };
    const ends = finalEvents.filter((type) => facts.has(type));
    if (ends.length !== 1 || ends[0] !== `order.${status}`) {
      yield { subject, text: `is ${status}, and has published: ${ends.join(' and ') || 'no end'}` };
    }
    if (answers.accepted.get(subject)?.refused && status !== 'confirmed') {
      yield { subject, text: `its cancellation was refused because it was confirmed, and it is ${status}` };
    }
  }
}
