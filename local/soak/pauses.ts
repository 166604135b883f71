// When orders ended, as the journal of order-service says, and for how long none did.
import { z } from 'zod';

const pageMax = 1_000;
const Page = z.array(z.object({ time: z.iso.datetime() }));

/** Times are those of performance.now(), in ascending order. */
export async function endTimes(orderUrl: string): Promise<number[]> {
  const times: number[] = [];
  for (let after = '0'; ; ) {
    const url = `${orderUrl}/events?limit=${pageMax}&type=order.confirmed,order.cancelled&after=${after}`;
    const response = await fetch(url);
    const next = response.headers.get('next-cursor') ?? after;
    for (const { time } of Page.parse(await response.json())) times.push(Date.parse(time) - performance.timeOrigin);
    if (next === after) return times.sort((one, other) => one - other);
    after = next;
  }
}

/** Longest time within these limits in which no order ended. */
export function longestPauseMs(ends: readonly number[], fromMs: number, untilMs: number): number {
  const within = [fromMs, ...ends.filter((atMs) => atMs > fromMs && atMs < untilMs), untilMs];
  return Math.max(...within.map((atMs, index) => atMs - (within[index - 1] ?? fromMs)));
}
