// Group commit: what has arrived by now, messages and HTTP requests alike, shares one transaction and one fsync.
// Each piece of work has a savepoint of its own, so that one that fails costs only itself.
import type { Clock } from '../environment/clock.ts';
import { type Database, isTransient, TransientError } from './database.ts';

/** Named moments at which a crash must do no harm. Tests and the simulator crash there; otherwise nothing happens. */
export const failpoints = [
  'before-commit',
  'after-commit',
  'before-ack',
  'before-publish',
  'after-publish',
  'after-confirm',
  'in-group',
] as const;
export type Failpoint = (typeof failpoints)[number];
export type HitFailpoint = (point: Failpoint) => void;

/** Takes part in every group: the outbox's bookkeeping rides along instead of paying for an fsync of its own. */
export interface GroupParticipant {
  /** Inside the transaction, before any work. */
  begin(): void;
  /** Inside the transaction, after each work. False: it failed, and what it wrote was undone. */
  worked?(kept: boolean): void;
  /** The group is on disk. */
  committed(): void;
  /** Nothing of the group happened. */
  rolledBack(): void;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

interface Work {
  readonly run: () => unknown;
  readonly done: (result: Result<unknown>) => void;
}

/** Largest group. It bounds how long HTTP requests wait behind a burst of messages. */
const groupSizeMax = 256;

export class GroupCommit {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #participants: readonly GroupParticipant[];
  readonly #reached: HitFailpoint;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #save;
  readonly #release;
  readonly #undo;
  #queue: Work[] = [];
  #scheduled = false;

  constructor(db: Database, clock: Clock, participants: readonly GroupParticipant[], reached: HitFailpoint = () => {}) {
    this.#db = db;
    this.#clock = clock;
    this.#participants = participants;
    this.#reached = reached;
    // A deferred transaction that turns into a writer ignores the busy timeout; IMMEDIATE waits its turn.
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#save = db.prepare('SAVEPOINT work');
    this.#release = db.prepare('RELEASE work');
    this.#undo = db.prepare('ROLLBACK TO work');
  }

  /**
   * Runs `run` inside the next group, synchronously, then calls `done` when the group is on disk or has failed.
   * A throw compensates only this work. When the group as a whole fails, every work in it gets a TransientError.
   */
  submit<T>(run: () => T, done: (result: Result<T>) => void): void {
    this.#queue.push({ run, done: done as (result: Result<unknown>) => void });
    this.#schedule();
  }

  /** The same as a promise, for HTTP. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) =>
      this.submit(work, (result) => (result.ok ? resolve(result.value) : reject(result.error))),
    );
  }

  /** True when nothing is waiting for a group. */
  get idle(): boolean {
    return this.#queue.length === 0;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const group = this.#queue.splice(0, groupSizeMax);
    if (group.length === 0) return;
    if (this.#queue.length > 0) this.#schedule();
    let results: Result<unknown>[];
    try {
      results = this.#transaction(group);
    } catch (error) {
      // A failpoint may end this object in the simulator; then nobody is told anything.
      if (!isTransient(error)) throw error;
      const fault = new TransientError(error instanceof Error ? error.message : String(error), { cause: error });
      for (const { done } of group) done({ ok: false, error: fault });
      return;
    }
    this.#reached('after-commit');
    for (const participant of this.#participants) participant.committed();
    group.forEach(({ done }, index) => {
      const result = results[index];
      if (result) done(result);
    });
  }

  #transaction(group: readonly Work[]): Result<unknown>[] {
    try {
      this.#begin.run();
      for (const participant of this.#participants) participant.begin();
      const results = group.map(({ run }) => this.#one(run));
      this.#reached('before-commit');
      this.#commit.run();
      return results;
    } catch (error) {
      // SQLite itself has already rolled back after some faults (disk full, I/O error).
      if (this.#db.inTransaction) this.#rollback.run();
      for (const participant of this.#participants) participant.rolledBack();
      throw error;
    }
  }

  #one(run: () => unknown): Result<unknown> {
    this.#save.run();
    let result: Result<unknown>;
    try {
      result = { ok: true, value: run() };
    } catch (error) {
      if (isTransient(error)) throw error;
      result = { ok: false, error };
    }
    // After some faults SQLite ends the transaction by itself, whatever the work has made of the error.
    if (!this.#db.inTransaction) throw new TransientError('SQLite has ended the transaction');
    if (!result.ok) this.#undo.run();
    this.#release.run();
    for (const participant of this.#participants) participant.worked?.(result.ok);
    this.#reached('in-group');
    return result;
  }
}
