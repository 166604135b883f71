// Counts the open orders, and what they wait for. There are few of them unless something is wrong; then there may be very
// many, so they are gone through in small steps, with pauses in between, and only after somebody has asked.
import type { Clock } from '../shared/runtime/environment/clock.ts';
import { isTransient } from '../shared/runtime/storage/database.ts';
import { awaitedBy, participants } from './order.ts';
import type { OpenOrder, OrderStatistics } from './order-statistics.ts';

/** Orders looked at in one step: a few milliseconds. */
export const stepOrders = 200;
const stepDelayMs = 20;
/** Counts that are older are not given any more when another count is begun. */
export const keptMsMax = 60_000;

interface WaitingFor {
  orders: number;
  /** When the oldest of them was placed. */
  oldestPlacedAtMs: number | undefined;
}

export interface OpenOrderCounts {
  /** Number of orders, by status. */
  readonly byStatus: Record<'pending' | 'cancelling', number>;
  /** By the service that they wait for. One order may wait for two. */
  readonly byService: Record<string, WaitingFor>;
}

export class OpenOrders {
  readonly #statistics: OrderStatistics;
  readonly #clock: Clock;
  #counted: OpenOrderCounts | undefined;
  #countedAtMs = 0;
  #counting = false;
  /** Counted in this turn of the event loop: several metrics ask at once. */
  #fresh = false;

  constructor(statistics: OrderStatistics, clock: Clock) {
    this.#statistics = statistics;
    this.#clock = clock;
  }

  /**
   * Counts as they are now where one step is enough; otherwise another count is begun, and those of the last one are given.
   * @returns undefined where there are none: before the end of the first count, after a long time, after one that failed
   * @throws when the database cannot be read now
   */
  count(): OpenOrderCounts | undefined {
    if (!this.#counting && !this.#fresh) {
      // Either way: the clock may have been set back.
      if (Math.abs(this.#clock.nowMs() - this.#countedAtMs) > keptMsMax) this.#counted = undefined;
      this.#step(undefined, nothing());
      this.#fresh = true;
      this.#clock.soon(() => {
        this.#fresh = false;
      });
    }
    return this.#counted;
  }

  #step(last: OpenOrder | undefined, counts: OpenOrderCounts): void {
    const orders = this.#statistics.open(stepOrders, last);
    for (const order of orders) this.#add(order, counts);
    this.#counting = orders.length === stepOrders;
    if (this.#counting) {
      this.#clock.after(stepDelayMs, () => this.#goOn(orders.at(-1), counts));
      return;
    }
    this.#counted = counts;
    this.#countedAtMs = this.#clock.nowMs();
  }

  #goOn(last: OpenOrder | undefined, counts: OpenOrderCounts): void {
    try {
      this.#step(last, counts);
    } catch (error) {
      this.#counting = false;
      this.#counted = undefined;
      // Nobody asks any more once the database is closed.
      if (this.#statistics.isReadable && !isTransient(error)) throw error;
    }
  }

  #add({ orderId, status, placedAtMs }: OpenOrder, { byStatus, byService }: OpenOrderCounts): void {
    if (status === 'pending' || status === 'cancelling') byStatus[status] += 1;
    for (const { service } of awaitedBy(this.#statistics.factTimes(orderId))) {
      const waiting = byService[service];
      if (!waiting) continue;
      waiting.orders += 1;
      waiting.oldestPlacedAtMs = Math.min(waiting.oldestPlacedAtMs ?? placedAtMs, placedAtMs);
    }
  }
}

function nothing(): OpenOrderCounts {
  const none = participants.map((service) => [service, { orders: 0, oldestPlacedAtMs: undefined }]);
  return { byStatus: { pending: 0, cancelling: 0 }, byService: Object.fromEntries(none) };
}
