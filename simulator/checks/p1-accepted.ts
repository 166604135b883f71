// P1, accepted is accepted: whatever a customer was answered with 2xx is still so.

import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* acceptedOrdersAreKept({ answers }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  for (const accepted of answers.accepted.values()) {
    const subject = accepted.orderId;
    const row = byId.get(subject)?.row;
    if (!row) {
      yield { subject, text: 'was accepted, and does not exist any more' };
      continue;
    }
    const items = JSON.stringify(accepted.items);
    if (row.total !== accepted.total || row.user_id !== accepted.userId || row.items !== items) {
      yield { subject, text: 'differs from what was accepted' };
    }
    if (accepted.cancelled && row.status !== 'cancelled') {
      yield { subject, text: `its cancellation was accepted, and it is ${row.status}` };
    }
  }
}
