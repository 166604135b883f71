// Routing keys whose messages do not get through: of each the oldest is tried alone, later and later, and the others wait
// behind it.
import { backoffMs, type Clock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';

const retryMinMs = 200;
const retryMaxMs = 5_000;

interface Retry {
  lowest: number;
  /** How many wait, the oldest included. */
  blocked: number;
  attempt: number;
  timer: Timer | undefined;
  /** It was due when nothing could be published. */
  overdue: boolean;
  unroutable: boolean;
}

interface Options {
  readonly clock: Clock;
  readonly log: Log;
  /** Publishes the entry at this position alone. False: nothing can be published now. */
  readonly tryAgain: (position: number) => boolean;
}

export class PublishRetries {
  readonly #options: Options;
  readonly #retries = new Map<string, Retry>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Whether messages with this routing key wait behind one that does not get through. */
  blocks(routingKey: string): boolean {
    return this.#retries.has(routingKey);
  }

  /** Another one waits. */
  wait(routingKey: string): void {
    const retry = this.#retries.get(routingKey);
    if (retry) retry.blocked += 1;
  }

  /** The entry at this position did not get through. */
  failed(routingKey: string, position: number, unroutable: boolean): void {
    const retry = this.#retries.get(routingKey) ?? {
      lowest: position,
      blocked: 0,
      attempt: 0,
      timer: undefined,
      overdue: false,
      unroutable: false,
    };
    this.#retries.set(routingKey, retry);
    if (unroutable && !retry.unroutable) {
      this.#options.log.warn(
        { routingKey },
        'no queue is bound for this message: it is kept and retried, and the topology is declared again',
      );
    }
    retry.unroutable = unroutable;
    // One that is tried again was counted before.
    if (position !== retry.lowest || retry.blocked === 0) retry.blocked += 1;
    retry.lowest = Math.min(retry.lowest, position);
    this.#later(retry);
  }

  /** The entry at this position got through. True: the others waited behind it, and follow now. */
  passed(routingKey: string, position: number): boolean {
    const retry = this.#retries.get(routingKey);
    if (!retry || position !== retry.lowest) return false;
    retry.timer?.cancel();
    this.#retries.delete(routingKey);
    return true;
  }

  /** How many messages came back because no queue is bound for them, or wait behind such a one, by routing key. */
  unroutable(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const [key, retry] of this.#retries) if (retry.unroutable) counts[key] = retry.blocked;
    return counts;
  }

  /** Messages can be published again: those that were due meanwhile are tried at once. */
  resume(): void {
    for (const retry of this.#retries.values()) {
      if (!retry.overdue) continue;
      retry.attempt = 1;
      retry.overdue = !this.#options.tryAgain(retry.lowest);
    }
  }

  stop(): void {
    for (const retry of this.#retries.values()) retry.timer?.cancel();
  }

  #later(retry: Retry): void {
    if (retry.timer) return;
    retry.attempt += 1;
    retry.timer = this.#options.clock.after(backoffMs(retry.attempt, retryMinMs, retryMaxMs), () => {
      retry.timer = undefined;
      retry.overdue = !this.#options.tryAgain(retry.lowest);
    });
  }
}
