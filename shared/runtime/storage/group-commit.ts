// Group commit: what has arrived by now, events and requests alike, shares one transaction and one fsync. A piece of work
// that fails costs only itself: then the group runs again, each in a savepoint of its own or, where that is not enough, each
// in a transaction of its own.
import type { Clock, Timer } from '../environment/clock.ts';
import { type Database, isBusy, isTransient, TransientError } from './database.ts';

/** Named places at which a crash must do no harm. Tests and the simulator crash there; otherwise nothing happens. */
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

/** Takes part in every group: bookkeeping rides along instead of paying for an fsync of its own. */
export interface GroupParticipant {
  /** Inside the transaction, before any work. */
  begin(): void;
  /** Inside the transaction, after each work. False: it failed, and what it wrote was undone. */
  worked?(kept: boolean): void;
  /** The group is on disk. */
  committed(): void;
  /** Nothing of the group happened. It may run again at once. */
  rolledBack(): void;
}

/** A group that is on disk. */
export interface WrittenGroup {
  /** How many works it held. */
  readonly size: number;
  /** How long its transaction took, from BEGIN to the end of COMMIT. */
  readonly durationMs: number;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/**
 * Requests and events queue apart, so that neither waits behind all of the other. A note is something from which nothing
 * follows: it does not make a group by itself, but joins the next one, or waits a moment for it.
 */
export type Lane = 'request' | 'event' | 'note';

interface Work {
  readonly run: () => unknown;
  readonly done: (result: Result<unknown>) => void;
}

/** Largest group, and how long it may take: the event loop does nothing else meanwhile. */
const groupSizeMax = 256;
const groupMsMax = 50;
/** Of a full group, this much is kept for notes; of the rest, half for each of the other lanes. */
const noteShare = groupSizeMax / 4;
/** How long a note waits for a group to join. At low load the next event of its saga comes within that time. */
const noteDelayMs = 25;
/** After a group in which a work failed, so many have savepoints from the start: where one fails, more do. */
const groupsWithSavepoints = 32;
/** How often, and how long in all, a group waits for the lock of another process: about a second and a half. */
const busyRetryMs = 15;
const busyAttemptsMax = 100;

/** A work has failed without a savepoint that it could be rolled back to. */
class WorkFailed extends Error {}

export class GroupCommit {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #participants: GroupParticipant[] = [];
  readonly #hit: HitFailpoint;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #save;
  readonly #release;
  readonly #undo;
  readonly #lanes: Readonly<Record<Lane, Work[]>> = { request: [], event: [], note: [] };
  /** What comes before all else: a group that waits for another process's lock, or what one had no time for. */
  readonly #waiting: Work[] = [];
  /** What was in a group that failed: each is tried by itself, so that one which always fails does not hold up the others. */
  readonly #alone: Work[] = [];
  #scheduled = false;
  #noteTimer: Timer | undefined;
  /** How many of the next groups have savepoints from the start. */
  #withSavepoints = 0;
  /** Attempts to begin the present group that met another process's lock. */
  #busyAttempts = 0;
  /** A group has waited for the lock in vain: until one gets it, each tries once, so that what queues is refused soon. */
  #lockedOut = false;
  #lastError: string | undefined;
  readonly #listeners = new Set<(group: WrittenGroup) => void>();
  #closed = false;

  constructor(db: Database, clock: Clock, hit: HitFailpoint = () => {}) {
    this.#db = db;
    this.#clock = clock;
    this.#hit = hit;
    // A deferred transaction that turns into a writer ignores the busy timeout; IMMEDIATE waits its turn.
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#save = db.prepare('SAVEPOINT work');
    this.#release = db.prepare('RELEASE work');
    this.#undo = db.prepare('ROLLBACK TO work');
  }

  /** Takes part in every group from now on, after those that joined before. */
  join(participant: GroupParticipant): void {
    this.#participants.push(participant);
  }

  /**
   * Runs `run` inside the next group, synchronously, then calls `done` when the group is on disk or has failed.
   * It may run more than once; what it did before was undone. A throw undoes only this work. When the group as a whole fails,
   * each work in it is tried by itself, and gets a TransientError if that fails, too.
   */
  submit<T>(run: () => T, done: (result: Result<T>) => void, lane: Lane = 'event'): void {
    this.#lanes[lane].push({ run, done: done as (result: Result<unknown>) => void });
    if (lane === 'note') this.#scheduleNotes();
    else this.#schedule();
  }

  /** Calls back for every group, once it is on disk. Returns a function that ends that. */
  onWritten(listener: (group: WrittenGroup) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True when nothing is waiting for a group. */
  get idle(): boolean {
    return !this.#pressing && this.#lanes.note.length === 0;
  }

  /** Something waits that needs a group of its own. */
  get #pressing(): boolean {
    const { request, event } = this.#lanes;
    return request.length > 0 || event.length > 0 || this.#waiting.length > 0 || this.#alone.length > 0;
  }

