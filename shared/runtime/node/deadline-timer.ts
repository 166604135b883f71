// Wakes a service up when something is due, by its own database and steady clock: setting the wall clock changes nothing. Each thing is done in a unit of work of its own,
// so that one that fails does not keep the others waiting.
import { backoffMs, type Clock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import { RateLimitedLog } from '../environment/rate-limited-log.ts';
import { newCause, type UnitsOfWork } from '../messaging/unit-of-work.ts';
import { isTransient } from '../storage/database.ts';
import type { GroupParticipant } from '../storage/group-commit.ts';
import type { Deadlines, KnownPublishers } from './service.ts';

/** Longest sleep until the deadlines are looked at again: the steady clock is not as exact as the timers. */
const sleepMsMax = 2_000;
const retryMinMs = 1_000;
const retryMaxMs = 60_000;
/** Most deadlines met at a time. */
const dueMax = 100;

interface Options {
  readonly deadlines: Deadlines | undefined;
  readonly units: UnitsOfWork;
  readonly clock: Clock;
  readonly log: Log;
  readonly publishers: KnownPublishers;
}

export class DeadlineTimer implements GroupParticipant {
  readonly #options: Options;
  readonly #log: RateLimitedLog;
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined;
  /** Keys that failed, and when each may be tried again. */
  readonly #failed = new Map<string, { attempts: number; notBeforeMs: number }>();
  /** Keys that were met before, and have been due ever since: they have not moved on. */
  #met = new Set<string>();
  /** Keys met at the last wake-up, unless they were seen not to be due since. */
  #meeting = new Set<string>();
  /** Units of work of the present wake-up that are not done yet. */
  #left = 0;
  #running = false;

  constructor(options: Options) {
    this.#options = options;
    this.#log = new RateLimitedLog(options.log, options.clock);
  }

  start(): void {
    this.#running = true;
    this.#arm();
  }

  stop(): void {
    this.#running = false;
    this.#timer?.timer.cancel();
    this.#timer = undefined;
  }

  begin(): void {}

  rolledBack(): void {}

  committed(): void {
    this.#arm();
  }

  #arm(minDelayMs = 0): void {
    const { deadlines, clock } = this.#options;
    if (!deadlines || !this.#running || this.#left > 0) return;
    const atMs = deadlines.nextAtMs();
    if (atMs === undefined) return;
    if (this.#timer && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const delayMs = Math.min(Math.max(minDelayMs, atMs - clock.steadyMs()), sleepMsMax);
    this.#timer = { atMs, timer: clock.after(delayMs, () => this.#wake()) };
  }

  #wake(): void {
    this.#timer = undefined;
    const { deadlines, clock } = this.#options;
    if (!deadlines || !this.#running) return;
    const nowMs = clock.steadyMs();
    const keys = this.#dueNow(deadlines, nowMs);
    if (keys.length === 0) return this.#arm(this.#failed.size > 0 ? retryMinMs : 0);
    this.#left = keys.length;
    this.#met = this.#meeting;
    this.#meeting = new Set(keys);
    for (const key of keys) this.#meet(deadlines, key);
  }

  /** Those that failed lately are left out, also when they fill the first page. */
  #dueNow(deadlines: Deadlines, nowMs: number): string[] {
    const waits = (key: string): boolean => (this.#failed.get(key)?.notBeforeMs ?? 0) > nowMs;
    const limit = dueMax + this.#failed.size;
    const due = deadlines.due(nowMs, limit);
    if (due.length < limit) this.#dropOthers(due);
    return due.filter((key) => !waits(key)).slice(0, dueMax);
  }

  /** What is no longer due has moved on, or has been done in another way. */
  #dropOthers(due: readonly string[]): void {
    for (const key of this.#failed.keys()) if (!due.includes(key)) this.#failed.delete(key);
    for (const key of this.#meeting) if (!due.includes(key)) this.#meeting.delete(key);
  }

  #meet(deadlines: Deadlines, key: string): void {
    const { units, clock, publishers } = this.#options;
    const cause = newCause(clock.newId(), clock);
    units.submit({ lane: 'event', cause, run: (tx) => deadlines.meet(key, tx, publishers) }, (result) => {
      if (!this.#running) return;
      if (!result.ok) this.#tryLater(key, result.error);
      else if (this.#met.has(key)) this.#tryLater(key, 'it was met, and is still due');
      else this.#failed.delete(key);
      this.#left -= 1;
      // A failed one is still the next that is due: not at once again.
      if (this.#left === 0) this.#arm(this.#failed.size > 0 ? retryMinMs : 0);
    });
  }

  #tryLater(key: string, error: unknown): void {
    const attempts = (this.#failed.get(key)?.attempts ?? 0) + 1;
    // What keeps all of them from being met may pass at any moment; what keeps only this one is unlikely to.
    const delayMs = isTransient(error) ? retryMinMs : backoffMs(attempts, retryMinMs, retryMaxMs);
    this.#failed.set(key, { attempts, notBeforeMs: this.#options.clock.steadyMs() + delayMs });
    this.#log.write('error', { key, error: String(error), attempts }, 'a deadline could not be met now: it is retried');
  }
}
