// Takes entries from the outbox to the broker. An entry counts as sent only when the broker has confirmed the message
// *and* routed it; whatever else happens, it is published again. Publishing twice is harmless (inbox), not publishing is not.
import { cloudEventContentType } from '../../contract/cloud-event.ts';
import type { Clock, Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { GroupCommit, HitFailpoint } from '../storage/group-commit.ts';
import type { Journal, JournalEntry } from '../storage/journal.ts';
import type { Outbox } from '../storage/outbox.ts';
import type { Bus, OutgoingMessage, PublishOutcome } from './bus.ts';
import { type Envelope, pack } from './event-batch.ts';
import { OutboxMark } from './outbox-mark.ts';
import { OutboxProgress } from './outbox-progress.ts';
import { PublishRetries } from './publish-retries.ts';
import type { Span, Tracing } from './tracing.ts';

/** Most messages on their way without a confirm. */
const windowMax = 1_000;
/** Most bytes on their way without a confirm. */
const windowBytesMax = 8 * 1024 * 1024;
/** Slow fallback for entries that no wake-up announced: those of another process that shares the file and has died. */
const rescanMs = 30_000;

export interface RelayOptions {
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly commit: GroupCommit;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** The exchange of the service's events. */
  readonly exchange: string;
  /** The exchange of its dead letters. */
  readonly deadLetterExchange: string;
  /** False for events that nobody subscribes to: they need no queue. */
  readonly mandatory: (type: string) => boolean;
  /** Most events in one message; see event-batch.ts. Default 1. */
  readonly batchMax?: number | undefined;
  readonly tracing?: Tracing | undefined;
  readonly hit?: HitFailpoint | undefined;
}

export interface RelayStatus {
  /** Entries that the broker has not confirmed yet, as far as this process knows. */
  readonly waiting: number;
  /** Those of them that came back because no queue is bound for them, by routing key. */
  readonly unroutable: Readonly<Record<string, number>>;
}

export class OutboxRelay {
  readonly #options: RelayOptions;
  readonly #progress = new OutboxProgress();
  readonly #retries: PublishRetries;
  /** Takes part in group commits. */
  readonly mark: OutboxMark;
  /** Positions and sizes of what is on its way to the broker. */
  readonly #inFlight = new Map<number, number>();
  #inFlightBytes = 0;
  #rescanTimer: Timer | undefined;
  /** The newest entry that this process knows of. */
  #head = 0;
  #stopped = false;

  constructor(options: RelayOptions) {
    const { clock, log, journal } = options;
    this.#options = options;
    this.#retries = new PublishRetries({ clock, log, tryAgain: (position) => this.#publishAlone(position) });
    this.mark = new OutboxMark({
      ...options,
      progress: this.#progress,
      isStuck: (position, routingKey) => this.#retries.blocks(routingKey) && !this.#inFlight.has(position),
      pump: () => this.pump(),
    });
    journal.onAppended((entries) => this.#appended(entries));
  }

  /** Begins with whatever an earlier run left behind. */
  start(): void {
    this.mark.start();
    this.#head = this.#options.journal.head();
    this.#rescanLater();
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.mark.stop();
    this.#retries.stop();
    this.#rescanTimer?.cancel();
  }

  /** True when every entry is confirmed. */
  get drained(): boolean {
    return this.waiting === 0;
  }

  /** Entries that the broker has not confirmed yet, as far as this process knows. */
  get waiting(): number {
    const { unconfirmed, known, taken, startMark } = this.#progress;
    const exceptions = taken < startMark ? this.mark.exceptions.size : 0;
    return unconfirmed.size + Math.max(0, this.#head - known) + exceptions;
  }

  /** Position of the oldest of them; undefined: there is none. */
  get oldestWaiting(): number | undefined {
    if (this.waiting === 0) return undefined;
    const { unconfirmed, known, taken, startMark } = this.#progress;
    const [oldest] = unconfirmed.keys();
    const [exception] = taken < startMark ? this.mark.exceptions : [];
    return oldest ?? exception ?? known + 1;
  }

  /** Up to here every entry is confirmed; retention deletes nothing above it. */
  get confirmedUntil(): number {
    return this.#progress.confirmedUntil;
  }

  status(): RelayStatus {
    return { waiting: this.waiting, unroutable: this.#retries.unroutable() };
  }

  /** To be called when messages can, or cannot, be published any more. */
  publishingChanged(): void {
    this.#retries.resume();
    this.pump();
  }

  /** Publishes as much as the window and the broker allow. Cheap when there is nothing to do. */
  pump(): void {
    const progress = this.#progress;
    while (progress.more && this.#ready() && this.#room() > 0) {
      const room = this.#room();
      const entries = this.#next(room);
      // Below the start mark only the exceptions were read.
      progress.more = entries.length === room || progress.cursor < progress.startMark;
      if (entries.length === 0) progress.cursor = Math.max(progress.cursor, progress.startMark);
      this.#take(entries);
    }
  }

  #next(limit: number): JournalEntry[] {
    const { journal, outbox } = this.#options;
    const { cursor, startMark } = this.#progress;
    if (cursor >= startMark) return journal.after(cursor, limit);
    return outbox.exceptionsAfter(cursor, limit).filter(({ position }) => position <= startMark);
  }

  #appended(entries: readonly JournalEntry[]): void {
    const progress = this.#progress;
    this.#head = entries.at(-1)?.position ?? this.#head;
    // Stryker disable next-line all: both ways publish the same; the other one reads the journal for it
    if (!progress.more && this.#ready() && entries.length <= this.#room()) return this.#take(entries);
    // They are behind others, or cannot go now: they are read from the journal when it is their turn.
    progress.more = true;
    this.pump();
  }

  /** Publishes entries, which are the next after the cursor. */
  #take(entries: readonly JournalEntry[]): void {
    const progress = this.#progress;
    const fresh: JournalEntry[] = [];
    let bytes = this.#inFlightBytes;
    for (const entry of entries) {
      if (bytes > windowBytesMax) {
        progress.more = true;
        break;
      }
      const { position, type } = entry;
      this.mark.skipped(position - 1);
      progress.cursor = position;
      if (position <= progress.taken && !progress.unconfirmed.has(position)) continue;
      progress.taken = Math.max(progress.taken, position);
      progress.unconfirmed.set(position, type);
      if (this.#inFlight.has(position)) continue;
      // What is behind a message that does not get through waits with it.
      if (this.#retries.blocks(type)) {
        this.#retries.wait(type);
        continue;
      }
      bytes += entry.body.length;
      fresh.push(entry);
    }
    const items = fresh.map((entry) => ({ entry, message: this.#message(entry) }));
    for (const envelope of pack(items, this.#options.batchMax ?? 1)) this.#publish(envelope);
  }

  #message({ eventId, type, subject, body, deadLetter }: JournalEntry): OutgoingMessage {
    const { exchange, deadLetterExchange, mandatory } = this.#options;
    if (deadLetter) {
      return {
        exchange: deadLetterExchange,
        routingKey: type,
        body,
        messageId: eventId,
        contentType: deadLetter.contentType,
        mandatory: true,
        headers: deadLetter.headers,
      };
    }
    return {
      exchange,
      routingKey: type,
      body,
      messageId: eventId,
      contentType: cloudEventContentType,
      mandatory: mandatory(type),
      correlationId: subject,
    };
  }

  #ready(): boolean {
    return !this.#stopped && this.#options.bus.canPublish();
  }

  #room(): number {
    return this.#inFlightBytes > windowBytesMax ? 0 : windowMax - this.#inFlight.size;
  }

  #publish({ message, entries }: Envelope): void {
    const { bus, hit, tracing } = this.#options;
    for (const { position, body } of entries) {
      this.#inFlight.set(position, body.length);
      this.#inFlightBytes += body.length;
    }
    const spans = tracing && spansOf(tracing, { message, entries });
    hit?.('before-publish');
    bus.publish(message, (outcome) => {
      for (const span of spans ?? [])
        if (outcome === 'confirmed') span.end(outcome);
        else span.fail(outcome);
      for (const entry of entries) this.#answered(entry, outcome);
      this.pump();
    });
    hit?.('after-publish');
  }

  /** @returns false: nothing can be published now */
  #publishAlone(position: number): boolean {
    if (!this.#ready()) return false;
    // What is on its way will have an answer.
    const entry = this.#inFlight.has(position) ? undefined : this.#options.journal.get(position);
    if (entry) this.#publish({ message: this.#message(entry), entries: [entry] });
    return true;
  }

  #answered({ position, type, body }: JournalEntry, outcome: PublishOutcome): void {
    if (this.#stopped) return;
    this.#inFlight.delete(position);
    this.#inFlightBytes -= body.length;
    if (outcome === 'confirmed') return this.#confirmed(position, type);
    if (outcome === 'lost' && !this.#retries.blocks(type)) {
      // Published again, in order, as soon as there is a connection.
      this.#progress.rewind(position);
      return;
    }
    this.#retries.failed(type, position, outcome === 'unroutable');
    this.mark.writeLater();
  }

  #confirmed(position: number, type: string): void {
    this.#options.hit?.('after-confirm');
    this.#progress.unconfirmed.delete(position);
    this.mark.confirmed(position);
    this.mark.writeLater();
    if (this.#retries.passed(type, position)) this.#progress.rewind(position);
  }

  #rescanLater(): void {
    this.#rescanTimer = this.#options.clock.after(rescanMs, () => {
      this.mark.takeOverFromTheDead();
      this.pump();
      this.#rescanLater();
    });
  }
}

/** One for each event, since each is in a trace of its own. A dead letter may be anything: it has none. */
function spansOf(tracing: Tracing, { message, entries }: Envelope): Span[] {
  const { exchange, routingKey } = message;
  const events = entries.filter(({ deadLetter }) => !deadLetter);
  return events.map(({ eventId, subject, body }) =>
    tracing.publish({ exchange, routingKey, eventId, subject, body, messageEvents: entries.length }),
  );
}
