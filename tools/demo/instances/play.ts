// The demo with several instances: customers order through the gateway, while one instance is killed, one joins and one loses
// its database. In the end all of them must answer the same.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { audit } from '../../../local/audit/audit.ts';
import { Services } from '../../../local/audit/services.ts';
import { DemoError } from '../answers.ts';
import type { Client } from '../client.ts';
import type { Report } from '../report.ts';
import { areSame, openIn, type View, viewOf } from './comparison.ts';
import { Customers, poorUser, productId, soldOutId, users } from './customers.ts';
import type { InstanceStage } from './stage.ts';

const progressEveryMs = 2_000;
const readyMsMax = 600_000;
const quietMsMax = 300_000;
const lookAgainMs = 200;
const [price, riches] = [1_500, 1_000_000_000];
/** Shares of all orders at which something happens. */
const [killAt, joinAt, loseAt] = [0.2, 0.4, 0.6];
/** Share of all orders that are placed while an instance is away. */
const awayFor = 0.1;

const Problem = z.object({ detail: z.string() });

export interface Play {
  readonly stage: InstanceStage;
  readonly client: Client;
  readonly report: Report;
  readonly orders: number;
  readonly signal: AbortSignal;
}

export async function playInstances(play: Play): Promise<void> {
  const { stage, client, report, orders, signal } = play;
  const answering = new Set(stage.first);
  const customers = new Customers({
    ...{ client, signal, gatewayUrl: stage.gateway.url },
    instanceUrls: () => [...answering].map((name) => stage.instance(name).url),
  });
  await prepare(play);
  const startedMs = performance.now();
  let before = '';
  const timer = setInterval(() => {
    const now = progressOf(customers, orders);
    if (now !== before) report.progress(`   ${now}`);
    before = now;
  }, progressEveryMs);
  try {
    await strike(play, customers, answering);
    await customers.orderUntil(orders);
  } finally {
    clearInterval(timer);
  }
  const elapsedS = (performance.now() - startedMs) / 1_000;
  report.note(`${progressOf(customers, orders)}, in ${elapsedS.toFixed(1)} s`);
  await check(play, customers);
}

/** Accounts and products; resolves when every instance sells. */
async function prepare({ stage, client, report }: Play): Promise<void> {
  report.scene(
    `${stage.first.length} instances of order-service, each with its own database, behind ${stage.gateway.url}`,
    `${users.length} customers, one of whom has no money; two products, one of which is sold out.`,
  );
  const put = async (url: string, body: object): Promise<void> => {
    const { status, text } = await client.call({ method: 'PUT', url, body });
    if (status >= 300) throw new DemoError(`PUT ${url} was answered ${status}: ${text}`);
  };
  for (const userId of users)
    await put(`${stage.paymentUrl}/accounts/${userId}`, { balance: userId === poorUser ? 0 : riches });
  await put(`${stage.inventoryUrl}/products/${productId}`, { name: 'Mug', unitPrice: price, stock: 1_000_000 });
  await put(`${stage.inventoryUrl}/products/${soldOutId}`, { name: 'Espresso machine', unitPrice: price, stock: 0 });
  for (const name of stage.first) await untilReady(stage, client, name, { productIds: [productId, soldOutId] });
  for (const name of stage.names)
    report.note(`order-service.${name}  ${stage.instance(name).url}${name === stage.joining ? '  (joins later)' : ''}`);
}

async function strike(play: Play, customers: Customers, answering: Set<string>): Promise<void> {
  const { stage, client, report, orders } = play;
  const until = (share: number) => customers.orderUntil(Math.floor(share * orders));
  const [, killed = '', lost = ''] = stage.first.length > 2 ? stage.first : ['', ...stage.first];
  report.scene(
    'Customers order, and everything happens meanwhile',
    `${orders} orders through the gateway, each read back at a random instance.`,
  );
  await until(killAt);

  report.note(`order-service.${killed} is killed (kill -9)`);
  answering.delete(killed);
  await stage.instance(killed).kill();
  await until(killAt + awayFor);
  await comesBack(play, customers, answering, killed, joinAt, 'is started again');

  await comesBack(play, customers, answering, stage.joining, loseAt, 'joins, with an empty database');

  report.note(`order-service.${lost} is killed, and its database deleted`);
  answering.delete(lost);
  await stage.instance(lost).kill();
  stage.loseDatabase(lost);
  await until(loseAt + awayFor);
  await comesBack(play, customers, answering, lost, 1, 'starts with an empty database');
  for (const name of stage.names) await untilReady(stage, client, name);
}

