// P7, any order: the status follows from the set of facts, and a compensation that overtakes its action fences it off.
import { statusOf } from '../../order-service/order.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';
import { costOf, paidAfterItsFence } from './p3-money.ts';
import { reservedAfterItsFence, wrongReservations } from './p4-stock.ts';

export function* orderOfArrivalDoesNotMatter({ instances }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  for (const [subject, record] of byId) {
    const { status } = record.row;
    const derived = statusOf(record.facts);
    // Where an order was adopted, its decider may have overruled a decision that is a fact, too.
    const overruled = instances !== undefined && instances.adopted.size > 0;
    if (derived !== status && !overruled) yield { subject, text: `is ${status}, but its facts make it ${derived}` };
    if (paidAfterItsFence(record)) yield { subject, text: `is cancelled and has cost ${costOf(record)}` };
    if (!reservedAfterItsFence(record)) continue;
    for (const text of wrongReservations(record)) yield { subject, text };
  }
}
