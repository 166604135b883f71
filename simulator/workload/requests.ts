// How people ask a service: a command of the real code, submitted to whichever process runs, with an answer or without.

import type { Cause, Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import type { Schedule } from '../environment/schedule.ts';
import type { SimService } from '../environment/sim-service.ts';

/** A customer waits this long before asking whether the process is still alive. */
const patienceMs = 3_000;

/** Every request of the simulator has the same cause: nothing depends on it. */
export const requestCause: Cause = {
  causationId: '00000000-0000-7000-8000-000000000000',
  traceparent: '00-00000000000000000000000000000001-0000000000000001-01',
};

export class Requests {
  readonly #schedule: Schedule;
  /** Orders and cancellations that are under way or planned, and that the run must wait for. */
  open = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** Waits for the service to run, then submits the command. `unanswered`: the process crashed before it answered. */
  submit<P extends ServiceParts, R>(
    service: SimService<P>,
    command: (tx: Transaction, parts: P) => R,
    answered: (answer: R | Error | 'unanswered') => void = () => {},
  ): void {
    service.whenUp(() => {
      const { node, owner } = service;
      if (!node) return this.submit(service, command, answered);
      let open = true;
      node.submit(
        (tx) => command(tx, node.parts),
        requestCause,
        (result) => {
          open = false;
          answered(result.ok ? result.value : (result.error as Error));
        },
      );
      const look = () => {
        if (!open) return;
        if (owner?.alive) this.#schedule.after(patienceMs, look);
        else answered('unanswered');
      };
      this.#schedule.after(patienceMs, look);
    });
  }
}
