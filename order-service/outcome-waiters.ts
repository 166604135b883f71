// Requests that wait for the end of an order (`Prefer: wait=N`). Woken by the commit that ends it; nothing is polled.
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import { hasEnded } from './order.ts';
import type { OrderParts } from './service.ts';

export class OutcomeWaiters {
  readonly #node: ServiceNode<OrderParts>;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(node: ServiceNode<OrderParts>) {
    this.#node = node;
    node.onPublished(({ type, subject }) => {
      if (type !== 'order.confirmed' && type !== 'order.cancelled') return;
      for (const wake of this.#waiting.get(subject) ?? []) wake();
    });
  }

  /** Resolves when the order has ended, after waitMs, or when the client is gone. */
  ended(orderId: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const status = this.#node.parts.store.order(orderId)?.status;
    if (!status || hasEnded(status) || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(orderId) ?? new Set();
      this.#waiting.set(orderId, waiters);
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        waiters.delete(wake);
        if (waiters.size === 0) this.#waiting.delete(orderId);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      signal.addEventListener('abort', wake);
      waiters.add(wake);
    });
  }
}
