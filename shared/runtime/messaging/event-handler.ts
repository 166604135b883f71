// Handles what arrives: decode, deduplicate, react, publish, commit, and only then ack. What cannot be handled goes to the
// dead-letter queue with its reason, by way of the journal, so that it cannot get lost.
import { createHash } from 'node:crypto';
import { type CloudEvent, cloudEventContentType, positionOf } from '../../contract/cloud-event.ts';
import { causedEventId } from '../../contract/event-id.ts';
import { type Choreography, consumedBy, isSilent } from '../../contract/language.ts';
import { instanceOf, serviceOf } from '../../contract/members.ts';
import { decodeMessage } from '../../contract/read-message.ts';
import { exchangeOf, queueOf } from '../../contract/topology.ts';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import { RateLimitedLog } from '../environment/rate-limited-log.ts';
import { isOfWholeDatabase, isTransient } from '../storage/database.ts';
import type { HitFailpoint } from '../storage/group-commit.ts';
import type { Inbox, InboxEvent } from '../storage/inbox.ts';
import type { Journal } from '../storage/journal.ts';
import type { Delivery } from './bus.ts';
import { deadLetterEntry } from './dead-letter.ts';
import {
  handlingRetryMs,
  hasWaitedInHand,
  reasonToGiveUp,
  transientAttempts,
  transientRetryMs,
} from './handling-retries.ts';
import { type DeadLetterReason, inboxEventOf, Job, type Message, type Part, partOf } from './message-parts.ts';
import { type Reaction, UnknownSubjectError } from './reaction.ts';
import type { SuspectMessages } from './suspect-messages.ts';
import { type Tracing, traceIdOf } from './tracing.ts';
import type { UnitsOfWork } from './unit-of-work.ts';

/** Events decoded and not yet done; further deliveries wait undecoded. */
const eventsInHandMax = 512;

/** Stands for the type of what could not be read as an event. */
export const unreadable = 'unreadable';

export interface Tally {
  delivered: number;
  /** Events of its own that came back through its queue, and are not among the delivered ones. */
  own: number;
  handled: number;
  duplicates: number;
  deadLettered: number;
  /** About something unknown, and acked: reconciliation brings them again. */
  deferred: number;
  /** Of the duplicates and of the dead letters: by event type, and as `payment.completed -> contradictory`. */
  readonly duplicateTypes: Map<string, number>;
  readonly deadLetterReasons: Map<string, number>;
  /** Fetched from a journal, since the broker had not brought them. */
  reconciled: number;
  /** How often each declared outcome came about, as `order.placed -> payment.failed`. */
  readonly outcomes: Map<string, number>;
}

export interface EventHandlerOptions {
  readonly contract: Choreography;
  /** The service, or the named instance of it. */
  readonly member: string;
  readonly reactions: Readonly<Record<string, Reaction>>;
  /** Types of which it handles its own events as well, when they come back through its queue. */
  readonly handlesOwn?: readonly string[];
  readonly units: UnitsOfWork;
  readonly inbox: Inbox;
  readonly journal: Journal;
  readonly suspects: SuspectMessages;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracing?: Tracing | undefined;
  readonly hit?: HitFailpoint | undefined;
  /** See ServiceParts.repeated. */
  readonly repeated?: ((event: CloudEvent) => void) | undefined;
  /** Something that an event refers to is not known here: a good moment to reconcile. */
  readonly subjectUnknown?: (() => void) | undefined;
  /** Whether reconciliation brings an event again that was acked and not handled. Absent: none. */
  readonly comesAgain?: ((event: InboxEvent) => boolean) | undefined;
}

/** An event that was fetched from its publisher's journal, with its bytes. */
export interface FetchedEvent {
  readonly body: Buffer;
  readonly eventId: string;
  readonly position: number;
}

