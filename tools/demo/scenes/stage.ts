// What every scene is given to play with.
import type { Order } from '../answers.ts';
import type { Report } from '../report.ts';
import type { Shop } from '../shop.ts';
import type { Target } from '../target.ts';

export interface Stage {
  readonly shop: Shop;
  readonly report: Report;
  readonly target: Target;
  readonly signal: AbortSignal;
}

/** How long the outcome of one order is waited for, in seconds. */
export const outcomeWaitS = 10;
/** Deadline of the orders that are to outlast the absence of payment-service, however slow the machine. */
export const patientDeadlineMs = 10 * 60_000;

export function outcomeOf({ status, reason }: Order): string {
  return reason ? `${status}: ${reason}` : status;
}

export function hasEnded({ status }: Order): boolean {
  return status !== 'pending' && status !== 'cancelling';
}
