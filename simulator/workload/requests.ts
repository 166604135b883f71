// How people ask a service: a command of the real code, submitted to whichever process runs, with an answer or without.

import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { Cause, Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import type { Schedule } from '../environment/schedule.ts';
import type { SimService } from '../environment/sim-service.ts';
import type { ShopModel } from '../model/shop-model.ts';
import type { Asked } from '../model/work.ts';

/** A customer waits this long before asking whether the process is still alive. */
const patienceMs = 3_000;

/** The cause of requests in the explorations of a few orders: nothing depends on it. */
export const requestCause: Cause = {
  causationId: '00000000-0000-7000-8000-000000000000',
  traceparent: '00-00000000000000000000000000000001-0000000000000001-01',
};

export class Requests {
  readonly #schedule: Schedule;
  /** Orders and cancellations that are under way or planned, and that the run must wait for. */
  open = 0;
  readonly #model: ShopModel;
  readonly #given: (tx: Transaction, service: ServiceName) => Transaction;
  #count = 0;

  /** @param given what a command is given as its transaction, where a bug is planted */
  constructor(
    schedule: Schedule,
    model: ShopModel,
    given: (tx: Transaction, service: ServiceName) => Transaction = (tx) => tx,
  ) {
    this.#schedule = schedule;
    this.#model = model;
    this.#given = given;
  }

  /** Each request has an id and a trace of its own, as over HTTP. */
  #newCause(): Cause {
    this.#count += 1;
    const hex = this.#count.toString(16);
    return {
      causationId: `00000000-0000-7000-8000-${hex.padStart(12, '0')}`,
      traceparent: `00-${hex.padStart(32, '0')}-${hex.padStart(16, '0')}-01`,
    };
  }

  /** Waits for the service to run, then submits the command. `unanswered`: the process crashed before it answered. */
  submit<P extends ServiceParts, R>(
    where: SimService<P> | (() => SimService<P>),
    asked: Asked,
    command: (tx: Transaction, parts: P) => R,
    answered: (answer: R | Error | 'unanswered') => void = () => {},
  ): void {
    const service = typeof where === 'function' ? where() : where;
    service.whenUp(() => {
      const { node, owner } = service;
      if (!node) return this.submit(where, asked, command, answered);
      let open = true;
      const cause = this.#newCause();
      node.submit(
        (tx) =>
          this.#model.request(service.name, asked, cause, tx, () => command(this.#given(tx, service.name), node.parts)),
        cause,
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