export class EventHandler {
  readonly tally: Tally = {
    delivered: 0,
    own: 0,
    handled: 0,
    duplicates: 0,
    deadLettered: 0,
    deferred: 0,
    reconciled: 0,
    outcomes: new Map(),
    duplicateTypes: new Map(),
    deadLetterReasons: new Map(),
  };
  readonly #options: EventHandlerOptions;
  readonly #consumed: ReadonlySet<string>;
  /** Those of them from which no event ever follows. */
  readonly #notes: ReadonlySet<string>;
  readonly #log: RateLimitedLog;
  /** Deliveries that are not decoded yet: only when enough are in hand. */
  readonly #waiting: Delivery[] = [];
  /** Jobs that wait for a transient error to pass. */
  readonly #held: Job[] = [];
  /** Highest position delivered by the broker, by publisher. */
  readonly #delivered = new Map<string, number>();
  #faults = 0;
  #inHand = 0;
  #stopped = false;

  constructor(options: EventHandlerOptions) {
    this.#options = options;
    const { contract, member } = options;
    const service = serviceOf(member);
    this.#consumed = new Set(consumedBy(contract, service, instanceOf(member) !== undefined));
    this.#notes = new Set(
      [...this.#consumed].filter((type) => contract.events[type]?.reactions[service]?.every(isSilent)),
    );
    this.#log = new RateLimitedLog(options.log, options.clock);
  }

  /** True when no message is between its delivery and its ack; of no meaning once it is stopped. */
  get idle(): boolean {
    return this.#inHand === 0 && this.#options.suspects.idle;
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
    // Of several events in one message, only the guilty one is set aside.
    for (const job of this.#open(delivery)) this.#handleAlone(job);
  }

  /** An instance's queue brings back what it has published itself. Its journal knows, unless its database was lost. */
  #isOwn({ event }: Part): boolean {
    const { member, journal, handlesOwn = [] } = this.#options;
    if (event?.source !== member || handlesOwn.includes(event.type)) return false;
    const position = positionOf(event);
    return position !== undefined && journal.eventIdAt(position) === event.id;
  }

