// Reconciliation with one publisher: its journal against the inbox. Digests over ranges come first, ids only where they differ,
// events only where they are missing.
import { instanceOf } from '../../contract/members.ts';
import { backoffMs, type Clock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { GroupCommit } from '../storage/group-commit.ts';
import type { HandledEvent, Inbox, ReconcileCursor } from '../storage/inbox.ts';
import type { Bus } from './bus.ts';
import type { EventHandler } from './event-handler.ts';
import { fetchMax, type JournalDigests, type JournalReader, type RangeDigest } from './journal-queries.ts';
import { PutBackWatch, wasPutBack } from './put-back-watch.ts';

/** An event is missed only this long after it was written: until then it may be on its way through the broker. */
const onItsWayMs = 5_000;
/** After a failed round: twice as long each time, up to the interval. */
const retryMsMin = 2_000;
/** Rows of the inbox that are changed in one transaction. */
const displacedAtOnce = 1_000;
/** A publisher whose journal cannot be read so often in a row is unreachable. */
const failuresToReport = 3;

/** A publisher that the service subscribes to, with the event types. */
export interface ReconciledPublisher {
  readonly source: string;
  readonly types: readonly string[];
  /** Undefined: its address is not known. */
  readonly reader: JournalReader | undefined;
}

export interface PublisherReconciliationOptions {
  /** Name of this service. */
  readonly service: string;
  readonly inbox: Inbox;
  readonly handler: EventHandler;
  readonly commit: GroupCommit;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** Time between two rounds, in milliseconds. */
  readonly intervalMs: number;
}

export interface PublisherStatus {
  /**
   * - `off`: its address is not set
   * - `starting`: not compared yet since the start, or since another database was found there
   * - `reconciled`: everything it published up to a few seconds ago was handled here
   * - `behind`: some of it was not, and is being fetched or is still in the queue
   * - `unreachable`: its journal cannot be read now
   */
  readonly state: 'off' | 'starting' | 'reconciled' | 'behind' | 'unreachable';
  /** Position in its journal up to which everything was handled. */
  readonly reconciledUntil: number;
  /** Position of its newest event, when it was last asked. */
  readonly head: number;
  /** Events fetched since the start because the broker had not brought them. */
  readonly fetched: number;
  /** Events handled here that its journal does not hold any more: its database was put back to an earlier state. */
  readonly unknown: number;
  readonly lastError?: string | undefined;
}

export class PublisherReconciliation {
  readonly source: string;
  readonly reader: JournalReader | undefined;
  readonly #types: readonly string[];
  readonly #options: PublisherReconciliationOptions;
  #state: PublisherStatus['state'];
  #cursor: ReconcileCursor;
  /** What is up to here has had the time to come through the broker. */
  #settledHead = 0;
  /** When its journal last ended there, as far as it is known. */
  #settledAtMs: number | undefined;
  /** All that its journal held at this time was handled here; undefined: not compared yet. */
  handledUntilMs: number | undefined;
  #head = 0;
  /** Up to here its journal must be compared before anything can be said: where it ended when it was first read. */
  #compareUntil: number | undefined;
  /** Position of the oldest entry in its journal; undefined before the first answer. */
  oldest: number | undefined;
  #fetched = 0;
  #unknown = 0;
  #lastError: string | undefined;
  #failures = 0;
  #busy = false;
  // Stryker disable next-line BooleanLiteral: each round sets it when it begins
  #again = false;
  #stopped = false;
  /** Until the newest event that was learned of has had the time to come. */
  #settling: Timer | undefined;
  readonly #putBacks: PutBackWatch;
  #retry: Timer | undefined;

  constructor({ source, types, reader }: ReconciledPublisher, options: PublisherReconciliationOptions) {
    this.source = source;
    this.reader = reader;
    this.#types = types;
    this.#options = options;
    this.#state = reader ? 'starting' : 'off';
    this.#cursor = options.inbox.cursor(source);
    const unknown = (count: number) => this.#reportUnknown(count);
    this.#putBacks = new PutBackWatch({ ...options, source, types, reader, unknown });
  }

  get busy(): boolean {
    return this.#busy;
  }

  status(): PublisherStatus {
    return {
      state: this.#state,
      reconciledUntil: this.#cursor.position,
      head: this.#head,
      fetched: this.#fetched,
      unknown: this.#unknown,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#settling?.cancel();
  }

  round(): void {
    if (!this.reader || this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#again = false;
    this.#putBacks.check(
      this.#cursor,
      this.#unlessFailed(() => this.#ask()),
    );
  }

  #unlessFailed(goOn: () => void): (error?: Error) => void {
    return (error) => {
      if (this.#stopped) return;
      if (error) this.#failed(error);
      else goOn();
    };
  }

  #ask(): void {
    const { service } = this.#options;
    const { position: after, eventId: anchor } = this.#cursor;
    const until = Math.max(after, this.#settledHead);
    // Stryker disable next-line OptionalChaining: no round begins without a reader
    this.reader?.digests({ consumer: service, types: this.#types, after, anchor, until }, (answer) => {
      if (this.#stopped) return;
      if (answer instanceof Error) return this.#failed(answer);
      this.#lastError = undefined;
      this.#failures = 0;
      this.oldest = answer.oldest;
      this.#noteHead(answer.head);
      // A journal that was put back meanwhile ends earlier than it did: there is no more to wait for than it holds.
      this.#compareUntil = Math.min(this.#compareUntil ?? answer.head, answer.head);
      const former = this.#cursor.journalId;
      if (!this.#startsOver(answer)) return this.#ranges(answer, 0);
      // Peers give a named instance back what it had published: events that only its former journal holds are no loss.
      const replaced = former !== answer.journalId && instanceOf(this.source) !== undefined;
      return replaced ? this.#displace() : this.#ask();
    });
  }

  /** Takes the events of a journal that is gone out of the comparison, in steps, and goes on with the new one. */
  #displace(): void {
    const { inbox, commit } = this.#options;
    commit.submit(
      () => inbox.displace(this.source, 0, displacedAtOnce),
      (result) => {
        if (this.#stopped) return;
        if (!result.ok) return this.#failed(result.error);
        if (result.value === displacedAtOnce) this.#displace();
        else this.#ask();
      },
    );
  }

  /** Only what was in the journal a while ago can be missed by now. */
  #noteHead(head: number): void {
    this.#head = head;
    const { clock } = this.#options;
    const readAtMs = clock.steadyMs();
    // A journal that was put back holds no more to wait for than this.
    this.#settledHead = Math.min(this.#settledHead, head);
    if (head <= this.#settledHead) {
      this.#settledAtMs = readAtMs;
      return;
    }
    // Its round learns of what is newer. With one for each answer, every round of the interval would add a row of rounds, five
    // seconds apart, that ends only when nothing is published any more.
    this.#settling ??= clock.after(onItsWayMs, () => {
      this.#settling = undefined;
      this.#settledHead = head;
      this.#settledAtMs = readAtMs;
      this.round();
    });
  }

  /** True: the journal is not the one that was compared before, so it is compared again from its beginning. */
  #startsOver(answer: JournalDigests): boolean {
    const { journalId, head, oldest } = answer;
    const { journalId: knownId, position } = this.#cursor;
    const { log } = this.#options;
    const fields = { publisher: this.source, seen: position, head };
    const another = knownId !== undefined && knownId !== journalId;
    if (!another && !wasPutBack(answer, this.#cursor)) {
      if (position > 0 && oldest > position + 1) {
        log.error(
          { ...fields, oldest },
          'retention has deleted events of this publisher before they could be compared: what was lost of them stays lost',
        );
      }
      return false;
    }
    log.error(
      fields,
      another
        ? 'this publisher has another database than before: its journal is compared from the beginning'
        : 'the database of this publisher was put back to an earlier state: its journal is compared from the beginning',
    );
    this.#putBacks.reported();
    this.#settledHead = Math.min(this.#settledHead, head);
    this.#settledAtMs = undefined;
    this.handledUntilMs = undefined;
    this.#cursor = { journalId, position: 0, eventId: undefined, writtenAtMs: undefined };
    this.#compareUntil = head;
    return true;
  }

  #ranges(answer: JournalDigests, index: number): void {
    if (this.#stopped) return;
    const range = answer.ranges[index];
    if (!range) {
      const more = answer.ranges.length > 0 && this.#cursor.position < this.#settledHead;
      if (more) return this.#ask();
      return this.#finished('reconciled', answer.journalId);
    }
    const here = this.#options.inbox.digest(this.source, range.after, range.until);
    if (here.count === range.count && here.sum === range.sum) {
      this.#advance(answer, range);
      return this.#ranges(answer, index + 1);
    }
    this.#differs(range, (complete) => {
      if (!complete) return this.#finished('behind', answer.journalId);
      this.#advance(answer, range);
      this.#ranges(answer, index + 1);
    });
  }

  #advance({ journalId }: JournalDigests, { until, eventId, writtenAtMs }: RangeDigest): void {
    this.#cursor = { journalId, position: until, eventId, writtenAtMs };
  }

  /** Handles what is missing of a range. `complete` is false when some of it must wait. */
  #differs(range: RangeDigest, done: (complete: boolean) => void): void {
    const { after, until } = range;
    // Stryker disable next-line OptionalChaining: no round begins without a reader
    this.reader?.ids({ after, until, types: this.#types }, (entries) => {
      if (this.#stopped) return;
      if (entries instanceof Error) return this.#failed(entries);
      const align = () => this.#align(range, entries, done);
      const unknown = this.#options.inbox.newestUnknown(this.source, range, entries);
      // Before it is out of its place here: after a crash, nobody would know any more that the publisher should.
      if (unknown) this.#putBacks.letKnow(unknown, this.#unlessFailed(align));
      else align();
    });
  }

  #align(range: RangeDigest, entries: readonly HandledEvent[], done: (complete: boolean) => void): void {
    const { inbox, commit, bus, handler } = this.#options;
    commit.submit(
      () => inbox.align(this.source, range, entries),
      (result) => {
        if (this.#stopped) return;
        if (!result.ok) return this.#failed(result.error);
        const { missing, unknown } = result.value;
        if (unknown.length > 0) this.#reportUnknown(unknown.length);
        if (missing.length === 0) return done(true);
        bus.backlog((messages) => {
          if (this.#stopped) return;
          // Queues keep the order: what was published before something that was delivered is not in the queue any more.
          const lost = messages
            ? missing.filter((position) => position < handler.deliveredPosition(this.source))
            : missing;
          if (lost.length > 0) this.#state = 'behind';
          this.#fetch(lost, 0, () => done(lost.length === missing.length));
        });
      },
    );
  }

  #reportUnknown(count: number): void {
    this.#unknown += count;
    this.#options.log.error(
      { publisher: this.source, events: count },
      'events handled here are not in the journal of their publisher: its database was put back; npm run audit lists the orders that disagree',
    );
  }

  #fetch(positions: readonly number[], from: number, done: () => void): void {
    const page = positions.slice(from, from + fetchMax);
    if (page.length === 0) return done();
    const { handler, log } = this.#options;
    // Stryker disable next-line OptionalChaining: no round begins without a reader
    this.reader?.events(page, (entries) => {
      if (this.#stopped) return;
      if (entries instanceof Error) return this.#failed(entries);
      this.#fetched += entries.length;
      log.warn(
        { publisher: this.source, events: entries.length, done: from + page.length, of: positions.length },
        'the broker has not brought these events: they are handled from the journal of their publisher',
      );
      handler.handleFetched(this.source, entries, () => this.#fetch(positions, from + fetchMax, done));
    });
  }

  #failed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#failures += 1;
    this.#lastError = message;
    // Services start together, and restart: one that is away for a moment is no news.
    if (this.#failures === failuresToReport) {
      this.#state = 'unreachable';
      this.#options.log.warn({ publisher: this.source, error: message }, 'its journal cannot be read now: tried again');
    }
    const { clock, intervalMs } = this.#options;
    // One at a time: rounds that fail meanwhile must not each have a successor of their own.
    this.#retry?.cancel();
    this.#retry = clock.after(backoffMs(this.#failures, retryMsMin, intervalMs), () => this.round());
    this.#ended();
  }

  #finished(state: 'reconciled' | 'behind', journalId: string): void {
    const { inbox, commit } = this.#options;
    const compared = this.#cursor.position >= (this.#compareUntil ?? 0);
    this.#state = state === 'reconciled' && !compared ? 'starting' : state;
    if (this.#state === 'reconciled' && this.#cursor.position >= this.#settledHead)
      this.handledUntilMs = this.#settledAtMs ?? this.handledUntilMs;
    const before = inbox.cursor(this.source);
    const cursor = { ...this.#cursor, journalId };
    // After the publisher was put back, another event may stand at the same position.
    const same = before.position === cursor.position && before.eventId === cursor.eventId;
    if (same && before.writtenAtMs === cursor.writtenAtMs && before.journalId === journalId) return this.#ended();
    commit.submit(
      () => inbox.setCursor(this.source, cursor),
      () => this.#ended(),
    );
  }

  #ended(): void {
    this.#busy = false;
    if (this.#again) this.round();
  }
}
