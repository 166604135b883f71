// P9, sent is sent: the broker has taken exactly the events that follow from the services' states.
import { type PerSagaService, serviceNames } from '../../services.ts';
import { isSagaEvent } from '../saga-event.ts';
import type { Evidence, Finding } from './evidence.ts';
import type { OrderRecord, OrderRecords } from './order-records.ts';
import { totalOf } from './totals.ts';

/** What each service must have published to be in the state it is in. A service of the saga that is missing does not compile. */
const expectedEvents: PerSagaService<(record: OrderRecord) => readonly string[]> = {
  'order-service': ({ facts }) => [...facts].filter((type) => type.startsWith('order.')),
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

export function* stateAndEventsMatch({ databases, published }: Evidence, { byId }: OrderRecords): Generator<Finding> {
  const typesByOrder = publishedTypes(published);
  for (const [subject, record] of byId) {
    const types = typesByOrder.get(subject) ?? new Set();
    const expected = serviceNames.flatMap((name) => expectedEvents[name]?.(record) ?? []);
    for (const type of expected) {
      if (!types.has(type)) yield { subject, text: `${type} never arrived at the broker` };
    }
    for (const type of types) {
      if (!expected.includes(type)) yield { subject, text: `${type} was published, but its service does not show it` };
    }
  }
  for (const name of serviceNames) {
    const left = totalOf(databases[name], 'SELECT count(*) FROM outbox');
    if (left > 0) yield { subject: '', text: `${left} messages are left in the outbox of ${name}` };
  }
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
