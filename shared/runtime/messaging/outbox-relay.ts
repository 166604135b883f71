// Takes entries from the outbox to the broker. An entry counts as sent only when the broker has confirmed the message
// *and* routed it; whatever else happens, it is published again. Publishing twice is harmless (inbox), not publishing is not.
import { cloudEventContentType } from '../../contract/cloud-event.ts';
import { backoffMs, type Clock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { GroupCommit, GroupParticipant, HitFailpoint } from '../storage/group-commit.ts';
import type { Journal, JournalEntry } from '../storage/journal.ts';
import type { Outbox } from '../storage/outbox.ts';
import type { Bus, OutgoingMessage, PublishOutcome } from './bus.ts';
import { type Envelope, pack } from './event-batch.ts';

/** Most messages on their way without a confirm. */
const windowMax = 1_000;
/** Most bytes on their way without a confirm. */
const windowBytesMax = 8 * 1024 * 1024;
/** How far behind the confirms the mark may be. What it does not cover is published again after a crash. */
const markDelayMs = 1_000;
/** Most exceptions written with one mark. */
const exceptionsPerMark = 1_000;
/** Slow fallback for entries that no wake-up announced: those of another process that shares the file and has died. */
const rescanMs = 30_000;
const retryMinMs = 200;
const retryMaxMs = 5_000;

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
  readonly hit?: HitFailpoint | undefined;
}

export interface RelayStatus {
  /** Entries that the broker has not confirmed yet, as far as this process knows. */
  readonly waiting: number;
  /** Those of them that came back because no queue is bound for them, by routing key. */
  readonly unroutable: Readonly<Record<string, number>>;
}

/** A routing key whose messages do not get through: the oldest is tried alone, the others wait behind it. */
interface Retry {
  lowest: number;
  /** How many wait, the oldest included. */
  blocked: number;
  attempt: number;
  timer: Timer | undefined;
  unroutable: boolean;
}

