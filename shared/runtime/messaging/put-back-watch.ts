// Holds the events that were handled here against the journal of their publisher. One that the journal does not hold proves
// that the publisher's database was put back, also to a copy so young that nothing beyond it had been compared.
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { GroupCommit } from '../storage/group-commit.ts';
import type { HandledEvent, Inbox, ReconcileCursor } from '../storage/inbox.ts';
import type { JournalDigests, JournalReader } from './journal-queries.ts';

/** So long a publisher that was put back has to publish again what it had published. */
const graceMs = 60_000;
/** Rows of the inbox that are changed in one transaction. */
const displacedAtOnce = 1_000;

export interface PutBackWatchOptions {
  /** Name of this service. */
  readonly service: string;
  /** The publisher, and the event types of it that this service subscribes to. */
  readonly source: string;
  readonly types: readonly string[];
  readonly reader: JournalReader | undefined;
  readonly inbox: Inbox;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly log: Log;
  /** So many events that were handled here are not in its journal, and did not come back. */
  readonly unknown: (count: number) => void;
}

/** Calls back exactly once, with the error that kept it from being done. */
type Done = (error?: Error) => void;

/** True: the journal held this event, and holds it no more, or has got it again since. */
export function wasPutBack(
  { head, oldest, anchor, anchorWrittenAtMs }: JournalDigests,
  { position, eventId, writtenAtMs = anchorWrittenAtMs }: SeenEvent,
): boolean {
  if (position > head) return true;
  if (eventId === undefined || position < oldest) return false;
  return anchor !== eventId || (anchorWrittenAtMs ?? writtenAtMs) !== writtenAtMs;
}

type SeenEvent = Partial<Pick<ReconcileCursor, 'eventId' | 'writtenAtMs'>> & Pick<ReconcileCursor, 'position'>;

export class PutBackWatch {
  readonly #options: PutBackWatchOptions;
  /** Since when the journal has been known to end before what was handled; undefined: it does not. */
  #sinceMs: number | undefined;

  constructor(options: PutBackWatchOptions) {
    this.#options = options;
  }

  /**
   * Holds the newest handled event against the journal. A publisher commits what it publishes before anybody gets it, so the
   * event is there unless the database was put back.
   */
  check({ journalId, position }: ReconcileCursor, done: Done): void {
    const { inbox, source, clock } = this.#options;
    const newest = inbox.newest(source);
    if (!newest || newest.position <= position) {
      this.#sinceMs = undefined;
      return done();
    }
    this.#ask(newest, (answer) => {
      if (answer instanceof Error) return done(answer);
      // Another database is not this one put back: the comparison finds that.
      const isAnother = journalId !== undefined && journalId !== answer.journalId;
      if (isAnother || !wasPutBack(answer, newest)) {
        this.#sinceMs = undefined;
        return done();
      }
      this.#report(newest, answer.head);
      if (clock.steadyMs() - (this.#sinceMs ?? 0) < graceMs) return done();
      this.#displace(answer.head, done);
    });
  }

  /** It has been reported already that the database was put back. */
  reported(): void {
    this.#sinceMs ??= this.#options.clock.steadyMs();
  }

  /** Lets the publisher know of a handled event that its journal does not hold. */
  letKnow(handled: HandledEvent, done: Done): void {
    this.#ask(handled, (answer) => done(answer instanceof Error ? answer : undefined));
  }

  /** The question for the journal from this event on, and no further: its publisher compares as well. */
  #ask({ position, eventId }: HandledEvent, done: (answer: JournalDigests | Error) => void): void {
    const { service, types, reader } = this.#options;
    reader?.digests({ consumer: service, types, after: position, anchor: eventId, until: position }, done);
  }

  #report({ position }: HandledEvent, head: number): void {
    if (this.#sinceMs !== undefined) return;
    this.reported();
    const { source, log } = this.#options;
    log.error(
      { publisher: source, seen: position, head },
      'the database of this publisher was put back to an earlier state: its journal does not hold events that were handled here',
    );
  }

  /** What did not come back stays handled, and has no place in the journal any more, in steps. */
  #displace(head: number, done: Done): void {
    const { inbox, source, commit, unknown } = this.#options;
    commit.submit(
      () => inbox.displace(source, head, displacedAtOnce),
      (result) => {
        if (!result.ok) return done(result.error instanceof Error ? result.error : new Error(String(result.error)));
        if (result.value > 0) unknown(result.value);
        if (result.value === displacedAtOnce) return this.#displace(head, done);
        this.#sinceMs = undefined;
        done();
      },
    );
  }
}
