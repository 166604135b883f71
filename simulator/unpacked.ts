// What a message says, event by event: the checks are about events, however many of them shared a message.
import type { OutgoingMessage } from '../shared/bus.ts';
import { cloudEventBatchContentType, cloudEventContentType } from '../shared/cloud-event.ts';

/** The messages that the events of a batch would have been; any other message is itself. */
export function unpacked(message: OutgoingMessage): OutgoingMessage[] {
  if (message.contentType !== cloudEventBatchContentType) return [message];
  const events = JSON.parse(message.body.toString()) as { readonly id: string; readonly subject: string }[];
  return events.map((event) => ({
    ...message,
    contentType: cloudEventContentType,
    messageId: event.id,
    correlationId: event.subject,
    body: Buffer.from(JSON.stringify(event)),
  }));
}
