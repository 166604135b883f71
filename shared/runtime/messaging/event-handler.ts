// Handles what arrives: decode, deduplicate, react, publish, commit, and only then ack. What cannot be handled goes to the
// dead-letter queue with its reason, by way of the journal, so that it cannot get lost.
import { createHash } from 'node:crypto';
import {
  type CloudEvent,
  cloudEventContentType,
  type Decoded,
  decodeMessage,
  positionOf,
} from '../../contract/cloud-event.ts';
import { causedEventId } from '../../contract/event-id.ts';
import { type Choreography, consumedBy } from '../../contract/language.ts';
import { deadLetterQueueOf, exchangeOf } from '../../contract/topology.ts';
import { backoffMs, type Clock, isoTime } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import { RateLimitedLog } from '../environment/rate-limited-log.ts';
import { isTransient } from '../storage/database.ts';
import type { HitFailpoint } from '../storage/group-commit.ts';
import type { Inbox, InboxEvent } from '../storage/inbox.ts';
import type { Journal } from '../storage/journal.ts';
import type { Delivery } from './bus.ts';
import type { SuspectMessages } from './suspect-messages.ts';
import type { Emission, Moment, UnitsOfWork } from './unit-of-work.ts';

/** Times that a reaction which throws is tried before its event is dead-lettered. */
export const handlingAttempts = 3;
/** The same for an event about something unknown: what it refers to may be on its way. About two minutes in all. */
const unknownSubjectAttempts = 30;
const handlingRetryMinMs = 50;
const handlingRetryMaxMs = 5_000;
const transientRetryMinMs = 100;
const transientRetryMaxMs = 5_000;
/** Transient errors that one event may meet while others get through. */
const transientAttempts = 20;
/** Events decoded and not yet done; further deliveries wait undecoded. */
const eventsInHandMax = 512;

/**
 * Thrown by a reaction to an event about something that this service does not know, and should: the event that made it
 * known was lost or is late. Reconciliation fetches that one; meanwhile this one is retried.
 */
export class UnknownSubjectError extends Error {
  override readonly name = 'UnknownSubjectError';
}

/**
 * Thrown by a reaction to an event that contradicts what this service knows: another amount, a payment that exists already.
 * It is dead-lettered at once: trying again would change nothing.
 */
export class ContradictoryEventError extends Error {
  override readonly name = 'ContradictoryEventError';
}

/**
 * A synchronous function from an event, inside the open transaction, to one of the outcomes that the contract declares:
 * an event to publish, or a silent outcome. (Declared as a method so that reactions may take narrower event types.)
 */
export type Reaction = { react(event: CloudEvent, at: Moment): Emission | string }['react'];

export interface Tally {
  delivered: number;
  handled: number;
  duplicates: number;
  deadLettered: number;
  /** Fetched from a journal, since the broker had not brought them. */
  reconciled: number;
  /** How often each declared outcome came about, as `order.placed -> payment.failed`. */
  readonly outcomes: Map<string, number>;
}

export interface EventHandlerOptions {
  readonly contract: Choreography;
  readonly service: string;
  readonly reactions: Readonly<Record<string, Reaction>>;
  readonly units: UnitsOfWork;
  readonly inbox: Inbox;
  readonly journal: Journal;
  readonly suspects: SuspectMessages;
  readonly clock: Clock;
  readonly log: Log;
  readonly hit?: HitFailpoint | undefined;
  /** Something that an event refers to is not known here: a good moment to reconcile. */
  readonly subjectUnknown?: (() => void) | undefined;
}

/** A message in hand: done when everything in it is. */
interface Message {
  readonly delivery: Pick<Delivery, 'exchange' | 'routingKey' | 'redelivered' | 'messageId'>;
  left: number;
  /** One of its parts could not even be stored as a dead letter. */
  rejected: boolean;
  readonly done: () => void;
  /** Leaves it to the broker to dead-letter the message as it is. */
  readonly reject: (() => void) | undefined;
}

/** What a message holds in one place: an event, or something that is none. */
interface Part {
  /** For the dead-letter queue: of a batch, only what could not be handled. */
  bytes(): Buffer;
  readonly event: CloudEvent | undefined;
  /** Set: it goes to the dead-letter queue. */
  deadLetter: DeadLetterReason | undefined;
}

