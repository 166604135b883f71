// Asks journals for all events about one order: for sagas that the observer does not remember.
import { z } from 'zod';

const timeoutMs = 10_000;
/** A saga has a handful of events, so one page is enough; but one request reads only part of a long journal. */
const pageLimit = 200;
const pagesMax = 500;
/** An order id is a UUID v7, whose first 48 bits are its time: nothing about the order is older. */
const clockDifferenceMs = 60_000;

const Page = z.array(z.unknown());
const Timed = z.array(z.looseObject({ time: z.string() }));
const Head = z.object({ head: z.int(), oldest: z.int() });

/** @throws when a journal cannot be read */
export async function searchJournal(url: string, orderId: string, signal: AbortSignal): Promise<unknown[]> {
  const found: unknown[] = [];
  let after = await positionBefore(url, placedAtMsOf(orderId) - clockDifferenceMs, signal);
  for (let pages = 0; pages < pagesMax && !signal.aborted; pages += 1) {
    const query = new URLSearchParams({ subject: orderId, after: String(after), limit: String(pageLimit) });
    const response = await ask(`${url}/events?${query}`, signal);
    found.push(...Page.parse(await response.json()));
    const next = Number(response.headers.get('next-cursor') ?? after);
    if (next <= after) break;
    after = next;
  }
  return found;
}

/** Halves the journal until it has the last position before that time. */
async function positionBefore(url: string, timeMs: number, signal: AbortSignal): Promise<number> {
  const answer = await ask(`${url}/events/digests?consumer=observer&types=none&after=0&until=0`, signal);
  const { head, oldest } = Head.parse(await answer.json());
  let [low, high] = [Math.max(oldest - 1, 0), head];
  while (high - low > 1_000) {
    const middle = Math.floor((low + high) / 2);
    const page = await ask(`${url}/events?after=${middle}&limit=1`, signal);
    const [event] = Timed.parse(await page.json());
    if (event && Date.parse(event.time) < timeMs) low = middle;
    else high = middle;
  }
  return low;
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

function placedAtMsOf(orderId: string): number {
  return Number.parseInt(orderId.replaceAll('-', '').slice(0, 12), 16);
}
