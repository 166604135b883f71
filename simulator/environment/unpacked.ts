// The events of a message, one by one: the checks are about events, however many of them shared a message.

import { cloudEventBatchContentType, cloudEventContentType } from '../../shared/contract/cloud-event.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';

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
