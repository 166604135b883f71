// The load, the same for all ways: shoppers who order, one after the other, and read their own list back at once.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { call } from './http.ts';
import { prober, productId, type Stand, users } from './stand.ts';
import type { Tally } from './tally.ts';

/** A shopper whose request was not answered well waits so long. */
const pauseMs = 50;
/** Of the newest orders of a list, so many are looked for. */
const lookedFor = 10;
const listLimit = 30;
/** A write that is not seen everywhere after this is counted as never seen. */
const seenMsMax = 2_000;
const probeEveryMs = 20;

const Accepted = z.object({ orderId: z.string() });
const List = z.object({ orders: z.array(Accepted) });

/** The orders of each shopper that were answered 202, newest first. */
export type AcceptedOrders = ReadonlyMap<string, readonly string[]>;

/** Resolves when the signal is aborted and everybody has the answer to their last request. */
export async function shop(stand: Stand, tally: Tally, signal: AbortSignal): Promise<AcceptedOrders> {
  const accepted = new Map(users.map((user): [string, string[]] => [user, []]));
  await Promise.all([...accepted].map(([user, orders]) => shopper(stand, tally, user, orders, signal)));
  return accepted;
}

async function shopper(stand: Stand, tally: Tally, user: string, known: string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const posted = await call('POST', `${stand.shop}/${user}/orders`, { productId, qty: 1 });
    const ok = posted.status === 202;
    tally.posted(ok, posted.tookMs);
    if (ok) known.unshift(Accepted.parse(JSON.parse(posted.text)).orderId);
    else await delay(pauseMs);
    const first = await readList(stand, tally, user, known);
    const second = await readList(stand, tally, user, known);
    if (first && second && ok) {
      tally.pairs.read += 1;
      if (first.join() !== second.join()) tally.pairs.differing += 1;
    }
    if (ok && posted.version !== undefined && !stand.way.orders.splitDatabases)
      await readVersion(stand, tally, user, known, posted.version);
  }
}

/** @returns the ids; undefined: no good answer */
async function readList(
  stand: Stand,
  tally: Tally,
  user: string,
  known: readonly string[],
): Promise<string[] | undefined> {
  const answer = await call('GET', `${stand.shop}/${user}/orders?limit=${listLimit}`);
  const ok = answer.status === 200;
  tally.got(ok, answer.tookMs);
  if (!ok) return void (await delay(pauseMs));
  const ids = idsIn(answer.text);
  const lacks = lacksAny(ids, known);
  tally.lists.read += 1;
  if (lacks) tally.lists.lacking += 1;
  tally.note(lacks ? 'wrong' : 'right');
  return ids;
}

async function readVersion(
  stand: Stand,
  tally: Tally,
  user: string,
  known: readonly string[],
  version: string,
): Promise<void> {
  const headers = { 'saga-minimum-version': version };
  const answer = await call('GET', `${stand.shop}/${user}/orders?limit=${listLimit}`, undefined, headers);
  if (answer.status !== 200) return;
  tally.versioned.read += 1;
  // It promises this order, not those before it.
  if (lacksAny(idsIn(answer.text), known.slice(0, 1))) tally.versioned.lacking += 1;
}

function idsIn(text: string): string[] {
  return List.parse(JSON.parse(text)).orders.map(({ orderId }) => orderId);
}

function lacksAny(ids: readonly string[], known: readonly string[]): boolean {
  const found = new Set(ids);
  return known.slice(0, lookedFor).some((orderId) => !found.has(orderId));
}

/** Places orders, and asks every process that answers reads for each of them until all know it. */
export async function probeWrites(stand: Stand, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const posted = await call('POST', `${stand.shop}/${prober}/orders`, { productId, qty: 1 });
    const { phase } = tally;
    if (posted.status === 202 && phase === 'whole') {
      const { orderId } = Accepted.parse(JSON.parse(posted.text));
      const tookMs = await untilSeen(stand, orderId);
      if (tookMs === undefined) tally.seenNever += 1;
      else tally.seenMs.record(tookMs);
    }
    await delay(probeEveryMs);
  }
}

async function untilSeen(stand: Stand, orderId: string): Promise<number | undefined> {
  const beganMs = performance.now();
  const seen = async (url: string): Promise<boolean> => {
    while (performance.now() - beganMs < seenMsMax) {
      if ((await call('GET', `${url}/orders/${orderId}`)).status === 200) return true;
      await delay(1);
    }
    return false;
  };
  const all = await Promise.all(stand.readers.map(({ url }) => seen(url)));
  return all.every((one) => one) ? performance.now() - beganMs : undefined;
}

/** When it is quiet: asks every process for the last orders of everybody. */
export async function lookForAll(stand: Stand, tally: Tally, accepted: AcceptedOrders): Promise<void> {
  for (const { url } of stand.readers) {
    for (const orders of accepted.values()) {
      const answers = await Promise.all(
        orders.slice(0, lookedFor).map((orderId) => call('GET', `${url}/orders/${orderId}`)),
      );
      tally.finally.asked += answers.length;
      tally.finally.missing += answers.filter(({ status }) => status !== 200).length;
    }
  }
}
