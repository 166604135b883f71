// Who starts a crashed service again, and when: soon, at once over and over (a crash loop), or hours later.
import type { Faults } from './environment/faults.ts';
import type { Random } from './environment/random.ts';
import type { Schedule } from './environment/schedule.ts';
import type { SimService } from './environment/sim-service.ts';

export class Restarts {
  readonly #schedule: Schedule;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #downUntilMs = new Map<string, number>();
  readonly #crashesLeft = new Map<string, number>();

  constructor(schedule: Schedule, faults: Faults, random: Random) {
    this.#schedule = schedule;
    this.#faults = faults;
    this.#random = random;
  }

  /** Nothing starts this service before then. */
  keepDown(service: SimService, forMs: number): void {
    this.#downUntilMs.set(service.member, this.#schedule.nowMs + forMs);
  }

  /** Whoever is kept down starts now. */
  bringBack(services: readonly SimService[]): void {
    for (const service of services) if (this.#downUntilMs.delete(service.member)) service.boot();
  }

  /** The service crashes so many more times, each time at its first group. */
  crashLoop(service: SimService, crashes: number): void {
    this.#crashesLeft.set(service.member, crashes);
    service.arm('in-group', 0);
  }

  /** From now on every service that crashes starts again soon. */
  reset(): void {
    this.#downUntilMs.clear();
    this.#crashesLeft.clear();
  }

  crashed(service: SimService, reason: string): void {
    const { name, member } = service;
    if (
      !['away', 'power loss', 'put back', 'gone', 'lost its database', 'new settings', 'cannot start'].includes(reason)
    )
      this.#faults.add(`crash ${name} ${reason}`);
    let delayMs = this.#random.pick([this.#random.below(20), this.#random.between(20, 3_000)]);
    const left = this.#crashesLeft.get(member) ?? 0;
    if (left > 0 && this.#faults.active) {
      this.#faults.add('crash-loop');
      this.crashLoop(service, left - 1);
      delayMs = 5;
    }
    this.#bootAfter(service, delayMs);
  }

  /** Later, if something keeps it down by then. */
  #bootAfter(service: SimService, delayMs: number): void {
    this.#schedule.after(delayMs, () => {
      const downForMs = this.#downUntil(service.member) - this.#schedule.nowMs;
      if (downForMs > 0) this.#bootAfter(service, downForMs);
      else service.boot();
    });
  }

  #downUntil(member: string): number {
    return this.#downUntilMs.get(member) ?? 0;
  }
}
