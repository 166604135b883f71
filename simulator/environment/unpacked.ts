// The events of a message, one by one: the checks are about events, however many of them shared a message. What has been read
// once is not read again.
import {
  type CloudEvent,
  cloudEventBatchContentType,
  cloudEventContentType,
} from '../../shared/contract/cloud-event.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';

const unpackedBefore = new WeakMap<OutgoingMessage, OutgoingMessage[]>();
const readBefore = new WeakMap<OutgoingMessage, CloudEvent>();

/** The messages that the events of a batch would have been; any other message is itself. */
export function unpacked(message: OutgoingMessage): OutgoingMessage[] {
  if (message.contentType !== cloudEventBatchContentType) return [message];
  const known = unpackedBefore.get(message);
  if (known) return known;
  const events = JSON.parse(message.body.toString()) as CloudEvent[];
  const messages = events.map((event) => ({
    ...message,
    contentType: cloudEventContentType,
    messageId: event.id,
    correlationId: event.subject,
    body: Buffer.from(JSON.stringify(event)),
  }));
  unpackedBefore.set(message, messages);
  return messages;
}

/** The event in a message of one event that a service has published. */
export function eventIn(message: OutgoingMessage): CloudEvent {
  const known = readBefore.get(message);
  if (known) return known;
  const event = JSON.parse(message.body.toString()) as CloudEvent;
  readBefore.set(message, event);
  return event;
}
