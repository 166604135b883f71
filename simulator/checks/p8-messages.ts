// P8, nothing vanishes: messages in = handled + duplicates + dead-lettered, and only what can never be handled is
// dead-lettered, with the right reason.
import { isDeepStrictEqual } from 'node:util';
import { choreography } from '../../shared/contract/choreography.ts';
import { uuidBytes, uuidText } from '../../shared/contract/event-id.ts';
import { consumedBy } from '../../shared/contract/language.ts';
import { instanceOf, serviceOf } from '../../shared/contract/members.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { DeadLetter } from '../environment/dead-letters.ts';
import { Counter } from '../environment/faults.ts';
import { poisonReasons } from '../environment/poison.ts';
import { deliveryLimit } from '../environment/sim-queue.ts';
import { eventIn, unpacked } from '../environment/unpacked.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';

export function* noMessageVanishes(evidence: Evidence): Generator<Finding> {
  for (const queue of evidence.queues) yield* wrongMessages(queue, evidence);
  yield* unhandledEvents(evidence);
  yield* deadLetteredTooOften(evidence);
  yield* wrongDeadLetters(evidence);
  const found = new Set(evidence.deadLetters.map(({ messageId }) => messageId));
  for (const { lost } of evidence.queues) for (const { message } of lost) found.add(message.messageId);
  for (const key of evidence.lostDeadLetters) found.add(key.slice(key.indexOf(' ') + 1));
  for (const [messageId, kind] of evidence.poison) {
    if (!found.has(messageId))
      yield { subject: '', text: `${messageId} (${kind}) is neither among the dead letters nor lost by a fault` };
  }
}

/** Events that a service subscribes to and that have not taken effect there. */
function* unhandledEvents({ members, published, queues }: Evidence): Generator<Finding> {
  for (const name of members.keys()) {
    if (!queues.some((queue) => queue.name === name)) continue;
    const inbox = inboxOf(members, name);
    const types = new Set<string>(consumedBy(choreography, serviceOf(name), instanceOf(name) !== undefined));
    for (const message of published.values()) {
      const { messageId, routingKey, correlationId = '' } = message;
      if (!types.has(routingKey) || inbox.has(messageId) || isOwn(message, name)) continue;
      yield { subject: correlationId, text: `${name} has never handled ${routingKey}` };
    }
  }
}

/**
 * Each delivery of an event may end as a dead letter, and so may the one time that it was fetched from a journal; once more
 * whenever the database was put back that knew of it.
 */
function* deadLetteredTooOften({ queues, deadLetters, poison, putBacks }: Evidence): Generator<Finding> {
  for (const queue of queues) {
    const deliveries = new Counter();
    for (const { message, redeliveries } of [...queue.acked, ...queue.deadLettered]) {
      for (const { messageId } of unpacked(message)) deliveries.add(messageId, 1 + redeliveries);
    }
    const dead = new Counter();
    const failed = new Set<string>();
    const forgotten = putBacks.filter(({ service }) => service === queue.name).length;
    for (const { service, messageId, reason } of deadLetters) {
      if (service !== queue.name) continue;
      dead.add(messageId);
      if (reason === 'reaction-failed') failed.add(messageId);
    }
    for (const [id, times] of dead.counts) {
      // What was dead-lettered at once is known by the time at which it could be fetched.
      const fetched = failed.has(id) && deliveries.get(id) > 0 ? 0 : 1;
      if (poison.has(id) || times <= deliveries.get(id) + fetched + forgotten) continue;
      const text = `${queue.name} has dead-lettered an event ${times} times that was delivered ${deliveries.get(id)} times`;
      yield { subject: '', text };
    }
  }
}

