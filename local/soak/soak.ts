// A soak: customers order all the time, and faults of all kinds strike at random. In the end everything must be accounted for.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { serviceNames } from '../../services.ts';
import type { Broker } from '../broker/start-broker.ts';
import { takeDeadLetters } from '../losses/broker-losses.ts';
import { type AuditResult, audited, settled } from '../losses/healing.ts';
import { mustSend } from '../losses/http.ts';
import { Stage } from '../losses/stage.ts';
import { keepEvidence } from './evidence.ts';
import { failpointKills, mortalServices } from './failpoint-kills.ts';
import { type Fault, faultsFor, poisonMark, smallDiskService } from './faults.ts';
import { endTimes, longestPauseMs } from './pauses.ts';
import { Random } from './random.ts';
import { failuresOf } from './report.ts';
import type { Account, SoakResult, Strike } from './result.ts';
import { Samples } from './samples.ts';
import { endOf, Shoppers } from './shoppers.ts';
import { mayEnd } from './wishes.ts';

/** After a fault, the next waits until the orders of before have ended; but not longer, and sometimes not at all. */
const recoveryMsMax = 90_000;
const mixes = 0.2;
const healMsMax = 180_000;
const warmUpMs = 5_000;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly ordersPerS: number;
  /** A file system of its own for one database, which may be made too small. Left out: that fault does not occur. */
  readonly smallDisk?: string | undefined;
  /** Instead of faults at random: each service dies so many times at each failpoint, one after the other. */
  readonly failpointKills?: number | undefined;
  /** Left out: all kinds. */
  readonly faults?: readonly Fault[];
  /** Each of these once, in this order, however long that takes. */
  readonly eachOnce?: boolean;
  readonly progress: (line: string) => void;
}

