// The clock of one simulated process: virtual time for timers, a wall clock that may be wrong, and seeded ids.
import type { Clock, Timer } from '../../shared/runtime/environment/clock.ts';
import type { Random } from './random.ts';
import type { Owner, Schedule } from './schedule.ts';

/** When every run begins. */
export const epochMs = Date.UTC(2030, 0, 1);

/** The wall clock of a machine; it outlives the processes on it. */
export class WallClock {
  readonly #schedule: Schedule;
  #offsetMs = 0;
  #stoppedAtMs: number | undefined;
  /** Called when it goes wrong or is set right. */
  changed: () => void = () => {};

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  nowMs(): number {
    return this.#stoppedAtMs ?? epochMs + this.#schedule.nowMs + this.#offsetMs;
  }

  get right(): boolean {
    return this.#offsetMs === 0 && this.#stoppedAtMs === undefined;
  }

  jump(byMs: number): void {
    this.#offsetMs += byMs;
    this.changed();
  }

  stop(): void {
    this.#stoppedAtMs = this.nowMs();
    this.changed();
  }

  /** Corrects the clock. */
  set(): void {
    this.#offsetMs = 0;
    this.#stoppedAtMs = undefined;
    this.changed();
  }
}

export class SimClock implements Clock {
  readonly #schedule: Schedule;
  readonly #wall: WallClock;
  readonly #random: Random;
  readonly #owner: Owner;
  /** The wall clock at the start of the process, as of the beginning of the run. */
  readonly #steadyFromMs: number;

  constructor(schedule: Schedule, wall: WallClock, random: Random, owner: Owner) {
    this.#schedule = schedule;
    this.#wall = wall;
    this.#random = random;
    this.#owner = owner;
    this.#steadyFromMs = wall.nowMs() - schedule.nowMs;
  }

  nowMs(): number {
    return this.#wall.nowMs();
  }

  steadyMs(): number {
    return this.#steadyFromMs + this.#schedule.nowMs;
  }

  soon(run: () => void): void {
    this.#schedule.after(this.#random.below(3), run, this.#owner);
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#schedule.after(Math.ceil(delayMs), run, this.#owner);
  }

  newId(): string {
    return uuidV7(this.nowMs(), this.#random);
  }
}

/** RFC 9562 version 7: 48 bits of time, 74 bits of chance. */
export function uuidV7(nowMs: number, random: Random): string {
  const time = Math.max(0, nowMs).toString(16).padStart(12, '0');
  const a = (0x7000 | (random.uint32() & 0xfff)).toString(16);
  const b = random.uint32();
  const c = random.uint32().toString(16).padStart(8, '0');
  const variant = (0x8000 | ((b >>> 16) & 0x3fff)).toString(16);
  const rest = (b & 0xffff).toString(16).padStart(4, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-${a}-${variant}-${rest}${c}`;
}
