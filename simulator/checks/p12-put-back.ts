// P12, a database that was put back is noticed by both sides, and catches up; what is done again leads to the same events,
// and to no second charge.
import { choreography } from '../../shared/contract/choreography.ts';
import { consumedBy } from '../../shared/contract/language.ts';
import { instanceOf, serviceOf } from '../../shared/contract/members.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { eventIn } from '../environment/unpacked.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence, PutBackEvidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* putBackIsHarmless(evidence: Evidence, orders: OrderRecords): Generator<Finding> {
  yield* unnoticed(evidence);
  yield* notCaughtUp(evidence);
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

interface Entry {
  readonly eventId: string;
  readonly type: string;
  readonly subject: string;
}

function entriesOf(db: Database, types: string): Entry[] {
  const find = db.prepare<[string], Entry>(
    `SELECT lower(hex(event_id)) AS eventId, type, subject FROM journal
     WHERE dead_letter IS NULL AND type IN (SELECT value FROM json_each(?))`,
  );
  return find.all(types);
}

function idsIn(db: Database, rows: string): ReadonlySet<string> {
  return new Set(db.prepare<[], string>(`SELECT lower(hex(event_id)) FROM ${rows}`).pluck().all());
}

/** What a journal holds is handled or dead-lettered by all who subscribe to it, also where an order may disagree. */
function* notCaughtUp({ members, putBacks }: Evidence): Generator<Finding> {
  if (putBacks.length === 0) return;
  for (const [consumer, inbox] of members) {
    const known = idsIn(inbox, 'inbox');
    const types = JSON.stringify(consumedBy(choreography, serviceOf(consumer), instanceOf(consumer) !== undefined));
    for (const [publisher, db] of members) {
      if (publisher === consumer) continue;
      for (const { eventId, type, subject } of entriesOf(db, types)) {
        if (!known.has(eventId))
          yield { subject, text: `${consumer} has not caught up: it lacks ${type} of ${publisher}` };
      }
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