function* wrongMessages(
  queue: Evidence['queues'][number],
  { members, deadLetters, published, lost, lostDeadLetters }: Evidence,
): Generator<Finding> {
  const inbox = inboxOf(members, queue.name);
  const dead = new Set(deadLetters.filter(({ service }) => service === queue.name).map(({ messageId }) => messageId));
  const handled = new Set<string>();
  for (const message of queue.acked.flatMap((copy) => unpacked(copy.message))) {
    const { messageId, routingKey, correlationId } = message;
    if (inbox.has(messageId)) handled.add(messageId);
    else if (
      !dead.has(messageId) &&
      !lostDeadLetters.has(`${queue.name} ${messageId}`) &&
      !isOwn(message, queue.name)
    ) {
      const text = `${routingKey} was acked by ${queue.name}, which has neither handled nor dead-lettered it`;
      yield { subject: correlationId ?? '', text };
    }
  }
  for (const { message } of queue.deadLettered) {
    if (dead.has(message.messageId)) continue;
    const text = `${message.routingKey} was dead-lettered by the broker, and is not among the dead letters`;
    yield { subject: message.correlationId ?? '', text };
  }
  const done = queue.acked.length + queue.deadLettered.length + queue.lost.length;
  if (done !== queue.enqueued) {
    const text = `${queue.enqueued} messages in ${queue.name}, ${done} acked, dead-lettered or lost by a fault`;
    yield { subject: '', text };
  }
  for (const eventId of inbox) {
    // What the journal of an instance held that is gone by now may have been fetched from there, and from nowhere else.
    if (handled.has(eventId) || published.has(eventId) || lost.has(eventId)) continue;
    const subject = uuidBytes(eventId).toString('hex');
    yield { subject, text: `${queue.name} has handled event ${eventId}, which nobody has published` };
  }
}

/** An instance knows its own events from its journal, and needs no inbox for them. */
function isOwn(message: OutgoingMessage, member: string): boolean {
  return instanceOf(member) !== undefined && message.messageId !== '' && sourceOf(message) === member;
}

function sourceOf(message: OutgoingMessage): string | undefined {
  try {
    return eventIn(message).source;
  } catch {
    return undefined;
  }
}

/** Ids of the events that the owner of a queue has handled. */
function inboxOf(members: Evidence['members'], queue: string): ReadonlySet<string> {
  const db = members.get(queue);
  if (!db) throw new Error(`no service reads the queue ${queue}`);
  return new Set(
    db.prepare<[], Buffer>('SELECT event_id FROM inbox WHERE dead_letter = 0').pluck().all().map(uuidText),
  );
}

/** Each dead letter has a reason that a fault of the run explains, and the bytes of what it was. */
function* wrongDeadLetters(evidence: Evidence): Generator<Finding> {
  const { deadLetters, poison, brokenReactions } = evidence;
  const exhausted = exhaustedCopies(evidence);
  for (const letter of deadLetters) {
    const { service, messageId, subject, reason, detail, type } = letter;
    if (!hasItsBytes(letter, evidence))
      yield { subject, text: `${service} dead-lettered ${type} with other bytes than it had` };
    if (reason === 'delivery_limit') {
      if (exhausted.get(`${service} ${messageId}`) > 0) exhausted.add(`${service} ${messageId}`, -1);
      else yield { subject, text: `${type} counts as delivered too often to ${service}, and was not` };
      continue;
    }
    const kind = poison.get(messageId);
    if (kind !== undefined) {
      if (poisonReasons[kind] === reason) continue;
      yield { subject: '', text: `${messageId} (${kind}) is dead-lettered for ${reason}: ${detail}` };
    } else if (reason !== 'reaction-failed' || !brokenReactions.has(`${serviceOf(service)}/${type}/${subject}`)) {
      yield { subject, text: `${service} dead-lettered a good ${type}: ${reason}: ${detail}` };
    }
  }
}

/** Copies that have come back so often that the broker has dead-lettered them. */
function exhaustedCopies({ queues }: Evidence): Counter {
  const copies = new Counter();
  for (const { name, deadLettered } of queues) {
    for (const { message, redeliveries } of deadLettered) {
      if (redeliveries > deliveryLimit) copies.add(`${name} ${message.messageId}`);
    }
  }
  return copies;
}

/** What was published, or injected as poison, byte by byte. Of a batch, each event. */
function hasItsBytes({ service, messageId, body }: DeadLetter, { published, poisonBodies, lost }: Evidence): boolean {
  const known = published.get(messageId)?.body ?? poisonBodies.get(messageId);
  if (known?.equals(body)) return true;
  // Copies from peers are as they were stored: without their trace, or a place in a journal.
  if (instanceOf(service) !== undefined && known && isDeepStrictEqual(asStored(known), asStored(body))) return true;
  if (body[0] !== openBracket) return false;
  const events = JSON.parse(body.toString()) as { readonly id: string; readonly subject: string }[];
  return events.every(
    // What was lost and done again may have been published with another time.
    (event) => lost.has(event.subject) || published.get(event.id)?.body.equals(Buffer.from(JSON.stringify(event))),
  );
}
function asStored(body: Buffer): unknown {
  const { sequence: _, traceparent: __, ...event } = JSON.parse(body.toString()) as Record<string, unknown>;
  return event;
}

const openBracket = 0x5b;
