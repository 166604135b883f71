// What a message holds, on its way through the event handler: one event, or several, or something that is none.
import { type CloudEvent, positionOf } from '../../contract/cloud-event.ts';
import type { Decoded } from '../../contract/read-message.ts';
import type { InboxEvent } from '../storage/inbox.ts';
import type { Delivery } from './bus.ts';
import type { Span } from './tracing.ts';

/** A message in hand: done when everything in it is. */
export interface Message {
  readonly delivery: Pick<Delivery, 'exchange' | 'routingKey' | 'redelivered' | 'messageId'>;
  left: number;
  /** One of its parts could not even be stored as a dead letter. */
  rejected: boolean;
  readonly done: () => void;
  /** Leaves it to the broker to dead-letter the message as it is. */
  readonly reject: (() => void) | undefined;
}

/** What a message holds in one place: an event, or something that is none. */
export interface Part {
  /** For the dead-letter queue: of a batch, only what could not be handled. */
  bytes(): Buffer;
  /** Of those bytes. */
  readonly contentType: string;
  readonly event: CloudEvent | undefined;
  /** Set: it goes to the dead-letter queue. */
  readonly deadLetter: DeadLetterReason | undefined;
}

/** A part on its way through. */
export class Job {
  readonly #part: Part;
  readonly event: CloudEvent | undefined;
  /** Set: it goes to the dead-letter queue. */
  deadLetter: DeadLetterReason | undefined;
  readonly message: Message;
  readonly receivedAtMs: number;
  /** What is known of it from its publisher's journal, if it was fetched from there. */
  readonly fetched: InboxEvent | undefined;
  /** Undefined: nothing is traced, or there is no event to tell the trace. */
  span: Span | undefined = undefined;
  /** Called when it is done, or is put off: the process has not died of it. */
  survived: (() => void) | undefined = undefined;
  failures = 0;
  transientFailures = 0;

  constructor(part: Part, message: Message, receivedAtMs: number, fetched?: InboxEvent) {
    this.#part = part;
    this.event = part.event;
    this.deadLetter = part.deadLetter;
    this.message = message;
    this.receivedAtMs = receivedAtMs;
    this.fetched = fetched;
  }

  /** For the dead-letter queue. */
  bytes(): Buffer {
    return this.#part.bytes();
  }

  /** Of those bytes. */
  get contentType(): string {
    return this.#part.contentType;
  }
}

export interface DeadLetterReason {
  readonly reason: string;
  readonly detail: string;
}

/** @param consumed the event types that the service subscribes to */
export function partOf(decoded: Decoded, service: string, consumed: ReadonlySet<string>): Part {
  const { bytes, contentType } = decoded;
  if ('error' in decoded) {
    const { code, message } = decoded.error;
    return { bytes, contentType, event: undefined, deadLetter: { reason: code, detail: message } };
  }
  const { event } = decoded;
  if (consumed.has(event.type)) return { bytes, contentType, event, deadLetter: undefined };
  const detail = `${service} does not subscribe to '${event.type}'`;
  return { bytes, contentType, event, deadLetter: { reason: 'unknown-type', detail } };
}

/** How the inbox knows an event. */
export function inboxEventOf(event: CloudEvent): InboxEvent {
  return { id: event.id, source: event.source, position: positionOf(event) };
}
