// A message, or a part of one, that cannot be handled, as the journal takes it on its way to the dead-letter queue.
import { cloudEventContentType } from '../../contract/cloud-event.ts';
import { deadLetterQueueOf } from '../../contract/topology.ts';
import { isoTime } from '../environment/clock.ts';
import type { NewEntry } from '../storage/journal.ts';
import type { DeadLetterReason, Job } from './message-parts.ts';

/** Enough for a person to act on. */
const detailCharsMax = 500;

export function deadLetterEntry(
  job: Job,
  { reason, detail }: DeadLetterReason,
  { member, eventId, nowMs }: { readonly member: string; readonly eventId: string; readonly nowMs: number },
): NewEntry {
  const { delivery } = job.message;
  const headers = {
    'x-cause': reason,
    'x-detail': detail.slice(0, detailCharsMax),
    'x-dead-lettered-by': member,
    'x-dead-lettered-at': isoTime(nowMs),
    'x-original-exchange': delivery.exchange,
    'x-original-routing-key': delivery.routingKey,
    'x-original-message-id': job.event?.id ?? delivery.messageId ?? '',
    'x-original-content-type': job.contentType.slice(0, 255),
  };
  // Nothing foreign goes into a message's own properties: they have limits that a publisher elsewhere may have met.
  const contentType = job.event ? cloudEventContentType : 'application/octet-stream';
  return {
    eventId,
    type: deadLetterQueueOf(member),
    subject: job.event?.subject ?? '',
    body: job.bytes(),
    deadLetter: { contentType, headers },
  };
}