/** A part on its way through. */
interface Job extends Part {
  readonly message: Message;
  readonly contentType: string;
  /** What is known of it from its publisher's journal, if it was fetched from there. */
  readonly fetched: InboxEvent | undefined;
  readonly receivedAtMs: number;
  /** Called when it is done, or is put off: the process has not died of it. */
  finished?: (() => void) | undefined;
  failures: number;
  transientFailures: number;
}

interface DeadLetterReason {
  readonly reason: string;
  readonly detail: string;
}

/** An event that was fetched from its publisher's journal, with its bytes. */
export interface FetchedEvent {
  readonly body: Buffer;
  readonly eventId: string;
  readonly position: number;
  readonly source: string;
}

export class EventHandler {
  readonly tally: Tally = {
    delivered: 0,
    handled: 0,
    duplicates: 0,
    deadLettered: 0,
    reconciled: 0,
    outcomes: new Map(),
  };
  readonly #options: EventHandlerOptions;
  readonly #consumed: ReadonlySet<string>;
  readonly #log: RateLimitedLog;
  /** Deliveries that are not decoded yet. */
  #waiting: Delivery[] = [];
  /** Jobs that wait for a transient error to pass. */
  readonly #held: Job[] = [];
  /** Highest position delivered by the broker, by publisher. */
  readonly #delivered = new Map<string, number>();
  #faults = 0;
  #inHand = 0;
  #stopped = false;

  constructor(options: EventHandlerOptions) {
    this.#options = options;
    this.#consumed = new Set(consumedBy(options.contract, options.service));
    this.#log = new RateLimitedLog(options.log, options.clock);
  }

  /** True when no message is between its delivery and its ack. */
  get idle(): boolean {
    return this.#inHand === 0 && this.#waiting.length === 0 && this.#options.suspects.idle;
  }

  /** The highest journal position of this publisher that the broker has delivered to this process. */
  deliveredPosition(source: string): number {
    return this.#delivered.get(source) ?? 0;
  }

  deliver(delivery: Delivery): void {
    if (this.#stopped) return;
    if (!this.#options.suspects.isSuspect(delivery)) {
      this.#waiting.push(delivery);
      return this.#pump();
    }
    const parts = this.#partsOf(delivery);
    const message = this.#message(delivery, parts);
    const contentType = contentTypeOf(delivery, parts);
    for (const part of parts) this.#handleAlone(part, message, contentType);
  }

  /** Handles events that the broker has not brought, all of one publisher, and calls back when all are done. */
  handleFetched(events: readonly FetchedEvent[], done: () => void): void {
    const { contract, suspects } = this.#options;
    const source = events[0]?.source;
    if (source === undefined) return done();
    suspects.together(`fetched from ${source}`, (apart, finished) => {
      let left = events.length;
      const doneOne = () => {
        left -= 1;
        if (left > 0) return;
        finished();
        done();
      };
      for (const { body, eventId, position } of events) {
        this.tally.reconciled += 1;
        const parts = decodeMessage(body, cloudEventContentType, contract).map((one) => this.#part(one));
        const routingKey = parts[0]?.event?.type ?? '';
        const delivery = { exchange: exchangeOf(source), routingKey, redelivered: false, messageId: eventId };
        const message: Message = { delivery, left: parts.length, rejected: false, done: doneOne, reject: undefined };
        const fetched = { id: eventId, position, source };
        for (const part of parts) {
          if (apart) this.#handleAlone(part, message, cloudEventContentType, fetched);
          else this.#begin(this.#job(part, message, cloudEventContentType, fetched));
        }
      }
    });
  }

  /** What is not committed by now will be delivered again to whoever comes next. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#inHand -= this.#held.length;
    this.#held.length = 0;
    this.#options.suspects.stop();
  }

  #pump(): void {
    while (this.#inHand < eventsInHandMax && !this.#stopped) {
      const delivery = this.#waiting.shift();
      if (!delivery) return;
      this.#admit(delivery);
    }
  }

  #admit(delivery: Delivery): void {
    const parts = this.#partsOf(delivery);
    const message = this.#message(delivery, parts);
    for (const part of parts) this.#begin(this.#job(part, message, contentTypeOf(delivery, parts)));
  }

  /** A suspect: nothing else that is suspect is in hand with it, and its attempt is on disk. */
  #handleAlone(part: Part, message: Message, contentType: string, fetched?: InboxEvent): void {
    const hash = createHash('sha256').update(part.bytes()).digest('hex');
    this.#options.suspects.add(hash, (crashes, done) => {
      const job = { ...this.#job(part, message, contentType, fetched), finished: done };
      if (crashes !== undefined) job.deadLetter = { reason: 'crashes-the-process', detail: crashes };
      this.#begin(job);
    });
  }

