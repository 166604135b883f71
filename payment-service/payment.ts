// What a payment is and how it may change. Pure: no database, no clock, no events.
import type { z } from 'zod';
import type { PaymentRefusal } from '../shared/contract/event-data.ts';

/**
 * The one record that payment-service keeps per order, whatever happens first.
 * - `completed`: money taken; `refunded`: taken and given back
 * - `failed`: refused, nothing taken
 * - `voided`: withdrawn before anything was taken; it is the fence that a late `order.placed` runs into
 */
export type Payment =
  | (Charge & { readonly status: 'completed' })
  | (Charge & { readonly status: 'refunded' })
  | (Charge & { readonly status: 'failed'; readonly reason: Refusal })
  | { readonly status: 'voided'; readonly orderId: string };

export interface Charge {
  readonly orderId: string;
  readonly userId: string;
  /** Minor units. */
  readonly amount: number;
}

export type Refusal = z.output<typeof PaymentRefusal>;

export interface Account {
  readonly userId: string;
  /** Minor units. */
  readonly balance: number;
  readonly blocked: boolean;
}

/** Why an account can't pay an amount; undefined: it can. */
export function refusalOf(account: Account | undefined, amount: number): Refusal | undefined {
  if (!account) return 'no_such_account';
  if (account.blocked) return 'account_blocked';
  if (account.balance < amount) return 'insufficient_funds';
  return undefined;
}