/** Starts an instance, while customers go on until that share of the orders. */
async function comesBack(
  { stage, client, report, orders }: Play,
  customers: Customers,
  answering: Set<string>,
  name: string,
  untilShare: number,
  how: string,
): Promise<void> {
  const known = customers.accepted.length;
  const ordering = customers.orderUntil(Math.floor(untilShare * orders));
  // Who awaits it comes later.
  ordering.catch(() => {});
  report.note(`order-service.${name} ${how}`);
  await stage.instance(name).start();
  const startedMs = performance.now();
  await untilReady(stage, client, name, { waits: everySoOften((why) => report.progress(`   ${why}`)) });
  const tookMs = performance.now() - startedMs;
  report.note(
    `order-service.${name} is ready ${(tookMs / 1_000).toFixed(1)} s after it listened; ${known} orders were accepted before`,
  );
  answering.add(name);
  await ordering;
}

/** Ready, and it sells these products. @param waits called with what it is still doing */
async function untilReady(
  stage: InstanceStage,
  client: Client,
  name: string,
  { productIds = [], waits }: { readonly productIds?: readonly string[]; readonly waits?: (why: string) => void } = {},
): Promise<void> {
  const { url } = stage.instance(name);
  let seen = '';
  for (const endMs = performance.now() + readyMsMax; performance.now() < endMs; await delay(lookAgainMs)) {
    const ready = await client.call({ method: 'GET', url: `${url}/readyz` });
    const products = await client.call({ method: 'GET', url: `${url}/products?limit=1000` });
    if (ready.status === 200 && productIds.every((id) => products.text.includes(`"${id}"`))) return;
    seen = `${ready.text} ${products.text}`;
    waits?.(Problem.safeParse(products.body).data?.detail ?? `order-service.${name} is not ready`);
  }
  throw new DemoError(`order-service.${name} is not ready after ${readyMsMax / 1_000} s: ${seen.slice(0, 500)}`);
}

async function check({ stage, client, report }: Play, customers: Customers): Promise<void> {
  report.scene('In the end', 'When every order has ended, all instances must answer the same, byte for byte.');
  const { views, tookMs } = await quietViews(stage, client);
  const same = areSame(views);
  report.note(
    `${same ? 'All have' : 'Not all have'} come to the same ${(tookMs / 1_000).toFixed(1)} s after the last order`,
  );
  const [first] = views;
  const names = stage.names.join(', ');
  report.check(`different lists among ${names}`, 1, new Set(views.map(({ lists }) => lists)).size);
  report.check(
    `different orders, totals and catalogues among ${names}`,
    1,
    new Set(views.map(({ rest }) => rest)).size,
  );
  const accepted = new Set(customers.accepted);
  for (const [index, { statuses }] of views.entries()) {
    const lost = [...accepted].filter((orderId) => !statuses.has(orderId)).length;
    const unknown = [...statuses.keys()].filter((orderId) => !accepted.has(orderId)).length;
    report.check(`accepted orders that order-service.${stage.names[index]} does not know`, 0, lost);
    report.check(`orders there that nobody was promised`, 0, unknown);
  }
  report.check('keys with one order each', customers.accepted.length, accepted.size);
  report.check('orders that have not ended', 0, first ? openIn(first) : -1);
  report.check('lists read back without the order just placed', 0, customers.stale.length, customers.stale[0]);
  for (const name of stage.names) {
    const found = await disagreements(stage, name);
    report.check(
      `disagreements with payment-service and inventory-service (npm run audit), read at order-service.${name}`,
      0,
      found,
    );
  }
}

/** The answers of all instances once they are the same and no order is open, or when that has not come in time. */
async function quietViews(stage: InstanceStage, client: Client): Promise<{ views: View[]; tookMs: number }> {
  const startedMs = performance.now();
  for (;;) {
    const views = await Promise.all(stage.names.map((name) => viewOf(client, stage.instance(name).url)));
    const tookMs = performance.now() - startedMs;
    const quiet = areSame(views) && views.every((view) => openIn(view) === 0);
    if (quiet || tookMs > quietMsMax) return { views, tookMs };
    await delay(lookAgainMs);
  }
}

async function disagreements(stage: InstanceStage, name: string): Promise<number> {
  const urls = {
    'order-service': stage.instance(name).url,
    'payment-service': stage.paymentUrl,
    'inventory-service': stage.inventoryUrl,
  };
  const timing = { nowMs: Date.now, delay: (ms: number) => delay(ms), graceMs: 0, settleMs: 2_000 };
  const ignored = { warning: () => {}, disagreement: () => {}, progress: () => {} };
  return (await audit(new Services(urls, timing.delay), timing, ignored)).disagreements;
}

/** At most once in every period of progress, beginning with the next one. */
function everySoOften(say: (text: string) => void): (text: string) => void {
  let nextMs = performance.now() + progressEveryMs;
  return (text) => {
    if (performance.now() < nextMs) return;
    nextMs += progressEveryMs;
    say(text);
  };
}

function progressOf({ accepted, reads, stale, repeated }: Customers, orders: number): string {
  return `${accepted.length} of ${orders} orders accepted, ${reads} read back, ${stale.length} of them stale, ${repeated} requests repeated`;
}