  /** Why the last group could not be written; undefined: it was. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Runs no further group: the database is about to be closed. What waits is never called back. */
  close(): void {
    this.#closed = true;
    this.#noteTimer?.cancel();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#flush();
    });
  }

  #scheduleNotes(): void {
    if (this.#scheduled || this.#noteTimer) return;
    this.#noteTimer = this.#clock.after(noteDelayMs, () => {
      this.#noteTimer = undefined;
      if (!this.#closed && !this.#scheduled) this.#flush();
    });
  }

  /** After a group: what is left. */
  #scheduleRest(): void {
    if (this.#pressing) this.#schedule();
    else if (this.#lanes.note.length > 0) this.#scheduleNotes();
  }

  /** The next group: a share of each lane and, where one has less, more of the others. Notes are older than what they join. */
  #take(): Work[] {
    if (this.#waiting.length > 0) return this.#waiting.splice(0);
    if (this.#alone.length > 0) return this.#alone.splice(0, 1);
    const { request, event, note } = this.#lanes;
    const notes = note.splice(0, Math.max(noteShare, groupSizeMax - request.length - event.length));
    const room = groupSizeMax - notes.length;
    const requests = request.splice(0, Math.max(Math.ceil(room / 2), room - event.length));
    return [...notes, ...requests, ...event.splice(0, room - requests.length)];
  }

  #flush(): void {
    const group = this.#take();
    if (group.length === 0) return;
    this.#noteTimer?.cancel();
    this.#noteTimer = undefined;
    let results: Result<unknown>[];
    const startedAtMs = performance.now();
    try {
      results = this.#results(group);
      this.#busyAttempts = 0;
      this.#lockedOut = false;
      this.#lastError = undefined;
    } catch (error) {
      // A failpoint may end this object in the simulator; then nobody is called back.
      if (!isTransient(error)) throw error;
      if (this.#waitForLock(error, group)) return;
      this.#lastError = error instanceof Error ? error.message : String(error);
      // A lock is nobody's fault; anything else may be that of one work.
      if (group.length > 1 && !isBusy(error)) {
        this.#alone.push(...group);
        return this.#schedule();
      }
      this.#scheduleRest();
      const fault = new TransientError(this.#lastError, { cause: error });
      for (const { done } of group) done({ ok: false, error: fault });
      return;
    }
    // What the group had no time for comes next.
    this.#waiting.push(...group.splice(results.length));
    const written = { size: group.length, durationMs: performance.now() - startedAtMs };
    this.#scheduleRest();
    this.#hit('after-commit');
    for (const listener of this.#listeners) listener(written);
    for (const participant of this.#participants) participant.committed();
    group.forEach(({ done }, index) => {
      const result = results[index];
      // Stryker disable next-line ConditionalExpression: the group is as long as its results; the check is for the type
      if (result) done(result);
    });
  }

  /**
   * Another process holds the lock: the group is tried again a little later. Waiting inside SQLite would block the event
   * loop, and with it every request and every probe.
   * @returns false when it was tried long enough
   */
  #waitForLock(error: unknown, group: readonly Work[]): boolean {
    if (!isBusy(error)) return false;
    this.#lockedOut ||= this.#busyAttempts >= busyAttemptsMax;
    if (this.#lockedOut) {
      this.#busyAttempts = 0;
      return false;
    }
    this.#busyAttempts += 1;
    this.#waiting.unshift(...group);
    this.#scheduled = true;
    this.#clock.after(busyRetryMs, () => {
      this.#scheduled = false;
      if (!this.#closed) this.#flush();
    });
    return true;
  }

  /** A savepoint copies every page that is written in it, and hardly any work fails: first without them. */
  #results(group: readonly Work[]): Result<unknown>[] {
    if (this.#withSavepoints === 0) {
      try {
        return this.#transaction(group, false);
      } catch (error) {
        if (!(error instanceof WorkFailed)) throw error;
        this.#withSavepoints = groupsWithSavepoints;
      }
    }
    this.#withSavepoints -= 1;
    return this.#transaction(group, true);
  }

  #transaction(group: readonly Work[], withSavepoints: boolean): Result<unknown>[] {
    try {
      this.#begin.run();
      for (const participant of this.#participants) participant.begin();
      const results = this.#inTime(group, withSavepoints);
      this.#hit('before-commit');
      this.#commit.run();
      return results;
    } catch (error) {
      // SQLite itself has already rolled back after some faults (disk full, I/O error).
      if (this.#db.inTransaction) this.#rollback.run();
      for (const participant of this.#participants) participant.rolledBack();
      throw error;
    }
  }

  /** The results of as many as there is time for. */
  #inTime(group: readonly Work[], withSavepoints: boolean): Result<unknown>[] {
    const results: Result<unknown>[] = [];
    const untilMs = this.#clock.steadyMs() + groupMsMax;
    for (const { run } of group) {
      results.push(this.#one(run, withSavepoints));
      if (this.#clock.steadyMs() >= untilMs) break;
    }
    return results;
  }

  #one(run: () => unknown, withSavepoint: boolean): Result<unknown> {
    // Stryker disable next-line ConditionalExpression: one savepoint too many costs time, and changes nothing
    if (withSavepoint) this.#save.run();
    let result: Result<unknown>;
    try {
      result = { ok: true, value: run() };
    } catch (error) {
      if (isTransient(error)) throw error;
      result = { ok: false, error };
    }
    // After some faults SQLite ends the transaction by itself, whatever the work has made of the error.
    if (!this.#db.inTransaction) throw new TransientError('SQLite has ended the transaction');
    if (!result.ok) {
      if (!withSavepoint) throw new WorkFailed();
      this.#undo.run();
    }
    // Stryker disable next-line ConditionalExpression: COMMIT releases what is left, and ROLLBACK TO takes the newest
    if (withSavepoint) this.#release.run();
    for (const participant of this.#participants) participant.worked?.(result.ok);
    this.#hit('in-group');
    return result;
  }
}
