// What an instance answers, byte for byte: every list, every order, the catalogue and the totals, as one digest for each kind.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Client } from '../client.ts';
import { users } from './customers.ts';

const pageMax = 100;
const Page = z.object({
  orders: z.array(z.object({ orderId: z.string(), status: z.string() })),
  next: z.string().optional(),
});

export interface View {
  /** Lists of all users, with all their pages. */
  readonly lists: string;
  /** All orders, the totals and the catalogue. */
  readonly rest: string;
  /** Status of each order. */
  readonly statuses: ReadonlyMap<string, string>;
}

/** @throws when it does not answer */
export async function viewOf(client: Client, instanceUrl: string): Promise<View> {
  const statuses = new Map<string, string>();
  const lists = createHash('sha256');
  for (const userId of users) {
    for await (const text of pages(client, `${instanceUrl}/${userId}/orders?limit=${pageMax}`, 'before')) {
      lists.update(`${userId} ${text}\n`);
      for (const { orderId, status } of Page.parse(JSON.parse(text)).orders) statuses.set(orderId, status);
    }
  }
  const rest = createHash('sha256');
  for await (const text of pages(client, `${instanceUrl}/orders?limit=${pageMax}`, 'after')) rest.update(`${text}\n`);
  for (const path of ['/totals', '/products?limit=1000']) rest.update(`${await textOf(client, instanceUrl + path)}\n`);
  return { lists: lists.digest('hex'), rest: rest.digest('hex'), statuses };
}

/** Orders that have not ended, as an instance sees it. */
export function openIn({ statuses }: View): number {
  return [...statuses.values()].filter((status) => status === 'pending' || status === 'cancelling').length;
}

export function areSame(views: readonly View[]): boolean {
  const [first, ...others] = views;
  return others.every(({ lists, rest }) => lists === first?.lists && rest === first.rest);
}

async function* pages(client: Client, url: string, cursor: 'before' | 'after'): AsyncGenerator<string> {
  for (let next: string | undefined; ; ) {
    const text = await textOf(client, next === undefined ? url : `${url}&${cursor}=${next}`);
    yield text;
    next = Page.parse(JSON.parse(text)).next;
    if (next === undefined) return;
  }
}

async function textOf(client: Client, url: string): Promise<string> {
  const { status, text } = await client.call({ method: 'GET', url });
  if (status !== 200) throw new Error(`GET ${url} was answered ${status}: ${text.slice(0, 300)}`);
  return text;
}
