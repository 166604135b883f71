// Turns deliveries into reactions: decode, deduplicate, react, emit, commit, and only then ack.
// What can't be handled goes to the dead-letter queue with its cause, by way of the outbox, so that it can't get lost.

import { choreography, type Emission } from '../../contract/choreography.ts';
import {
  type AnyEvent,
  type CloudEvent,
  cloudEventContentType,
  type Decoded,
  decodeMessage,
} from '../../contract/cloud-event.ts';
import { consumedBy } from '../../contract/language.ts';
import { deadLetterQueueOf } from '../../contract/topology.ts';
import { backoffMs, type Clock, isoTime } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { Cause, Moment } from '../node/transaction.ts';
import { isTransient } from '../storage/database.ts';
import type { GroupCommit, HitFailpoint } from '../storage/group-commit.ts';
import type { Inbox } from '../storage/inbox.ts';
import type { Delivery, OutgoingMessage } from './bus.ts';

/** Times that a reaction which throws is tried before its message is dead-lettered. */
export const handlingAttempts = 3;
const reactionRetryMinMs = 50;
const reactionRetryMaxMs = 1_000;
const faultRetryMinMs = 100;
const faultRetryMaxMs = 5_000;

export interface Tally {
  delivered: number;
  processed: number;
  duplicates: number;
  deadLettered: number;
  /** How often each declared outcome came about, as `order.placed -> payment.failed`. */
  readonly outcomes: Map<string, number>;
}

interface Options {
  readonly service: string;
  readonly inbox: Inbox;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly log: Log;
  readonly reached: HitFailpoint | undefined;
  react(event: AnyEvent, at: Moment): Emission | string;
  emit(emission: Emission, at: Moment, cause: Cause): CloudEvent;
  deadLetter(message: OutgoingMessage, nowMs: number): void;
  committed(events: readonly CloudEvent[]): void;
}

/** A delivered message: acked when everything in it is done. */
interface Parcel {
  readonly delivery: Delivery;
  left: number;
}

/** One event on its way through, or something that is none. */
interface Job {
  readonly parcel: Parcel;
  /** For the dead-letter queue: of a batch, only what could not be handled. */
  bytes(): Buffer;
  readonly contentType: string;
  readonly messageId: string | undefined;
  readonly receivedAtMs: number;
  event: AnyEvent | undefined;
  failures: number;
  /** Set: it goes to the dead-letter queue. */
  hopeless: { readonly cause: string; readonly detail: string } | undefined;
}

export class EventHandler {
  readonly tally: Tally = { delivered: 0, processed: 0, duplicates: 0, deadLettered: 0, outcomes: new Map() };
  readonly #options: Options;
  readonly #heard: ReadonlySet<string>;
  /** Jobs that wait for a transient fault to pass. */
  readonly #held: Job[] = [];
  #faults = 0;
  #busy = 0;
  #stopped = false;

  constructor(options: Options) {
    this.#options = options;
    this.#heard = new Set(consumedBy(choreography, options.service));
  }

  /** True when no message is between its delivery and its ack. */
  get idle(): boolean {
    return this.#busy === 0;
  }

  deliver(delivery: Delivery): void {
    if (this.#stopped) return;
    const receivedAtMs = this.#options.clock.nowMs();
    const decoded = decodeMessage(delivery.body, delivery.contentType);
    const parcel: Parcel = { delivery, left: decoded.length };
    const isBatch = decoded.length > 1;
    this.tally.delivered += decoded.length;
    this.#busy += decoded.length;
    for (const one of decoded) {
      const job: Job = {
        parcel,
        bytes: one.bytes,
        contentType: isBatch ? cloudEventContentType : (delivery.contentType ?? 'application/octet-stream'),
        messageId: isBatch && 'event' in one ? one.event.id : delivery.messageId,
        receivedAtMs,
        event: 'event' in one ? one.event : undefined,
        failures: 0,
        hopeless: this.#refusal(one),
      };
      this.#submit(job);
    }
  }

  #refusal(one: Decoded): Job['hopeless'] {
    if ('error' in one) return { cause: one.error.code, detail: one.error.message };
    if (this.#heard.has(one.event.type)) return undefined;
    return { cause: 'unknown-type', detail: `${this.#options.service} does not react to '${one.event.type}'` };
  }

  /** What is not committed by now will be delivered again to whoever comes next. */
  stop(): void {
    this.#stopped = true;
    this.#busy -= this.#held.length;
    this.#held.length = 0;
  }

  #submit(job: Job): void {
    if (job.hopeless) this.#deadLetter(job, job.hopeless);
    else if (job.event) this.#handle(job, job.event);
  }

