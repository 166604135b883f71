// How many sagas began and ended in each second of the last minutes, and why the failed ones failed.
import type { ContractMap } from '../model/contract-map.ts';
import type { Chart } from '../model/messages.ts';
import type { Glimpse } from './sampler.ts';

export const chartSeconds = 300;
/** The current second is not over yet. */
const rateSeconds = 5;
const reasonsMax = 50;

type Kind = 'started' | 'confirmed' | 'cancelled';

interface Second {
  at: number;
  readonly counts: Record<Kind, number>;
  readonly reasons: Map<string, number>;
}

export class Rates {
  readonly #map: ContractMap;
  readonly #seconds: Second[] = Array.from({ length: chartSeconds }, () => ({
    at: 0,
    counts: { started: 0, confirmed: 0, cancelled: 0 },
    reasons: new Map<string, number>(),
  }));

  constructor(map: ContractMap) {
    this.#map = map;
  }

  /** Events older than the chart are left out. */
  count({ type, atMs, reason }: Glimpse, nowMs: number): void {
    const kind: Kind | undefined = type === this.#map.starts ? 'started' : this.#map.events.get(type)?.final;
    if (!kind || Number.isNaN(atMs) || nowMs - atMs >= chartSeconds * 1_000 || atMs > nowMs + 60_000) return;
    const second = this.#second(Math.floor(atMs / 1_000));
    if (!second) return;
    second.counts[kind] += 1;
    if (kind !== 'cancelled') return;
    const name = reason ?? 'unknown';
    if (second.reasons.has(name) || second.reasons.size < reasonsMax)
      second.reasons.set(name, (second.reasons.get(name) ?? 0) + 1);
  }

  perSecond(nowMs: number): Record<Kind, number> {
    const sums = { started: 0, confirmed: 0, cancelled: 0 };
    const now = Math.floor(nowMs / 1_000);
    for (const { at, counts } of this.#seconds) {
      if (at < now - rateSeconds || at >= now) continue;
      for (const kind of ['started', 'confirmed', 'cancelled'] as const) sums[kind] += counts[kind] / rateSeconds;
    }
    return sums;
  }

  chart(nowMs: number): Chart {
    const from = Math.floor(nowMs / 1_000) - chartSeconds + 1;
    const series = (kind: Kind) =>
      Array.from({ length: chartSeconds }, (_, index) => {
        const second = this.#seconds[(from + index) % chartSeconds];
        return second?.at === from + index ? second.counts[kind] : 0;
      });
    return { from, started: series('started'), confirmed: series('confirmed'), cancelled: series('cancelled') };
  }

  /** The most frequent first. */
  reasons(nowMs: number): { reason: string; count: number }[] {
    const oldest = Math.floor(nowMs / 1_000) - chartSeconds;
    const sums = new Map<string, number>();
    for (const { at, reasons } of this.#seconds) {
      if (at <= oldest) continue;
      for (const [reason, count] of reasons) sums.set(reason, (sums.get(reason) ?? 0) + count);
    }
    return [...sums].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count);
  }

  #second(at: number): Second | undefined {
    const second = this.#seconds[at % chartSeconds];
    if (!second || second.at > at) return undefined;
    if (second.at < at) {
      second.at = at;
      Object.assign(second.counts, { started: 0, confirmed: 0, cancelled: 0 });
      second.reasons.clear();
    }
    return second;
  }
}
