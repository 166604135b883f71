// P10, bad input stores nothing: there is no order that nobody asked for, and none of a request that was refused.

import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* nothingUnaskedIsStored({ answers, lost }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  // One whose request was repeated after its database was put back is rebuilt from what payment-service knows.
  const isExplained = (orderId: string) => answers.accepted.has(orderId) || lost.has(orderId);
  const unexplained = [...byId.keys()].filter((orderId) => !isExplained(orderId)).length;
  const { unansweredRequests } = answers;
  if (unexplained <= unansweredRequests) return;
  const text = `${unexplained} orders that no answer has named, but only ${unansweredRequests} requests without an answer`;
  yield { subject: '', text };
}
