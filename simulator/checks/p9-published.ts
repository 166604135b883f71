// P9, sent is sent: the broker has taken exactly the events that follow from the services' states.
import { type PerSagaService, serviceNames } from '../../services.ts';
import { uuidText } from '../../shared/contract/event-id.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { isSagaEvent } from '../environment/saga-event.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecord, OrderRecords } from './order-records.ts';
import { repeatedAnswers } from './repeated-answers.ts';

/** What each service must have published to be in the state it is in. A service of the saga that is missing does not compile. */
const expectedEvents: PerSagaService<(record: OrderRecord) => readonly string[]> = {
  'order-service': ({ facts }) => [...facts].filter((type) => type.startsWith('order.') && isSagaEvent(type)),
  'payment-service': ({ payment }) => (payment ? (eventsOfPayment[payment.status] ?? []) : []),
  'inventory-service': ({ reservation }) => (reservation ? (eventsOfReservation[reservation] ?? []) : []),
};

const eventsOfPayment: Readonly<Record<string, readonly string[]>> = {
  completed: ['payment.completed'],
  failed: ['payment.failed'],
  voided: ['payment.voided'],
  refunded: ['payment.completed', 'payment.refunded'],
};

const eventsOfReservation: Readonly<Record<string, readonly string[]>> = {
  reserved: ['inventory.reserved'],
  rejected: ['inventory.rejected'],
  voided: ['inventory.voided'],
  released: ['inventory.reserved', 'inventory.released'],
};

export function* stateAndEventsMatch({ members, published }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  const typesByOrder = publishedTypes(published);
  const repeated = publishedTypes(onlyRepeated(published));
  for (const [subject, record] of byId) {
    const types = typesByOrder.get(subject) ?? new Set();
    const expected = serviceNames.flatMap((name) => expectedEvents[name]?.(record) ?? []);
    for (const type of expected) {
      if (!types.has(type)) yield { subject, text: `${type} never arrived at the broker` };
    }
    for (const type of types) {
      if (!expected.includes(type) && !repeated.get(subject)?.has(type))
        yield { subject, text: `${type} was published, but its service does not show it` };
    }
  }
  for (const [name, db] of members) {
    const left = journalOf(db).filter((id) => !published.has(id)).length;
    if (left > 0) yield { subject: '', text: `${left} events in the journal of ${name} never arrived at the broker` };
  }
}

/** Ids of all events in a journal. */
function journalOf(db: Database): string[] {
  const ids = db.prepare<[], Buffer>('SELECT event_id FROM journal WHERE dead_letter IS NULL').pluck();
  return ids.all().map(uuidText);
}

function onlyRepeated(published: Evidence['published']): Evidence['published'] {
  const repeated = repeatedAnswers(published);
  return new Map([...published].filter(([id]) => repeated.has(id)));
}

/** Types of the events that the broker has taken, by order. */
function publishedTypes(published: Evidence['published']): Map<string, Set<string>> {
  const byOrder = new Map<string, Set<string>>();
  for (const { routingKey, correlationId = '' } of published.values()) {
    if (!isSagaEvent(routingKey)) continue;
    const types = byOrder.get(correlationId) ?? new Set();
    byOrder.set(correlationId, types.add(routingKey));
  }
  return byOrder;
}
