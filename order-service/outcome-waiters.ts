// Requests that wait for the end of an order (`Prefer: wait=N`). Woken by the commit that ends it; nothing is polled.
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import { hasEnded } from './order.ts';
import type { OrderParts } from './service.ts';

export class OutcomeWaiters {
  readonly #node: ServiceNode<OrderParts>;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Orders that wait for an instance other than this one to end them. */
  readonly #elsewhere = new Set<string>();

  constructor(node: ServiceNode<OrderParts>) {
    this.#node = node;
    node.onPublished(({ type, subject }) => {
      if (type === 'order.confirmed' || type === 'order.cancelled') this.#wake(subject);
    });
    if (node.parts.store.instances.named)
      node.commit.join({ begin() {}, rolledBack() {}, committed: () => this.#lookElsewhere() });
  }

  /** Resolves when the order has ended, after waitMs, or when the client is gone. */
  ended(orderId: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const order = this.#node.parts.store.order(orderId);
    if (!order || hasEnded(order.status) || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(orderId) ?? new Set();
      this.#waiting.set(orderId, waiters);
      if (!this.#node.parts.store.instances.decides(order.origin)) this.#elsewhere.add(orderId);
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

  #wake(orderId: string): void {
    for (const wake of this.#waiting.get(orderId) ?? []) wake();
  }

  #lookElsewhere(): void {
    for (const orderId of this.#elsewhere) {
      const status = this.#node.parts.store.order(orderId)?.status;
      if (status && hasEnded(status)) this.#wake(orderId);
      if (!this.#waiting.has(orderId)) this.#elsewhere.delete(orderId);
    }
  }
}
