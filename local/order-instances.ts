// The instances of order-service as they answer over HTTP: found through any one of them.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { memberOf } from '../shared/contract/members.ts';
import { askService } from './service-request.ts';

const timeoutMs = 5_000;

const Answer = z.object({
  member: z.string(),
  ready: z.boolean(),
  notReady: z.string().optional(),
  addresses: z.record(z.string(), z.array(z.string())),
  adoptions: z.array(z.object({ instance: z.string(), by: z.string() })),
  orders: z.array(z.object({ origin: z.string(), decider: z.string(), orders: z.int(), open: z.int() })).optional(),
});
export type InstanceAnswer = z.output<typeof Answer>;

const Problem = z.object({ detail: z.string() });

/** What went wrong, and what to do; for the person at the command line. */
export class InstancesError extends Error {
  override readonly name = 'InstancesError';
}

export interface FoundInstance {
  readonly name: string;
  readonly url: string | undefined;
  /** undefined: it cannot be reached. */
  readonly answer: InstanceAnswer | undefined;
}

/**
 * All instances that those at `urls`, and those they name, know of.
 * @throws InstancesError when none of them answers
 */
export async function findInstances(urls: readonly string[]): Promise<FoundInstance[]> {
  const found = new Map<string, FoundInstance>();
  const asked = new Set<string>();
  for (let next = [...urls]; next.length > 0; ) {
    const answers = await Promise.all(next.map(async (url) => ({ url, answer: await ask(url) })));
    for (const { url } of answers) asked.add(url);
    for (const { url, answer } of answers) if (answer) found.set(answer.member, { name: answer.member, url, answer });
    const named = answers.flatMap(({ answer }) => Object.entries(answer?.addresses ?? {}));
    for (const [name, [url]] of named) if (!found.has(name)) found.set(name, { name, url, answer: undefined });
    next = [...new Set(named.flatMap(([, known]) => known))].filter((url) => !asked.has(url));
  }
  const answering = [...found.values()].filter(({ answer }) => answer);
  if (answering.length === 0)
    throw new InstancesError(
      `No named instance of order-service answers at ${urls.join(', ')}: none runs there, or it has no name, as with npm start alone. Where is one? --url http://HOST:PORT`,
    );
  for (const { answer } of answering) {
    const mentioned = [
      ...(answer?.adoptions ?? []).map(({ instance }) => instance),
      ...(answer?.orders ?? []).map(({ origin }) => origin),
    ];
    for (const name of mentioned) if (!found.has(name)) found.set(name, { name, url: undefined, answer: undefined });
  }
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * Where order-service is: all instances, or the one that has no name.
 * @throws InstancesError when one of them does not answer
 */
export async function orderServiceUrls(url: string): Promise<{ readonly name: string; readonly url: string }[]> {
  const asked = await askService('GET', `${url}/instances`, { timeoutMs });
  if (asked.status === 404) return [{ name: 'order-service', url }];
  const found = await findInstances([url]);
  // One that is gone for good has been adopted, and nobody knows where it was.
  const adopted = new Set(found.flatMap(({ answer }) => answer?.adoptions.map(({ instance }) => instance) ?? []));
  return found.flatMap(({ name, url: at, answer }) => {
    if (at !== undefined && answer) return [{ name, url: at }];
    if (adopted.has(name) || name === 'order-service') return [];
    throw new InstancesError(`${name} does not answer: start it; one that is gone for good must be adopted first`);
  });
}

async function ask(url: string): Promise<InstanceAnswer | undefined> {
  try {
    const response = await fetch(`${url}/instances?count=true`, { signal: AbortSignal.timeout(timeoutMs) });
    return Answer.parse(await response.json());
  } catch {
    return undefined;
  }
}

/**
 * Lets an instance adopt another, and waits until that has taken effect.
 * @throws InstancesError when it refuses, or when that takes longer than `waitMs`
 */
export async function adopt(by: FoundInstance, instance: string, waitMs: number): Promise<void> {
  for (const endMs = performance.now() + waitMs; performance.now() < endMs; await delay(200)) {
    const response = await fetch(`${by.url}/instances/${instance}/adoption`, {
      method: 'POST',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status === 200) return;
    const body: unknown = await response.json();
    if (response.status !== 202)
      throw new InstancesError(Problem.safeParse(body).data?.detail ?? `${by.name} answered ${response.status}`);
    if (await adopted(by, instance, Math.min(endMs, performance.now() + publishAgainMs))) return;
  }
  throw new InstancesError(
    `${by.name} has published that it adopts ${instance}, and the event has not come back within ${waitMs / 1_000} s: it takes effect once the broker delivers it. See npm run instances -- list.`,
  );
}

/** The event may have been lost on the way: then it is asked again. */
const publishAgainMs = 10_000;

async function adopted(by: FoundInstance, instance: string, endMs: number): Promise<boolean> {
  for (; performance.now() < endMs; await delay(100)) {
    const answer = by.url === undefined ? undefined : await ask(by.url);
    if (answer?.adoptions.some((adoption) => adoption.instance === instance)) return true;
  }
  return false;
}

/** `order-service.a` for `a`, or for itself. */
export function memberNamed(text: string): string {
  return text.includes('-service') ? text : memberOf('order-service', text);
}
