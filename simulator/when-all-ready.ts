// Faults that befall one of several instances once all of them are ready: somebody has to be left who knows everything. One
// after the other, each as soon as it can, and before the run becomes quiet.
import type { Faults } from './environment/faults.ts';
import { type Instances, isReady, type OrderService } from './environment/instances.ts';
import type { Schedule } from './environment/schedule.ts';
import type { SimService } from './environment/sim-service.ts';
import type { Restarts } from './restarts.ts';

/** Returns false to be called again, at the next order or a second later. */
export type WithAllReady = (standing: readonly OrderService[]) => boolean;

interface Surroundings {
  readonly instances: Instances;
  readonly schedule: Schedule;
  readonly faults: Faults;
  readonly restarts: Restarts;
  readonly services: () => readonly SimService[];
}

const lookMs = 1_000;
/** An order that was just placed is known to its instance, and perhaps to others, but has hardly ended. */
const afterOrderMs = 20;

export class WhenAllReady {
  readonly #in: Surroundings;
  readonly #waiting: WithAllReady[] = [];
  #timed = false;
  #afterOrder = false;

  constructor(surroundings: Surroundings) {
    this.#in = surroundings;
  }

  /** Something is still to come. */
  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  run(what: WithAllReady): void {
    this.#waiting.push(what);
    if (this.#waiting.length === 1) this.#look();
  }

  orderPlaced(): void {
    if (!this.waits || this.#afterOrder) return;
    this.#afterOrder = true;
    this.#in.schedule.after(afterOrderMs, () => {
      this.#afterOrder = false;
      this.#look();
    });
  }

  #look(): void {
    const { instances, schedule, faults, restarts, services } = this.#in;
    const [next] = this.#waiting;
    if (!next || !faults.active) return;
    const { standing } = instances;
    if (standing.length > 1 && standing.every(isReady)) {
      if (next(standing)) this.#waiting.shift();
    } else {
      // An instance waits for its peers, and a new database for every journal: with one away for hours, none is ready.
      restarts.bringBack(services());
    }
    if (!this.waits || this.#timed) return;
    this.#timed = true;
    schedule.after(lookMs, () => {
      this.#timed = false;
      this.#look();
    });
  }
}
