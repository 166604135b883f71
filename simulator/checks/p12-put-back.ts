// P12, a database that was put back is noticed by both sides; what is done again leads to the same events, and to no
// second charge.
import type { Database } from '../../shared/runtime/storage/database.ts';
import { eventIn } from '../environment/unpacked.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence, PutBackEvidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* putBackIsHarmless(evidence: Evidence, orders: OrderRecords): Generator<Finding> {
  yield* unnoticed(evidence);
  yield* chargedAgain(evidence, orders);
  yield* differentIds(evidence);
}

/** A service and its consumers must have noticed what one of these still knows and the journal does not hold. */
function* unnoticed(evidence: Evidence): Generator<Finding> {
  for (const putBack of evidence.putBacks) {
    const { service, atMs } = putBack;
    const consumers = new Set([...whoHadCompared(putBack, evidence), ...whoHadHandled(putBack, evidence)]);
    for (const owner of consumers.size > 0 ? [service, ...consumers] : []) {
      const reported = evidence.putBackReports.some(
        ({ by, publisher, atMs: reportedAtMs }) => by === owner && publisher === service && reportedAtMs >= atMs,
      );
      if (!reported) yield { subject: '', text: `${service} was put back, and ${owner} has not reported it` };
    }
  }
}

/** What was done again and came out the same leaves nothing to notice, nor does a consumer that was put back itself. */
function whoHadCompared({ service, atMs, ahead }: PutBackEvidence, evidence: Evidence): string[] {
  const { databases, putBacks, instancesLost } = evidence;
  const eventAt = databases[service]
    .prepare<[number], string>('SELECT lower(hex(event_id)) FROM journal WHERE position = ?')
    .pluck();
  const others = ahead.filter(({ consumer, position, eventId }) => {
    const later = putBacks.some((other) => other.atMs >= atMs && other.service === consumer);
    const lost = instancesLost.some((other) => other.atMs >= atMs && other.member === consumer);
    return !later && !lost && eventAt.get(position) !== eventId?.replaceAll('-', '');
  });
  return others.map(({ consumer }) => consumer);
}

/** However young the copy was: an event that is in effect at a consumer, and that its publisher has not published again. */
function whoHadHandled({ service, handled }: PutBackEvidence, { databases, members }: Evidence): string[] {
  const published = idsIn(databases[service], 'journal');
  const others = handled.filter(({ consumer, eventIds }) => {
    const db = members.get(consumer);
    if (!db) return false;
    const inEffect = idsIn(db, 'inbox WHERE dead_letter = 0');
    return eventIds.some((eventId) => !published.has(eventId) && inEffect.has(eventId));
  });
  return others.map(({ consumer }) => consumer);
}

function idsIn(db: Database, rows: string): ReadonlySet<string> {
  return new Set(db.prepare<[], string>(`SELECT lower(hex(event_id)) FROM ${rows}`).pluck().all());
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
  for (const message of published.values()) {
    const { messageId, routingKey, correlationId = '' } = message;
    const { causationid, source } = eventIn(message);
    if (!published.has(causationid)) continue;
    const key = `${causationid} ${source} ${routingKey}`;
    const known = idOf.get(key);
    if (known === undefined) idOf.set(key, messageId);
    else yield { subject: correlationId, text: `the same cause has led to two events ${routingKey}` };
  }
}
