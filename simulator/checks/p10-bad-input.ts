// P10, bad input stores nothing: there is no order that nobody asked for, and none of a request that was refused.

import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* nothingUnaskedIsStored({ answers }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  const unexplained = byId.size - answers.accepted.size;
  const { unansweredRequests } = answers;
  if (unexplained <= unansweredRequests) return;
  const text = `${unexplained} orders that no answer has named, but only ${unansweredRequests} requests without an answer`;
  yield { subject: '', text };
}
