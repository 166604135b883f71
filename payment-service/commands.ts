// What people make payment-service do. Each command runs inside one transaction; a ProblemError rolls it back.
import { moneyMax } from '../shared/contract/event-data.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { Moment } from '../shared/runtime/messaging/unit-of-work.ts';
import type { Account } from './payment.ts';
import type { PaymentStore } from './store.ts';

/** Creates an account, or changes it. A balance that differs from the present one is entered as an adjustment. */
export function putAccount(
  store: PaymentStore,
  at: Moment,
  userId: string,
  { balance, blocked }: { readonly balance?: number | undefined; readonly blocked?: boolean | undefined },
): { readonly account: Account; readonly created: boolean } {
  const before = store.account(userId);
  store.putAccount(userId, blocked ?? before?.blocked ?? false);
  const difference = balance === undefined ? 0 : balance - (before?.balance ?? 0);
  if (difference !== 0) store.enter(userId, 'adjustment', difference, null, at.nowMs);
  return { account: existing(store, userId), created: !before };
}

/** @throws ProblemError 404 no such account; 422 the balance would leave its bounds */
export function deposit(store: PaymentStore, at: Moment, userId: string, amount: number): Account {
  const { balance } = existing(store, userId);
  if (balance + amount > moneyMax) {
    throw new ProblemError(422, 'balance-too-high', `a balance may be at most ${moneyMax}; it is ${balance}`, {
      userId,
      balance,
    });
  }
  store.enter(userId, 'deposit', amount, null, at.nowMs);
  return existing(store, userId);
}

/** @throws ProblemError 404 */
export function existing(store: PaymentStore, userId: string): Account {
  const account = store.account(userId);
  if (!account)
    throw new ProblemError(404, 'no-such-account', `'${userId}' has no account; PUT /accounts/${userId} opens one`, {
      userId,
    });
  return account;
}
