// Idempotency-Key among several instances: each order carries the hash of its key, so every instance comes to know it. Of two
// orders that were accepted with one key before that, payment-service charges one, and refuses the other.
import { createHash } from 'node:crypto';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import type { Moment } from '../shared/runtime/messaging/unit-of-work.ts';
import { existing } from './commands.ts';
import type { Order } from './order.ts';
import type { OrderStore } from './store.ts';

export interface RequestHashes {
  readonly key: string;
  readonly request: string;
}

/** @param userId whose key it is: those of strangers are other keys */
export function hashesOf(userId: string, idempotencyKey: string, request: unknown): RequestHashes {
  return {
    key: sha256(JSON.stringify(['placeOrder', userId, idempotencyKey])),
    request: sha256(JSON.stringify(request)),
  };
}

/**
 * The order that was placed with this key, at whatever instance; undefined: none is known here.
 * @throws ProblemError 422 when the key came with another request then
 */
export function placedBefore(store: OrderStore, { nowMs }: Moment, { key, request }: RequestHashes): Order | undefined {
  const known = store.orderWithKey(key, nowMs);
  if (!known) return undefined;
  if (known.request !== request) {
    throw new ProblemError(
      422,
      'idempotency-key-reused',
      'this Idempotency-Key was used with another request, at another instance; take a new key',
    );
  }
  return existing(store, known.orderId);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
