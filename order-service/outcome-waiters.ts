// Requests that wait for the end of an order (`Prefer: wait=N`). Woken by the commit that ends it. Another process that shares
// the database file may commit it, too; only for that it is looked at now and then, as long as anybody waits.
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import { hasEnded } from './order.ts';
import type { OrderParts } from './service.ts';

const lookAtFileMs = 20;

export class OutcomeWaiters {
  readonly #node: ServiceNode<OrderParts>;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Orders that wait for an instance other than this one to end them. */
  readonly #elsewhere = new Set<string>();
  #looking: NodeJS.Timeout | undefined;

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
        this.#lookAtFileWhileNeeded();
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      signal.addEventListener('abort', wake);
      waiters.add(wake);
      this.#lookAtFileWhileNeeded();
    });
  }

  #wake(orderId: string): void {
    for (const wake of this.#waiting.get(orderId) ?? []) wake();
  }

  #lookElsewhere(): void {
    for (const orderId of this.#elsewhere) {
      this.#wakeIfEnded(orderId);
      if (!this.#waiting.has(orderId)) this.#elsewhere.delete(orderId);
    }
  }

  #wakeIfEnded(orderId: string): void {
    const status = this.#node.parts.store.order(orderId)?.status;
    if (status && hasEnded(status)) this.#wake(orderId);
  }

  #lookAtFileWhileNeeded(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#looking);
      this.#looking = undefined;
    } else {
      this.#looking ??= setInterval(() => this.#lookAtFile(), lookAtFileMs).unref();
    }
  }

  #lookAtFile(): void {
    if (!this.#node.parts.store.changedElsewhere()) return;
    for (const orderId of [...this.#waiting.keys()]) this.#wakeIfEnded(orderId);
  }
}