export async function soak(broker: Broker, options: SoakOptions): Promise<SoakResult> {
  const { seed, ordersPerS, smallDisk, failpointKills: kills, progress } = options;
  const random = new Random(seed);
  const folder = mkdtempSync(join(tmpdir(), 'saga-failpoints-'));
  const stage = await Stage.start({
    broker,
    env: { LOG_LEVEL: 'warn' },
    ...(smallDisk === undefined ? {} : { dataDirs: { [smallDiskService]: smallDisk } }),
    ...(kills === undefined ? {} : mortalServices(folder)),
  });
  const shoppers = new Shoppers(stage.urls, new Random(seed + 1));
  const samples = new Samples(stage);
  try {
    await shoppers.prepare();
    const startedAtMs = performance.now();
    samples.start();
    shoppers.start(ordersPerS);
    await delay(warmUpMs);
    const scene = { stage, shoppers, random, progress };
    const strikes =
      kills === undefined
        ? await strikeAsWanted(startedAtMs, options, scene)
        : await strikeEach(failpointKills(folder, kills), scene);
    progress('no more faults, no more orders: everything must end');
    await shoppers.stop(healMsMax);
    const { audited, unhealed } = await healed(stage);
    samples.stop();
    const ends = await endTimes(stage.urls['order-service']);
    for (const struck of strikes) struck.longestPauseMs = longestPauseMs(ends, struck.fromMs, struck.untilMs);
    const result: SoakResult = {
      startedAtMs,
      purchases: shoppers.purchases,
      strikes,
      samples,
      account: { ...(await account(stage, shoppers, audited)), unhealed },
    };
    if (failuresOf(result).length > 0)
      progress(
        `it failed; what the services said, their logs and databases are in ${await keepEvidence(stage, result.account.stuck)}`,
      );
    return result;
  } finally {
    samples.stop();
    shoppers.leave();
    await stage.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Once the services agree or, if they do not get there in time, what they disagree about, and what they are still at. */
async function healed(stage: Stage): Promise<{ readonly audited: AuditResult; readonly unhealed: string | undefined }> {
  try {
    return { audited: await settled(stage, healMsMax), unhealed: undefined };
  } catch (error) {
    return { audited: await audited(stage), unhealed: String(error) };
  }
}

interface Scene extends Pick<SoakOptions, 'progress'> {
  readonly stage: Stage;
  readonly shoppers: Shoppers;
  readonly random: Random;
}

function strikeAsWanted(startedAtMs: number, options: SoakOptions, scene: Scene): Promise<Strike[]> {
  const { minutes, smallDisk, faults = faultsFor(smallDisk), eachOnce = false } = options;
  return eachOnce ? strikeEach(faults, scene) : strikeUntil(startedAtMs + minutes * 60_000, faults, scene);
}

async function strikeUntil(endMs: number, faults: readonly Fault[], scene: Scene): Promise<Strike[]> {
  const { random } = scene;
  const strikes: Strike[] = [];
  let bag: Fault[] = [];
  while (performance.now() < endMs) {
    // Each kind once, in a new order each time.
    if (bag.length === 0) bag = random.shuffled(faults);
    const fault = bag.pop();
    if (!fault) throw new Error('there are no faults');
    strikes.push(await strike(fault, random.chance(mixes), scene));
    await delay(random.between(500, 3_000));
  }
  return strikes;
}

async function strikeEach(faults: readonly Fault[], scene: Scene): Promise<Strike[]> {
  const strikes: Strike[] = [];
  for (const fault of faults) strikes.push(await strike(fault, false, scene));
  return strikes;
}

/** @param mixed what was wanted before need not have ended */
async function strike(fault: Fault, mixed: boolean, { stage, shoppers, random, progress }: Scene): Promise<Strike> {
  const struck: Strike = { kind: fault.kind, fromMs: performance.now(), untilMs: Number.NaN };
  await fault.inflict(stage, random).catch((error: unknown) => {
    struck.failure = String(error);
  });
  struck.untilMs = performance.now();
  if (!mixed) await recovered(shoppers, struck.untilMs);
  const seconds = ((performance.now() - struck.fromMs) / 1_000).toFixed(1);
  progress(
    `${fault.kind}: ${seconds} s${mixed ? ', the next at once' : ''}${struck.failure ? `; ${struck.failure}` : ''}`,
  );
  return struck;
}

async function recovered({ purchases }: Shoppers, beforeMs: number): Promise<void> {
  const endMs = performance.now() + recoveryMsMax;
  const open = () => purchases.some(({ wantedAtMs, end }) => wantedAtMs <= beforeMs && end === undefined);
  while (open() && performance.now() < endMs) await delay(100);
}

const Page = z.object({
  orders: z.array(z.object({ orderId: z.string(), status: z.string(), reason: z.string().optional() })),
  next: z.string().optional(),
});

/** Everything that order-service has, against everything that customers know of. */
async function account(
  stage: Stage,
  shoppers: Shoppers,
  { disagreements }: AuditResult,
): Promise<Omit<Account, 'unhealed'>> {
  const found = new Map<string, string | undefined>();
  for (let after = ''; ; ) {
    const query = after === '' ? 'limit=100' : `limit=100&after=${after}`;
    const { orders, next } = Page.parse(await mustSend('GET', `${stage.urls['order-service']}/orders?${query}`));
    for (const order of orders) found.set(order.orderId, endOf(order));
    if (next === undefined) break;
    after = next;
  }
  const { purchases, doubleAnswers } = shoppers;
  const known = new Map(purchases.flatMap((purchase) => (purchase.orderId ? [[purchase.orderId, purchase]] : [])));
  const ends: Record<string, number> = {};
  for (const end of found.values()) if (end !== undefined) ends[end] = (ends[end] ?? 0) + 1;
  const letters = await takeDeadLetters(stage, serviceNames);
  const poison = letters.filter(({ body }) => body.includes(poisonMark));
  return {
    attempts: purchases.length,
    acknowledged: known.size,
    ended: Object.values(ends).reduce((sum, count) => sum + count, 0),
    ends,
    lost: [...known.keys()].filter((orderId) => !found.has(orderId)),
    // A customer whose request was never answered may have an order; one who was answered has exactly that one.
    doubled: [...found.keys()].filter((orderId) => !known.has(orderId)),
    stuck: [...found].flatMap(([orderId, end]) => (end === undefined ? [orderId] : [])),
    unexpected: [...found].flatMap(([orderId, end]) => {
      const purchase = known.get(orderId);
      return purchase && end !== undefined && !mayEnd(purchase, end)
        ? [`${orderId}: ${purchase.kind} ended ${end}`]
        : [];
    }),
    doubleAnswers,
    disagreements: disagreements.map(({ about, id }) => `${about} ${id}`),
    poisonLetters: poison.length,
    otherLetters: letters
      .filter(({ body }) => !body.includes(poisonMark))
      .map(({ service, reason, body }) => `${service} ${reason}: ${body.slice(0, 200)}`),
  };
}
