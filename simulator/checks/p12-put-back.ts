// P12, a database that was put back is noticed by both sides; what is done again leads to the same events, and to no
// second charge.
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* putBackIsHarmless(evidence: Evidence, orders: OrderRecords): Generator<Finding> {
  yield* unnoticed(evidence);
  yield* chargedAgain(evidence, orders);
  yield* differentIds(evidence);
}

function* unnoticed({ putBacks, putBackReports }: Evidence): Generator<Finding> {
  for (const { service, atMs, ahead } of putBacks) {
    const owners = ahead.length > 0 ? [service, ...ahead] : [];
    for (const owner of owners) {
      const reported = putBackReports.some(
        ({ by, publisher, atMs: reportedAtMs }) => by === owner && publisher === service && reportedAtMs >= atMs,
      );
      if (!reported) yield { subject: '', text: `${service} was put back, and ${owner} has not reported it` };
    }
  }
}

function* chargedAgain({ lost }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  for (const subject of lost) {
    const charges = byId.get(subject)?.ledger.filter(({ kind }) => kind === 'charge') ?? [];
    if (charges.length > 1)
      yield { subject, text: `was charged ${charges.length} times after a database was put back` };
  }
}

/** What is handled again must lead to the same event again, not to another one like it. */
function* differentIds({ published }: Evidence): Generator<Finding> {
  const idOf = new Map<string, string>();
  for (const { messageId, routingKey, body, correlationId = '' } of published.values()) {
    const { causationid, source } = JSON.parse(body.toString()) as { causationid: string; source: string };
    if (!published.has(causationid)) continue;
    const key = `${causationid} ${source} ${routingKey}`;
    const known = idOf.get(key);
    if (known === undefined) idOf.set(key, messageId);
    else yield { subject: correlationId, text: `the same cause has led to two events ${routingKey}` };
  }
}
