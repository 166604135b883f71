// A clock that a test turns by hand: nothing happens by itself, and everything happens in a known order.
import type { Clock, Timer } from '../../shared/runtime/environment/clock.ts';

interface Alarm {
  readonly atMs: number;
  readonly run: () => void;
}

export class HandClock implements Clock {
  readonly #startMs = Date.UTC(2030, 0, 1);
  #wallMs = this.#startMs;
  #elapsedMs = 0;
  #ids = 0;
  #soon: (() => void)[] = [];
  readonly #alarms = new Set<Alarm>();

  nowMs(): number {
    return this.#wallMs;
  }

  steadyMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  after(delayMs: number, run: () => void): Timer {
    const alarm = { atMs: this.#elapsedMs + delayMs, run };
    this.#alarms.add(alarm);
    return { cancel: () => this.#alarms.delete(alarm) };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** Valid UUIDs (v7), ascending, the same in every run. */
  newId(): string {
    this.#ids += 1;
    return `01900000-0000-7000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
  }

  /** Runs what is to run soon, and what that leads to. */
  turn(): void {
    while (this.#soon.length > 0) this.turnOnce();
  }

  /** Runs what is to run soon, and leaves what that leads to for later. */
  turnOnce(): void {
    for (const run of this.#soon.splice(0)) run();
  }

  /** Lets time pass; what is due happens at its time. */
  advance(ms: number): void {
    this.turn();
    const untilMs = this.#elapsedMs + ms;
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#pass(Math.max(0, next.atMs - this.#elapsedMs));
      this.#alarms.delete(next);
      next.run();
      this.turn();
    }
    this.#pass(untilMs - this.#elapsedMs);
  }

  /** Time passes while something runs: what is due meanwhile happens later. */
  advanceWithin(ms: number): void {
    this.#pass(ms);
  }

  /** The wall clock is set to another time; timers do not notice. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #pass(ms: number): void {
    this.#elapsedMs += ms;
    this.#wallMs += ms;
  }

  #next(untilMs: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) if (alarm.atMs <= untilMs && (!first || alarm.atMs < first.atMs)) first = alarm;
    return first;
  }
}
