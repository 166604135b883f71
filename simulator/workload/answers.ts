// What customers and staff were answered. The promises are checked against this.
import type { Order, OrderStatus } from '../../order-service/order.ts';
import type { DataOf, EventType } from '../../shared/contract/choreography.ts';
import type { Violation } from '../environment/violation.ts';

/** An order whose acceptance was answered. */
export interface Accepted {
  readonly orderId: string;
  readonly userId: string;
  readonly total: number;
  readonly items: DataOf<'order.placed'>['items'];
  readonly deadlineAtMs: number;
  /** The instance that accepted it. */
  readonly at: string;
  /** Idempotency-Key. */
  readonly key: string | undefined;
  /** Its success is made to arrive in the millisecond of its deadline. */
  readonly tie: boolean;
  /** A cancellation was answered with 2xx. */
  cancelled: boolean;
  /** A cancellation was answered with 409. */
  refused: boolean;
  /** The last status that a customer has read, and the latest of order-service's own events behind it. */
  seen: { readonly status: OrderStatus; readonly version: EventType | undefined } | undefined;
}

/** Totals of what was answered as done, and of what was never answered. */
export interface Sums {
  answered: number;
  unanswered: number;
}

/** The last orders that were accepted: customers look at these and cancel these. */
const recentMax = 2_000;

export class Answers {
  readonly accepted = new Map<string, Accepted>();
  /** Requests to place an order that were never answered: each may have placed one. */
  unansweredRequests = 0;
  readonly paidIn: Sums = { answered: 0, unanswered: 0 };
  readonly broughtIn: Sums = { answered: 0, unanswered: 0 };
  /** Orders and products of which something was lost when a database was put back, and ids of events lost with it. */
  readonly lost = new Set<string>();
  /** Promises that an answer itself has broken. */
  readonly violations: Violation[] = [];
  readonly recent: string[] = [];

  /** False: this order was accepted before, and its answer came again. */
  orderAccepted(order: Order, tie: boolean, key: string | undefined): boolean {
    const { orderId, userId, total, deadlineAtMs } = order;
    if (this.accepted.has(orderId)) return false;
    const items = order.items.map(({ productId, qty, unitPrice }) => ({ productId, qty, unitPrice }));
    const unknownYet = { cancelled: false, refused: false, seen: undefined };
    const at = order.origin ?? 'order-service';
    this.accepted.set(orderId, { orderId, userId, total, items, deadlineAtMs, at, key, tie, ...unknownYet });
    this.recent.push(orderId);
    if (this.recent.length > recentMax) this.recent.splice(0, recentMax / 2);
    return true;
  }
}
