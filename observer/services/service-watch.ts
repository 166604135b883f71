// All services, with what they say of themselves: often while somebody looks, seldom otherwise.
import type { Overview, ServiceState } from '../model/messages.ts';
import { type Handled, Probe } from './probe.ts';

/** Counting what waits costs order-service something while much is open. */
const watchedMs = 5_000;
const unwatchedMs = 30_000;
const tickMs = 1_000;

export interface ServiceAddress {
  readonly service: string;
  /** The same, or the named instance of it that answers there. */
  readonly member: string;
  readonly url: string;
}

export class ServiceWatch {
  readonly probes: readonly Probe[];
  readonly #isWatched: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(addresses: readonly ServiceAddress[], isWatched: () => boolean) {
    this.probes = addresses.map((address) => new Probe(address));
    this.#isWatched = isWatched;
  }

  start(): void {
    void this.#ask();
    this.#timer = setInterval(() => {
      const everyMs = this.#isWatched() ? watchedMs : unwatchedMs;
      // A timer may come a little early.
      if (performance.now() - this.#askedAtMs > everyMs - 100) void this.#ask();
    }, tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Somebody has begun to look: what is shown should be true at once. */
  refresh(): void {
    if (performance.now() - this.#askedAtMs > tickMs) void this.#ask();
  }

  /** The processes of a service each count for themselves. */
  handled(): (Handled & { readonly service: string })[] {
    return this.probes.flatMap((probe) => probe.handled().map((one) => ({ ...one, service: probe.service })));
  }

  /** Orders by status: instances each know all of them, so the largest count is the most recent one. */
  orders(): Record<string, number> {
    return this.#largest('saga_orders', 'status');
  }

  waiting(): { service: string; orders: number; oldestS: number }[] {
    const oldest = this.#largest('saga_orders_oldest_waiting_age_seconds', 'waits_for');
    return Object.entries(this.#largest('saga_orders_waiting', 'waits_for'))
      .filter(([, orders]) => orders > 0)
      .map(([service, orders]) => ({ service, orders, oldestS: oldest[service] ?? 0 }));
  }

  broker(): Overview['broker'] {
    const states = this.probes
      .flatMap(({ state }) => [state.publisher, state.consumer])
      .filter((one) => one !== undefined);
    if (states.length === 0) return 'unknown';
    const connected = states.filter((one) => one === 'connected').length;
    return connected === states.length ? 'connected' : connected === 0 ? 'away' : 'partly';
  }

  states(journalOf: (url: string) => Pick<ServiceState, 'journal' | 'lagMs'>): ServiceState[] {
    return this.probes.map(({ member, url, state }) => ({ service: member, url, ...state, ...journalOf(url) }));
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    this.#askedAtMs = performance.now();
    await Promise.all(this.probes.map((probe) => probe.ask()));
    this.#asking = false;
  }

  #largest(metric: string, label: string): Record<string, number> {
    const largest: Record<string, number> = {};
    for (const { samples } of this.probes) {
      for (const { labels, value } of samples.get(metric) ?? []) {
        const name = labels[label] ?? '';
        largest[name] = Math.max(largest[name] ?? 0, value);
      }
    }
    return largest;
  }
}