  #begin(job: Job): void {
    this.#inHand += 1;
    this.#submit(job);
  }

  #partsOf({ body, contentType }: Delivery): Part[] {
    return decodeMessage(body, contentType, this.#options.contract).map((decoded) => this.#part(decoded));
  }

  #message(delivery: Delivery, parts: readonly Part[]): Message {
    this.tally.delivered += parts.length;
    for (const { event } of parts) if (event) this.#noteDelivered(event);
    return {
      delivery,
      left: parts.length,
      rejected: false,
      done: () => delivery.ack(),
      reject: () => delivery.reject(),
    };
  }

  #noteDelivered(event: CloudEvent): void {
    const position = positionOf(event) ?? 0;
    if (position > this.deliveredPosition(event.source)) this.#delivered.set(event.source, position);
  }

  #job(part: Part, message: Message, contentType: string, fetched?: InboxEvent): Job {
    return {
      ...part,
      message,
      contentType,
      fetched,
      receivedAtMs: this.#options.clock.nowMs(),
      failures: 0,
      transientFailures: 0,
    };
  }

  #part(decoded: Decoded): Part {
    const { bytes } = decoded;
    if ('error' in decoded) {
      return { bytes, event: undefined, deadLetter: { reason: decoded.error.code, detail: decoded.error.message } };
    }
    const { event } = decoded;
    if (this.#consumed.has(event.type)) return { bytes, event, deadLetter: undefined };
    const detail = `${this.#options.service} does not subscribe to '${event.type}'`;
    return { bytes, event, deadLetter: { reason: 'unknown-type', detail } };
  }

  #submit(job: Job): void {
    if (job.deadLetter) this.#deadLetter(job, job.deadLetter);
    else if (job.event) this.#handle(job, job.event);
  }

  #handle(job: Job, event: CloudEvent): void {
    const { units, inbox, reactions, service } = this.#options;
    const reaction = reactions[event.type];
    units.submit(
      {
        lane: 'event',
        cause: { causationId: event.id, traceparent: event.traceparent },
        eventId: (type) => causedEventId(event.id, service, type),
        run: (tx): string => {
          if (!inbox.accept(inboxEventOf(event), tx.nowMs)) return 'duplicate';
          if (!reaction) throw new Error(`${service} has no reaction to ${event.type}`);
          const outcome = reaction(event, tx);
          if (typeof outcome === 'string') return outcome;
          tx.publish(outcome);
          return outcome.type;
        },
      },
      (result) => {
        if (!result.ok) return this.#failed(job, result.error);
        this.#count(event, result.value);
        this.#done(job, result.value);
      },
    );
  }

  #count(event: CloudEvent, outcome: string): void {
    if (outcome === 'duplicate') {
      this.tally.duplicates += 1;
      return;
    }
    this.tally.handled += 1;
    const key = `${event.type} -> ${outcome}`;
    this.tally.outcomes.set(key, (this.tally.outcomes.get(key) ?? 0) + 1);
  }

  #deadLetter(job: Job, { reason, detail }: DeadLetterReason): void {
    const { units, inbox, journal, service, clock } = this.#options;
    const { delivery } = job.message;
    // Larger than what is read, so larger than what is stored: the broker moves it as it is.
    if (reason === 'too-large' && job.message.reject) return this.#reject(job, reason, detail);
    const known = job.fetched ?? (job.event && inboxEventOf(job.event));
    units.submit(
      {
        lane: 'event',
        cause: { causationId: '', traceparent: '' },
        run: (tx) => {
          const headers = {
            'x-cause': reason,
            'x-detail': detail.slice(0, 500),
            'x-dead-lettered-by': service,
            'x-dead-lettered-at': isoTime(tx.nowMs),
            'x-original-exchange': delivery.exchange,
            'x-original-routing-key': delivery.routingKey,
            'x-original-message-id': job.event?.id ?? delivery.messageId ?? '',
            'x-original-content-type': job.contentType.slice(0, 255),
          };
          // Nothing foreign goes into a message's own properties: they have limits that a publisher elsewhere may have met.
          const contentType = job.event ? cloudEventContentType : 'application/octet-stream';
          journal.append(
            {
              eventId: clock.newId(),
              type: deadLetterQueueOf(service),
              subject: job.event?.subject ?? '',
              body: job.bytes(),
              deadLetter: { contentType, headers },
            },
            tx.nowMs,
          );
          if (known) inbox.deadLettered(known, tx.nowMs);
        },
      },
      (result) => {
        if (!result.ok) return this.#deadLetterFailed(job, result.error);
        this.tally.deadLettered += 1;
        this.#log.write(
          'error',
          {
            event: job.event?.type,
            eventId: job.event?.id ?? delivery.messageId,
            subject: job.event?.subject,
            reason,
            detail,
          },
          'dead-lettered: this message cannot be handled',
        );
        this.#done(job, 'dead-lettered');
      },
    );
  }

  /** A dead letter that cannot even be stored is left to the broker. */
  #deadLetterFailed(job: Job, error: unknown): void {
    if (this.#stopped || isTransient(error)) return this.#failed(job, error);
    this.#reject(job, 'cannot-be-stored', String(error));
  }

  #reject(job: Job, reason: string, detail: string): void {
    const { delivery } = job.message;
    this.#log.write(
      'error',
      { eventId: delivery.messageId, routingKey: delivery.routingKey, reason, detail },
      'rejected: the broker dead-letters this message',
    );
    this.tally.deadLettered += 1;
    job.message.rejected = true;
    this.#finish(job);
  }

  #done(job: Job, outcome: string): void {
    const { hit, log, clock } = this.#options;
    this.#faults = 0;
    hit?.('before-ack');
    this.#finish(job);
    const { event } = job;
    if (!event) return;
    log.info(
      {
        event: event.type,
        eventId: event.id,
        subject: event.subject,
        outcome,
        redelivered: job.message.delivery.redelivered || undefined,
        ms: clock.nowMs() - job.receivedAtMs,
      },
      'handled',
    );
  }

  #finish(job: Job): void {
    const { message } = job;
    this.#inHand -= 1;
    message.left -= 1;
    if (message.left === 0) (message.rejected && message.reject ? message.reject : message.done)();
    survived(job);
    this.#pump();
  }

  #failed(job: Job, error: unknown): void {
    if (this.#stopped) {
      this.#inHand -= 1;
      return;
    }
    if (isTransient(error)) return this.#transient(job, error);
    job.failures += 1;
    const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const unknown = error instanceof UnknownSubjectError;
    const { event } = job;
    this.#log.write(
      unknown ? 'warn' : 'error',
      { event: event?.type, eventId: event?.id, subject: event?.subject, failures: job.failures, detail },
      unknown ? 'an event refers to something unknown: it is retried' : 'a reaction threw',
    );
    if (unknown) this.#options.subjectUnknown?.();
    const reason = reasonToGiveUp(error, job.failures);
    if (reason) {
      job.deadLetter = { reason, detail };
      return this.#submit(job);
    }
    survived(job);
    this.#options.clock.after(backoffMs(job.failures, handlingRetryMinMs, handlingRetryMaxMs), () => {
      if (this.#stopped) this.#inHand -= 1;
      else this.#submit(job);
    });
  }

  #transient(job: Job, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    job.transientFailures += 1;
    // Others get through meanwhile, or this would count faults, too.
    if (job.transientFailures >= transientAttempts && this.#faults === 0) {
      job.deadLetter = { reason: 'storage-failed', detail };
      return this.#submit(job);
    }
    this.#held.push(job);
    if (this.#held.length > 1) return;
    this.#faults += 1;
    const delayMs = backoffMs(this.#faults, transientRetryMinMs, transientRetryMaxMs);
    this.#log.write(
      'warn',
      { error: detail, retryInMs: delayMs },
      'the database cannot be written now: nothing is acked, and everything is retried',
    );
    this.#options.clock.after(delayMs, () => {
      for (const held of this.#held.splice(0)) this.#submit(held);
    });
  }
}

function survived(job: Job): void {
  job.finished?.();
  job.finished = undefined;
}

function contentTypeOf({ contentType }: Delivery, parts: readonly Part[]): string {
  return parts.length > 1 ? cloudEventContentType : (contentType ?? 'application/octet-stream');
}

function reasonToGiveUp(error: unknown, failures: number): string | undefined {
  if (error instanceof ContradictoryEventError) return 'contradictory';
  if (error instanceof UnknownSubjectError) return failures >= unknownSubjectAttempts ? 'unknown-subject' : undefined;
  return failures >= handlingAttempts ? 'reaction-failed' : undefined;
}

function inboxEventOf(event: CloudEvent): InboxEvent {
  return { id: event.id, source: event.source, position: positionOf(event) };
}
