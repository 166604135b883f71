// Deletes what is old enough: entries of the journal, and rows of the inbox that nobody can ask for any more. In small
// steps, so that no request waits behind it.
import type { Clock, Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { GroupCommit } from '../storage/group-commit.ts';
import type { Inbox } from '../storage/inbox.ts';
import type { Journal } from '../storage/journal.ts';

/** Rows deleted in one transaction. */
const stepRows = 500;
/** Between two steps while there is more to delete, and when there is nothing. */
const stepDelayMs = 100;
const idleDelayMs = 60_000;

interface Options {
  readonly journal: Journal;
  readonly inbox: Inbox;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly log: Log;
  /** Left out: nothing is ever deleted. */
  readonly retentionMs: number | undefined;
  /** Nothing above it is deleted: the broker does not have it yet. */
  readonly confirmedUntil: () => number;
  /** Oldest position in each publisher's journal. */
  readonly oldest: () => ReadonlyMap<string, number>;
}

export class Retention {
  readonly #options: Options;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: Options) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.retentionMs !== undefined) this.#later(idleDelayMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => this.#step());
  }

  #step(): void {
    const { journal, inbox, commit, clock, retentionMs = 0, confirmedUntil, oldest } = this.#options;
    const beforeMs = clock.nowMs() - retentionMs;
    commit.submit(
      () => {
        let deleted = journal.prune(confirmedUntil(), beforeMs, stepRows);
        for (const [source, position] of oldest()) deleted += inbox.prune(source, position, beforeMs, stepRows);
        return deleted;
      },
      (result) => this.#later(result.ok && result.value >= stepRows ? stepDelayMs : idleDelayMs),
    );
  }
}