export class OutboxRelay implements GroupParticipant {
  readonly #options: RelayOptions;
  /** Highest entry handed to the broker. */
  #cursor = 0;
  /** The highest that the cursor has ever been: entries up to it that are not in `#unconfirmed` are done with. */
  #taken = 0;
  /** There may be entries above the cursor. */
  #more = true;
  /** Taken on and not confirmed: position and routing key, lowest first. */
  #unconfirmed = new Map<number, string>();
  readonly #inFlight = new Map<number, number>();
  #inFlightBytes = 0;
  readonly #retries = new Map<string, Retry>();
  /** Up to here everything but the exceptions was confirmed when this process began. */
  #startMark = 0;
  /** The mark as it is in the database, and as the open transaction has written it. */
  #marked = 0;
  #marking: number | undefined;
  /** Unconfirmed entries that the mark in the database has passed. */
  readonly #exceptions = new Set<number>();
  #markDue = false;
  #excepting: number[] = [];
  /** Ranges of entries that the cursor has passed, since another process that shares the file wrote them. */
  #passed: { readonly from: number; readonly to: number }[] = [];
  #started = false;
  /** What runs before this one had left is this one's, and their marks are gone. */
  #tookOver = false;
  /** What other processes had confirmed, and the head, at the last rescan. */
  #others: { readonly mark: number; readonly head: number } | undefined;
  #markTimer: Timer | undefined;
  #rescanTimer: Timer | undefined;
  /** The newest entry that this process knows of. */
  #head = 0;
  #stopped = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    options.journal.onAppended((entries) => this.#appended(entries));
  }

  /** Begins with whatever an earlier run left behind. */
  start(): void {
    const { outbox, journal } = this.#options;
    this.#startMark = outbox.confirmedUntil();
    this.#marked = this.#startMark;
    const exceptions = outbox.exceptionsAfter(0, Number.MAX_SAFE_INTEGER);
    for (const { position } of exceptions) this.#exceptions.add(position);
    this.#head = journal.head();
    this.#started = true;
    this.#rescanLater();
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#markTimer?.cancel();
    this.#rescanTimer?.cancel();
    for (const retry of this.#retries.values()) retry.timer?.cancel();
  }

  /** True when every entry is confirmed. */
  get drained(): boolean {
    return this.waiting === 0 && this.#inFlight.size === 0;
  }

  /** Entries that the broker has not confirmed yet, as far as this process knows. */
  get waiting(): number {
    if (!this.#more) return this.#unconfirmed.size;
    const notTaken = Math.max(0, this.#head - Math.max(this.#taken, this.#startMark));
    const exceptions = this.#taken < this.#startMark ? this.#exceptions.size : 0;
    return this.#unconfirmed.size + notTaken + exceptions;
  }

  /** Position of the oldest of them; undefined: there is none. */
  get oldestWaiting(): number | undefined {
    if (this.waiting === 0) return undefined;
    const [unconfirmed] = this.#unconfirmed.keys();
    const [exception] = this.#taken < this.#startMark ? this.#exceptions : [];
    return unconfirmed ?? exception ?? Math.max(this.#taken, this.#startMark) + 1;
  }

  /** Up to here every entry is confirmed; retention deletes nothing above it. */
  get confirmedUntil(): number {
    const [first] = this.#unconfirmed.keys();
    return Math.min(first === undefined ? this.#cursor : first - 1, this.#cursor);
  }

  status(): RelayStatus {
    const unroutable: Record<string, number> = {};
    for (const [key, retry] of this.#retries) if (retry.unroutable) unroutable[key] = retry.blocked;
    return { waiting: this.waiting, unroutable };
  }

  // ---- the mark, riding along with group commits

  begin(): void {
    this.#marking = undefined;
    const { outbox, clock } = this.#options;
    if (!this.#started) return;
    // What others have written since the start is read, too: their marks are deleted below.
    if (this.#tookOver) this.#passOthers();
    else this.#more = true;
    // Another process must see this one's mark before it goes past what this one writes.
    const registers = !outbox.isRegistered();
    if (!this.#markDue && !registers) return;
    const mark = this.#markWithExceptions();
    if (mark === this.#marked && !registers) return;
    if (!this.#tookOver) outbox.deleteOthers(Number.MAX_SAFE_INTEGER);
    for (const position of this.#excepting) outbox.except(position);
    outbox.mark(mark, clock.nowMs());
    this.#marking = mark;
  }

  committed(): void {
    if (this.#marking === undefined) return;
    this.#markDue = false;
    this.#marked = this.#marking;
    for (const position of this.#excepting) this.#exceptions.add(position);
    // More than one mark could write may be left.
    this.#markLater();
    if (this.#tookOver) return;
    this.#tookOver = true;
    this.pump();
  }

  rolledBack(): void {
    this.#markDue = false;
    this.#markLater();
  }

  /** With nothing to do, the mark of this process follows what others have written: it must not hold up the lowest one. */
  #passOthers(): void {
    if (this.#more || this.#unconfirmed.size > 0) return;
    const head = this.#options.journal.nextPosition - 1;
    const known = Math.max(this.#taken, this.#startMark);
    if (head <= known) return;
    this.#passed.push({ from: known + 1, to: head });
    this.#taken = head;
    this.#cursor = head;
  }

  /** Writes the mark now, at the end of an orderly stop. Resolves also when that fails: nothing is lost by it. */
  writeMark(): Promise<void> {
    this.#markDue = true;
    return new Promise((resolve) =>
      this.#options.commit.submit(
        () => {},
        () => resolve(),
      ),
    );
  }

  /** The mark goes past what does not get through, so that a restart does not publish everything after it again. */
  #markWithExceptions(): number {
    this.#excepting = [];
    for (const [position, type] of this.#unconfirmed) {
      const stuck = this.#retries.has(type) && !this.#inFlight.has(position);
      if (!stuck || this.#excepting.length === exceptionsPerMark) {
        return Math.max(this.#marked, Math.min(position - 1, this.#cursor));
      }
      if (!this.#exceptions.has(position)) this.#excepting.push(position);
    }
    return Math.max(this.#marked, this.#cursor);
  }

  #markLater(): void {
    if (this.#markTimer || this.#stopped || this.#markWithExceptions() === this.#marked) return;
    this.#markTimer = this.#options.clock.after(markDelayMs, () => {
      this.#markTimer = undefined;
      this.#markDue = true;
      // The work is empty: begin() writes the mark, in whatever group comes next.
      this.#options.commit.submit(
        () => {},
        () => {},
      );
    });
  }

  // ---- publishing

  /** Publishes as much as the window and the broker allow. Cheap when there is nothing to do. */
  pump(): void {
    while (this.#more && this.#ready() && this.#room() > 0) {
      const room = this.#room();
      const entries = this.#next(room);
      // Below the start mark only the exceptions were read.
      this.#more = entries.length === room || this.#cursor < this.#startMark;
      if (entries.length === 0) this.#cursor = Math.max(this.#cursor, this.#startMark);
      this.#take(entries);
    }
  }

  #next(limit: number): JournalEntry[] {
    const { journal, outbox } = this.#options;
    if (this.#cursor >= this.#startMark) return journal.after(this.#cursor, limit);
    return outbox.exceptionsAfter(this.#cursor, limit).filter(({ position }) => position <= this.#startMark);
  }

  #appended(entries: readonly JournalEntry[]): void {
    this.#head = entries.at(-1)?.position ?? this.#head;
    if (!this.#more && this.#ready() && entries.length <= this.#room()) return this.#take(entries);
    // They are behind others, or cannot go now: they are read from the journal when it is their turn.
    this.#more = true;
    this.pump();
  }

  /** Publishes entries, which are the next after the cursor. */
  #take(entries: readonly JournalEntry[]): void {
    const fresh: JournalEntry[] = [];
    let bytes = this.#inFlightBytes;
    for (const entry of entries) {
      if (bytes > windowBytesMax) {
        this.#more = true;
        break;
      }
      const { position, type } = entry;
      this.#cursor = position;
      const known = Math.max(this.#taken, this.#startMark);
      if (position > known + 1) this.#passed.push({ from: known + 1, to: position - 1 });
      if (position <= this.#taken && !this.#unconfirmed.has(position)) continue;
      this.#taken = Math.max(this.#taken, position);
      this.#unconfirmed.set(position, type);
      if (this.#inFlight.has(position)) continue;
      // What is behind a message that does not get through waits with it.
      const retry = this.#retries.get(type);
      if (retry) {
        retry.blocked += 1;
        continue;
      }
      bytes += entry.body.length;
      fresh.push(entry);
    }
    for (const envelope of pack(
      fresh.map((entry) => ({ entry, message: this.#message(entry) })),
      this.#options.batchMax ?? 1,
    ))
      this.#publish(envelope);
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
    const { bus, hit } = this.#options;
    for (const { position, body } of entries) {
      this.#inFlight.set(position, body.length);
      this.#inFlightBytes += body.length;
    }
    hit?.('before-publish');
    bus.publish(message, (outcome) => {
      for (const entry of entries) this.#answered(entry, outcome);
      this.pump();
    });
    hit?.('after-publish');
  }

  #answered(entry: JournalEntry, outcome: PublishOutcome): void {
    if (this.#stopped) return;
    const { position, type, body } = entry;
    this.#inFlight.delete(position);
    this.#inFlightBytes -= body.length;
    if (outcome === 'confirmed') return this.#confirmed(position, type);
    if (outcome === 'lost' && !this.#retries.has(type)) {
      // Published again, in order, as soon as there is a connection.
      this.#rewind(position);
      return;
    }
    const retry = this.#retries.get(type) ?? {
      lowest: position,
      blocked: 0,
      attempt: 0,
      timer: undefined,
      unroutable: false,
    };
    this.#retries.set(type, retry);
    if (outcome === 'unroutable' && !retry.unroutable) {
      this.#options.log.warn(
        { routingKey: type },
        'no queue is bound for this message: it is kept and retried, and the topology is declared again',
      );
    }
    retry.unroutable = outcome === 'unroutable';
    // One that is tried again was counted before.
    if (position !== retry.lowest || retry.blocked === 0) retry.blocked += 1;
    retry.lowest = Math.min(retry.lowest, position);
    this.#retryLater(type, retry);
    this.#markLater();
  }

  #confirmed(position: number, type: string): void {
    this.#options.hit?.('after-confirm');
    this.#unconfirmed.delete(position);
    if (this.#exceptions.has(position)) {
      this.#options.commit.submit(
        () => this.#options.outbox.unexcept(position),
        (result) => {
          if (result.ok) this.#exceptions.delete(position);
        },
      );
    }
    this.#markLater();
    this.#released(type, position);
  }

  #retryLater(type: string, retry: Retry): void {
    if (retry.timer) return;
    retry.attempt += 1;
    retry.timer = this.#options.clock.after(backoffMs(retry.attempt, retryMinMs, retryMaxMs), () => {
      retry.timer = undefined;
      const { lowest } = retry;
      if (!this.#options.bus.canPublish() || this.#inFlight.has(lowest)) return this.#retryLater(type, retry);
      const entry = this.#options.journal.get(lowest);
      if (entry) this.#publish({ message: this.#message(entry), entries: [entry] });
    });
  }

  /** If this was the message that held up the others of its routing key, they follow. */
  #released(type: string, position: number): void {
    const retry = this.#retries.get(type);
    if (!retry || position !== retry.lowest) return;
    retry.timer?.cancel();
    this.#retries.delete(type);
    this.#rewind(position);
  }

  #rewind(position: number): void {
    this.#more = true;
    this.#cursor = Math.min(this.#cursor, position - 1);
  }

  // ---- what another process has left behind

  #rescanLater(): void {
    this.#rescanTimer = this.#options.clock.after(rescanMs, () => {
      this.#rescan();
      this.pump();
      this.#rescanLater();
    });
  }

  /** A process that shares the file and whose mark has not moved since the last rescan has died: its entries are ours now. */
  #rescan(): void {
    const { outbox, journal } = this.#options;
    const mark = outbox.othersConfirmedUntil();
    const before = this.#others;
    this.#others = mark === undefined ? undefined : { mark, head: journal.head() };
    if (mark === undefined) return;
    this.#passed = this.#passed.filter(({ to }) => to > mark);
    if (before === undefined || mark !== before.mark || mark >= before.head) return;
    this.#adopt(mark, before.head);
  }

  /** Takes on what other processes wrote above `from` and up to `to`. What this one wrote itself is not published again. */
  #adopt(from: number, to: number): void {
    const { outbox, journal, commit, clock } = this.#options;
    const left = this.#passed
      .filter((range) => range.from <= to)
      .flatMap((range) => journal.after(Math.max(range.from - 1, from), range.to - Math.max(range.from - 1, from)));
    this.#passed = this.#passed.filter((range) => range.from > to);
    const entries = left.map(({ position, type }): [number, string] => [position, type]);
    this.#unconfirmed = new Map([...entries, ...this.#unconfirmed].sort(([a], [b]) => a - b));
    const lowest = left[0]?.position ?? this.#cursor + 1;
    this.#rewind(lowest);
    // Our own mark goes back to before them, so that they are not lost should this process die, too.
    const mark = Math.min(this.#marked, lowest - 1);
    commit.submit(
      () => {
        outbox.mark(mark, clock.nowMs());
        outbox.deleteOthers(from);
      },
      ({ ok }) => {
        if (ok) this.#marked = Math.min(this.#marked, mark);
      },
    );
  }
}
