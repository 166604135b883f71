// The mark in the database that says how far the outbox is confirmed. It follows the confirms lazily, riding along with
// group commits. Processes that share a database file have one each; of one that has died, another takes over what it left.
import type { Clock, Timer } from '../environment/clock.ts';
import type { GroupCommit, GroupParticipant } from '../storage/group-commit.ts';
import type { Journal } from '../storage/journal.ts';
import type { Outbox } from '../storage/outbox.ts';
import type { OutboxProgress } from './outbox-progress.ts';

/** How far behind the confirms the mark may be. What it does not cover is published again after a crash. */
const markDelayMs = 1_000;
/** Most exceptions written with one mark. */
const exceptionsPerMark = 1_000;

interface Options {
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly progress: OutboxProgress;
  /** Whether an unconfirmed entry does not get through. */
  readonly isStuck: (position: number, routingKey: string) => boolean;
  /** There is something to publish that this process has not written. */
  readonly pump: () => void;
}

interface Mark {
  readonly position: number;
  /** What it goes past beside the exceptions that there are. */
  readonly excepting: readonly number[];
}

export class OutboxMark implements GroupParticipant {
  readonly #options: Options;
  /** The mark as it is in the database, and as the open transaction has written it. */
  #marked = 0;
  #marking: Mark | undefined;
  #due = false;
  /** Unconfirmed entries that the mark in the database has passed. */
  readonly #exceptions = new Set<number>();
  /** Ranges of entries that the cursor has passed, since another process that shares the file wrote them. */
  #passed: { readonly from: number; readonly to: number }[] = [];
  /** What runs before this one had left is this one's, and their marks are gone. */
  #tookOver = false;
  /** What other processes had confirmed, and the head, at the last look. */
  #others: { readonly mark: number; readonly head: number } | undefined;
  #started = false;
  #stopped = false;
  #timer: Timer | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  start(): void {
    const { outbox, progress } = this.#options;
    progress.startMark = outbox.confirmedUntil();
    this.#marked = progress.startMark;
    const exceptions = outbox.exceptionsAfter(0, Number.MAX_SAFE_INTEGER);
    for (const { position } of exceptions) this.#exceptions.add(position);
    this.#started = true;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Entries that earlier runs have left below the mark. */
  get exceptions(): ReadonlySet<number> {
    return this.#exceptions;
  }

  // ---- riding along with group commits

  begin(): void {
    this.#marking = undefined;
    const { outbox, clock, progress } = this.#options;
    if (!this.#started) return;
    // What others have written since the start is read, too: their marks are deleted below.
    if (this.#tookOver) this.#passOthers();
    else progress.more = true;
    // Another process must see this one's mark before it goes past what this one writes.
    const registers = !outbox.isRegistered();
    if (!this.#due && !registers) return;
    if (!this.#tookOver) outbox.deleteOthers(Number.MAX_SAFE_INTEGER);
    this.#marking = this.#next();
    for (const position of this.#marking.excepting) outbox.except(position);
    outbox.mark(this.#marking.position, clock.nowMs());
  }

  committed(): void {
    if (this.#marking === undefined) return;
    this.#due = false;
    this.#marked = this.#marking.position;
    for (const position of this.#marking.excepting) this.#exceptions.add(position);
    // More than one mark could write may be left.
    this.writeLater();
    this.#tookOver = true;
    this.#options.pump();
  }

  rolledBack(): void {
    this.writeLater();
  }

  /** Writes the mark now, at the end of an orderly stop. Resolves also when that fails: nothing is lost by it. */
  write(): Promise<void> {
    this.#due = true;
    return new Promise((resolve) =>
      this.#options.commit.submit(
        () => {},
        () => resolve(),
      ),
    );
  }

  /** Something was confirmed, or does not get through: the mark follows within a second. */
  writeLater(): void {
    if (this.#timer || this.#stopped || this.#next().position === this.#marked) return;
    this.#timer = this.#options.clock.after(markDelayMs, () => {
      this.#timer = undefined;
      this.#due = true;
      // The work is empty: begin() writes the mark, in whatever group comes next.
      this.#options.commit.submit(
        () => {},
        () => {},
      );
    });
  }

  /** An entry was confirmed: it is no exception any more. */
  confirmed(position: number): void {
    if (!this.#exceptions.delete(position)) return;
    // Should that fail, a later run publishes it once more.
    this.#options.commit.submit(
      () => this.#options.outbox.unexcept(position),
      () => {},
    );
  }

  /** The mark goes past what does not get through, so that a restart does not publish everything after it again. */
  #next(): Mark {
    const { progress, isStuck } = this.#options;
    const excepting: number[] = [];
    for (const [position, routingKey] of progress.unconfirmed) {
      if (!isStuck(position, routingKey) || excepting.length === exceptionsPerMark) {
        return { position: Math.max(this.#marked, Math.min(position - 1, progress.cursor)), excepting };
      }
      if (!this.#exceptions.has(position)) excepting.push(position);
    }
    return { position: Math.max(this.#marked, progress.cursor), excepting };
  }

  // ---- other processes that share the database file

  /** Entries up to this one were skipped, since another process has written them and publishes them. */
  skipped(until: number): void {
    const from = this.#options.progress.known + 1;
    if (until >= from) this.#passed.push({ from, to: until });
  }

  /** With nothing left to read, the mark of this process follows what others write: it must not hold up the lowest one. */
  #passOthers(): void {
    const { progress, journal } = this.#options;
    if (progress.more) return;
    const head = journal.nextPosition - 1;
    this.skipped(head);
    progress.taken = head;
    progress.cursor = head;
  }

  /** To be called now and then. A process whose mark has not moved in between has died: its entries are ours now. */
  takeOverFromTheDead(): void {
    const { outbox, journal } = this.#options;
    const mark = outbox.othersConfirmedUntil();
    const before = this.#others;
    this.#others = mark === undefined ? undefined : { mark, head: journal.head() };
    if (mark === undefined) return;
    this.#passed = this.#passed.filter(({ to }) => to > mark);
    if (before === undefined || mark !== before.mark || mark >= before.head) return;
    this.#takeOver(mark);
  }

  /**
   * Takes on what other processes wrote above their lowest mark, `from`, also what was written since the last look: with
   * that mark deleted, nothing would ever bring it up again. What this process wrote itself is not published again.
   */
  #takeOver(from: number): void {
    const { outbox, journal, commit, clock, progress } = this.#options;
    const left = this.#passed.flatMap((range) => {
      const after = Math.max(range.from - 1, from);
      return journal.after(after, range.to - after);
    });
    this.#passed = [];
    const entries = left.map(({ position, type }): [number, string] => [position, type]);
    progress.unconfirmed = new Map([...entries, ...progress.unconfirmed].sort(([a], [b]) => a - b));
    progress.rewind(left[0]?.position ?? progress.cursor + 1);
    // Our own mark goes back to before what waits, also since an earlier attempt that could not be written: nothing of it
    // is lost should this process die, too.
    this.#marked = Math.min(this.#marked, progress.confirmedUntil);
    commit.submit(
      () => {
        outbox.mark(this.#marked, clock.nowMs());
        outbox.deleteOthers(from);
      },
      () => {},
    );
  }
}
