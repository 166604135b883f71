// What became of orders that are open after their deadlines, although one of their events was lost with the database of an
// instance: a peer may have handled an order whose own instance does not know it, or may lack an end that the others know.
// Neither is in a journal any more. The instances compare such orders, and copy what they lack.
import type { z } from 'zod';
import { encodeEvent } from '../shared/contract/cloud-event.ts';
import type { Timer } from '../shared/runtime/environment/clock.ts';
import type { JoiningTools } from '../shared/runtime/node/service.ts';
import { askPeer, FactCopies, type OverdueCursor, OverdueOrdersAnswer, paths } from './peer-answers.ts';
import type { OrderStore } from './store.ts';

/** Time between two rounds. Such an order has waited for its deadline already. */
const intervalMs = 60_000;
const page = '500';
/** Most orders of a peer that are looked up at it in one round; the next round goes on after them. */
const lookedUpMax = 100;
/** More facts than an order can have. */
const factsOfOrderMax = '20';

export class OverdueOrders {
  readonly #store: OrderStore;
  readonly #tools: JoiningTools;
  /** The orders that the next round looks up at a peer come after this one. */
  readonly #lookedUpUntil = new Map<string, OverdueCursor>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(store: OrderStore, tools: JoiningTools) {
    this.#store = store;
    this.#tools = tools;
  }

  /** From when this instance is ready. */
  start(): void {
    if (this.#stopped) return;
    for (const peer of Object.keys(this.#tools.peers)) {
      this.#askForUnknown(peer, undefined);
      this.#lookUp(peer);
    }
    this.#timer = this.#tools.clock.after(intervalMs, () => this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Orders about which this instance decides, and which it lacks. */
  #askForUnknown(peer: string, after: OverdueCursor | undefined): void {
    const cursor = after && { afterDeadline: String(after.deadlineAtMs), afterOrder: after.orderId };
    const query = { decider: this.#store.instances.member, limit: page, ...cursor };
    this.#get(peer, paths.overdue, query, OverdueOrdersAnswer, ({ orders, next }) => {
      const unknown = orders.filter((orderId) => !this.#store.order(orderId) && !this.#store.deleted.includes(orderId));
      this.#copy(peer, unknown, () => {
        if (next) this.#askForUnknown(peer, next);
      });
    });
  }

  /** Orders about which the peer decides, and which are open here. */
  #lookUp(peer: string): void {
    const { instances } = this.#store;
    const after = this.#lookedUpUntil.get(peer) ?? { deadlineAtMs: 0, orderId: '' };
    const nowMs = this.#tools.clock.nowMs();
    const orders = this.#store.overdue(instances.originsDecidedBy(peer), nowMs, after, lookedUpMax);
    const last = orders.at(-1);
    if (last && orders.length === lookedUpMax) this.#lookedUpUntil.set(peer, last);
    else this.#lookedUpUntil.delete(peer);
    const orderIds = orders.map(({ orderId }) => orderId);
    this.#copy(peer, orderIds, () => {});
  }

  #copy(peer: string, [orderId, ...others]: readonly string[], done: () => void): void {
    if (orderId === undefined) return done();
    this.#get(peer, paths.facts, { limit: factsOfOrderMax, afterOrder: orderId }, FactCopies, ({ events }) => {
      const missing = events.filter(({ subject, type, id }) => subject === orderId && !this.#knows(orderId, type, id));
      if (missing.length > 0)
        this.#tools.log.warn(
          { peer, subject: orderId, events: missing.length },
          'copied what was missing of an overdue order',
        );
      const fetched = missing.map((event) => ({ body: encodeEvent(event), eventId: event.id, position: 0 }));
      this.#tools.handler.handleFetched(peer, fetched, () => this.#copy(peer, others, done));
    });
  }

  #knows(orderId: string, type: string, eventId: string): boolean {
    return this.#store.facts(orderId).some((fact) => fact.type === type && fact.eventId === eventId);
  }

  /** A peer that does not answer is asked again in the next round. */
  #get<T>(
    peer: string,
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
    done: (answer: T) => void,
  ): void {
    askPeer(this.#tools.peers, peer, { path, query, schema }, (answer) => {
      if (this.#stopped) return;
      if (!(answer instanceof Error)) return done(answer);
      this.#tools.log.debug({ peer, error: answer.message }, 'this peer was not asked for overdue orders now');
    });
  }
}