  #handle(job: Job, event: AnyEvent): void {
    const { commit, clock, inbox, react, emit } = this.#options;
    commit.submit(
      (): { outcome: string; emitted: CloudEvent | undefined } => {
        const nowMs = clock.nowMs();
        if (!inbox.accept(event.id, nowMs)) return { outcome: 'duplicate', emitted: undefined };
        const at = { nowMs, now: isoTime(nowMs) };
        const outcome = react(event, at);
        if (typeof outcome === 'string') return { outcome, emitted: undefined };
        const emitted = emit(outcome, at, { causationId: event.id, traceparent: event.traceparent });
        return { outcome: outcome.type, emitted };
      },
      (result) => {
        if (!result.ok) return this.#failed(job, result.error);
        const { outcome, emitted } = result.value;
        if (outcome === 'duplicate') {
          this.tally.duplicates += 1;
        } else {
          this.tally.processed += 1;
          const key = `${event.type} -> ${outcome}`;
          this.tally.outcomes.set(key, (this.tally.outcomes.get(key) ?? 0) + 1);
        }
        this.#done(job, outcome);
        if (emitted) this.#options.committed([emitted]);
      },
    );
  }

  #deadLetter(job: Job, { cause, detail }: { cause: string; detail: string }): void {
    const { commit, clock, service, deadLetter } = this.#options;
    const { delivery } = job.parcel;
    commit.submit(
      () => {
        const nowMs = clock.nowMs();
        deadLetter(
          {
            exchange: '',
            routingKey: deadLetterQueueOf(service),
            body: job.bytes(),
            messageId: clock.newId(),
            contentType: job.contentType,
            mandatory: true,
            headers: {
              'x-cause': cause,
              'x-detail': detail,
              'x-dead-lettered-by': service,
              'x-dead-lettered-at': isoTime(nowMs),
              'x-original-exchange': delivery.exchange,
              'x-original-routing-key': delivery.routingKey,
              'x-original-message-id': job.messageId ?? '',
            },
          },
          nowMs,
        );
      },
      (result) => {
        if (!result.ok) return this.#failed(job, result.error);
        this.tally.deadLettered += 1;
        this.#options.log.error(
          { event: job.event?.type, eventId: job.event?.id ?? delivery.messageId, cause, detail },
          'dead-lettered: this message can not be handled',
        );
        this.#done(job, 'dead-lettered');
      },
    );
  }

  #done(job: Job, outcome: string): void {
    const { reached, log, clock } = this.#options;
    this.#faults = 0;
    this.#busy -= 1;
    reached?.('before-ack');
    job.parcel.left -= 1;
    if (job.parcel.left === 0) job.parcel.delivery.ack();
    const { event } = job;
    if (event) {
      log.info(
        {
          event: event.type,
          eventId: event.id,
          subject: event.subject,
          outcome,
          redelivered: job.parcel.delivery.redelivered || undefined,
          ms: clock.nowMs() - job.receivedAtMs,
        },
        'handled',
      );
    }
  }

  #failed(job: Job, error: unknown): void {
    if (this.#stopped) {
      this.#busy -= 1;
      return;
    }
    if (isTransient(error)) return this.#hold(job, error);
    job.failures += 1;
    const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#options.log.error(
      { event: job.event?.type, eventId: job.event?.id, subject: job.event?.subject, failures: job.failures, detail },
      'a reaction threw',
    );
    if (job.failures >= handlingAttempts && !job.hopeless) {
      job.hopeless = { cause: 'reaction-failed', detail: detail.slice(0, 500) };
      this.#submit(job);
      return;
    }
    const delayMs = backoffMs(job.failures, reactionRetryMinMs, reactionRetryMaxMs);
    this.#options.clock.after(delayMs, () => {
      if (this.#stopped) this.#busy -= 1;
      else this.#submit(job);
    });
  }

  #hold(job: Job, error: unknown): void {
    this.#held.push(job);
    if (this.#held.length > 1) return;
    this.#faults += 1;
    const delayMs = backoffMs(this.#faults, faultRetryMinMs, faultRetryMaxMs);
    this.#options.log.warn(
      { error: error instanceof Error ? error.message : String(error), retryInMs: delayMs },
      'the database can not be written now: nothing is acked, and everything is tried again',
    );
    this.#options.clock.after(delayMs, () => {
      for (const held of this.#held.splice(0)) this.#submit(held);
    });
  }
}