  /** Handles events that the broker has not brought, and calls back when all are done. */
  handleFetched(source: string, fetched: readonly FetchedEvent[], done: () => void): void {
    // Several peers may have a copy of one that was dead-lettered here: it waits for its redrive.
    const events = fetched.filter(({ eventId }) => !this.#options.inbox.isDeadLettered(eventId));
    if (events.length === 0) return done();
    this.#options.suspects.guard(`journal of ${source}`, (crashed, end) => {
      let left = events.length;
      const doneOne = () => {
        left -= 1;
        if (left > 0) return;
        end();
        done();
      };
      for (const event of events) this.#handleFetched(source, event, crashed, doneOne);
    });
  }

  #handleFetched(source: string, { body, eventId, position }: FetchedEvent, suspect: boolean, done: () => void): void {
    this.tally.reconciled += 1;
    const parts = this.#partsOf(body, cloudEventContentType);
    const routingKey = parts[0]?.event?.type ?? '';
    const delivery = { exchange: exchangeOf(source), routingKey, redelivered: false, messageId: eventId };
    const message: Message = { delivery, left: parts.length, rejected: false, done, reject: undefined };
    for (const part of parts) {
      const job = this.#job(part, message, { id: eventId, position, source });
      if (suspect) this.#handleAlone(job);
      else this.#admit(job);
    }
  }

  /** What is not committed by now will be delivered again to whoever comes next. */
  stop(): void {
    this.#stopped = true;
    this.#held.length = 0;
    this.#options.suspects.stop();
  }

  #pump(): void {
    while (this.#inHand < eventsInHandMax && !this.#stopped) {
      const delivery = this.#waiting.shift();
      if (!delivery) return;
      for (const job of this.#open(delivery)) this.#admit(job);
    }
  }

  /** The events of a delivery, or what is in their place. */
  #open(delivery: Delivery): Job[] {
    const all = this.#partsOf(delivery.body, delivery.contentType);
    const parts = all.filter((part) => !this.#isOwn(part));
    this.tally.own += all.length - parts.length;
    if (parts.length === 0) delivery.ack();
    const message: Message = {
      delivery,
      left: parts.length,
      rejected: false,
      done: () => delivery.ack(),
      reject: () => delivery.reject(),
    };
    this.tally.delivered += parts.length;
    return parts.map((part) => {
      if (part.event) this.#noteDelivered(part.event);
      return this.#job(part, message);
    });
  }

  #admit(job: Job): void {
    this.#inHand += 1;
    this.#submit(job);
  }

  #handleAlone(job: Job): void {
    const hash = createHash('sha256').update(job.bytes()).digest('hex');
    this.#options.suspects.add(hash, (crashes, survived) => {
      if (crashes !== undefined) job.deadLetter = { reason: 'crashes-the-process', detail: crashes };
      job.survived = survived;
      this.#admit(job);
    });
  }

  #noteDelivered(event: CloudEvent): void {
    const position = positionOf(event) ?? 0;
    if (position > this.deliveredPosition(event.source)) this.#delivered.set(event.source, position);
  }

  #partsOf(body: Buffer, contentType: string | undefined): Part[] {
    const { contract, member } = this.#options;
    return decodeMessage(body, contentType, contract).map((decoded) => partOf(decoded, member, this.#consumed));
  }

  #job(part: Part, message: Message, fetched?: InboxEvent): Job {
    const job = new Job(part, message, this.#options.clock.nowMs(), fetched);
    const { tracing } = this.#options;
    if (tracing && job.event) this.#trace(job, job.event, tracing);
    return job;
  }

  #trace(job: Job, { id, subject, traceparent, tracestate }: CloudEvent, tracing: Tracing): void {
    const { exchange, routingKey, redelivered } = job.message.delivery;
    job.span = tracing.handle({
      exchange,
      routingKey,
      queue: queueOf(this.#options.member),
      eventId: id,
      subject,
      parent: { traceparent, tracestate },
      redelivered,
      fetched: job.fetched !== undefined,
    });
  }

  #submit(job: Job): void {
    if (job.deadLetter) this.#deadLetter(job, job.deadLetter);
    else if (job.event) this.#handle(job, job.event);
  }

  #handle(job: Job, event: CloudEvent): void {
    const { units, inbox, reactions, member, repeated } = this.#options;
    const reaction = reactions[event.type];
    const { span } = job;
    const { traceparent, tracestate } = span?.context ?? event;
    units.submit(
      {
        lane: this.#notes.has(event.type) ? 'note' : 'event',
        cause: { causationId: event.id, traceparent, tracestate, span },
        eventId: (type) => causedEventId(event.id, serviceOf(member), type),
        run: (tx): string => {
          if (!inbox.accept(inboxEventOf(event), tx.nowMs)) {
            repeated?.(event);
            return 'duplicate';
          }
          if (!reaction) throw new Error(`${member} has no reaction to ${event.type}`);
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
      increment(this.tally.duplicateTypes, event.type);
      return;
    }
    this.tally.handled += 1;
    increment(this.tally.outcomes, `${event.type} -> ${outcome}`);
  }

  #countDeadLetter(job: Job, reason: string): void {
    this.tally.deadLettered += 1;
    increment(this.tally.deadLetterReasons, `${job.event?.type ?? unreadable} -> ${reason}`);
    job.span?.fail(reason);
  }

  #deadLetter(job: Job, { reason, detail }: DeadLetterReason): void {
    const { units, inbox, journal, member, clock } = this.#options;
    const { delivery } = job.message;
    // Larger than what is read, so larger than what is stored: the broker moves it as it is.
    if (reason === 'too-large' && job.message.reject) return this.#reject(job, reason, detail);
    const known = job.fetched ?? (job.event && inboxEventOf(job.event));
    units.submit(
      {
        lane: 'event',
        cause: { causationId: '', traceparent: '' },
        run: (tx) => {
          const entry = deadLetterEntry(job, { reason, detail }, { member, eventId: clock.newId(), nowMs: tx.nowMs });
          journal.append(entry, tx.nowMs);
          if (known) inbox.deadLettered(known, tx.nowMs);
        },
      },
      (result) => {
        if (!result.ok) return this.#deadLetterFailed(job, result.error);
        this.#countDeadLetter(job, reason);
        this.#log.write(
          'error',
          {
            event: job.event?.type,
            eventId: job.event?.id ?? delivery.messageId,
            subject: job.event?.subject,
            trace_id: job.event && traceIdOf(job.event.traceparent),
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
    this.#countDeadLetter(job, reason);
    job.message.rejected = true;
    this.#finish(job);
  }

  #done(job: Job, outcome: string): void {
    const { hit, log, clock } = this.#options;
    // A duplicate writes nothing, so it gets through whatever the storage is like.
    if (outcome !== 'duplicate') this.#faults = 0;
    hit?.('before-ack');
    this.#finish(job);
    job.span?.end(outcome);
    const { event } = job;
    // A dead letter has a line of its own.
    if (!event || outcome === 'dead-lettered') return;
    log.info(
      {
        event: event.type,
        eventId: event.id,
        subject: event.subject,
        trace_id: traceIdOf(event.traceparent),
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
    if (this.#stopped) return;
    if (isTransient(error)) return this.#transient(job, error);
    job.failures += 1;
    job.span?.retried(String(error));
    const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const unknown = error instanceof UnknownSubjectError;
    const { event } = job;
    this.#log.write(
      unknown ? 'warn' : 'error',
      {
        event: event?.type,
        eventId: event?.id,
        subject: event?.subject,
        trace_id: event && traceIdOf(event.traceparent),
        failures: job.failures,
        detail,
      },
      unknown ? 'an event refers to something unknown: it is retried' : 'a reaction threw',
    );
    if (unknown) this.#options.subjectUnknown?.();
    const reason = reasonToGiveUp(error, job.failures, unknown && this.#isRedriven(job));
    if (reason) {
      job.deadLetter = { reason, detail };
      return this.#submit(job);
    }
    if (hasWaitedInHand(error, job.failures) && this.#comesAgain(job)) return this.#defer(job);
    survived(job);
    this.#options.clock.after(handlingRetryMs(job.failures), () => {
      if (!this.#stopped) this.#submit(job);
    });
  }

  #isRedriven({ event, fetched }: Job): boolean {
    return event !== undefined && !fetched && this.#options.inbox.isDeadLettered(event.id);
  }

  /** What was fetched holds no place of the prefetch, and is missing for as long as it is not handled. */
  #comesAgain({ event, fetched }: Job): boolean {
    return event !== undefined && !fetched && this.#options.comesAgain?.(inboxEventOf(event)) === true;
  }

  /** Acks it without handling it: else a full prefetch of such events would keep the broker from handing over any other. */
  #defer(job: Job): void {
    const { event } = job;
    this.#log.write(
      'warn',
      { event: event?.type, eventId: event?.id, subject: event?.subject },
      'an event refers to something unknown: it is left to reconciliation, so that others get through',
    );
    this.tally.deferred += 1;
    job.span?.end('deferred');
    this.#finish(job);
  }

  #transient(job: Job, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    const ofWholeDatabase = isOfWholeDatabase(error);
    if (!ofWholeDatabase) job.transientFailures += 1;
    job.span?.retried(detail);
    // Others get through meanwhile, or this would count faults, too.
    if (job.transientFailures >= transientAttempts && this.#faults === 0 && !ofWholeDatabase) {
      job.deadLetter = { reason: 'storage-failed', detail };
      return this.#submit(job);
    }
    this.#held.push(job);
    if (this.#held.length > 1) return;
    this.#faults += 1;
    const delayMs = transientRetryMs(this.#faults);
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

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** A suspect is put off or done: it is the turn of the next one. */
function survived(job: Job): void {
  job.survived?.();
  job.survived = undefined;
}
