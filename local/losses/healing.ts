// Whether a system has healed: every order has ended, every journal is compared, and the services agree.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { audit } from '../audit/audit.ts';
import type { Disagreement, Timing } from '../audit/finding.ts';
import { repair } from '../audit/repair.ts';
import { Services } from '../audit/services.ts';
import { eventually } from '../eventually.ts';
import { mustSend, send } from './http.ts';
import type { Stage } from './stage.ts';

const Sums = z.record(z.string(), z.object({ orders: z.number() }));
const Readiness = z.object({
  warnings: z.array(z.string()),
  outbox: z.object({ waiting: z.number() }),
  reconciliation: z.record(z.string(), z.object({ state: z.string(), reconciledUntil: z.number() })),
});
const Digests = z.object({ head: z.number() });

export interface AuditResult {
  readonly disagreements: readonly Disagreement[];
  /** Ids of the orders that `--repair` can do something about. */
  readonly repairable: readonly string[];
}

/** Nothing is waited for: whoever heals is audited again. */
const timing: Timing = { nowMs: Date.now, delay: (ms) => delay(ms), graceMs: 0, settleMs: 0 };
/** Disagreements that are still the same after so long will stay. */
const lastingMs = 3_000;

export async function openOrders(stage: Stage): Promise<number> {
  const sums = Sums.parse(await mustSend('GET', `${stage.urls['order-service']}/totals`));
  return (sums['pending']?.orders ?? 0) + (sums['cancelling']?.orders ?? 0);
}

export async function readinessOf(stage: Stage, service: ServiceName): Promise<z.output<typeof Readiness>> {
  return Readiness.parse((await send('GET', `${stage.urls[service]}/readyz`)).body);
}

/** Resolves when every order has ended, every outbox is empty and every journal is compared to its end. */
export async function quiet(stage: Stage, timeoutMs: number): Promise<void> {
  await eventually(
    'every order to end, every outbox to be empty, and every journal to be compared to its end',
    () => unfinished(stage),
    (work) => work.length === 0,
    timeoutMs,
  );
}

/** What a system that is at work has still to do. */
async function unfinished(stage: Stage): Promise<string[]> {
  const open = await openOrders(stage);
  if (open > 0) return [`${open} orders are open`];
  const heads = new Map<string, number>();
  for (const service of serviceNames) heads.set(service, await headOf(stage, service));
  const found: string[] = [];
  for (const service of serviceNames) {
    const { outbox, reconciliation } = await readinessOf(stage, service);
    if (outbox.waiting > 0) found.push(`${service} has ${outbox.waiting} events to publish`);
    for (const [publisher, { state, reconciledUntil }] of Object.entries(reconciliation)) {
      const head = heads.get(publisher) ?? 0;
      if (state !== 'reconciled' || reconciledUntil < head) {
        found.push(`${service} has compared ${reconciledUntil} of ${head} events of ${publisher}: ${state}`);
      }
    }
  }
  return found;
}

/** Resolves when every consumer of a journal has compared it further than to this position: then it knows that there was more. */
export async function comparedBeyond(stage: Stage, publisher: ServiceName, position: number): Promise<void> {
  for (const service of serviceNames) {
    await eventually(
      `${service} to have compared more than ${position} events of ${publisher}`,
      async () => (await readinessOf(stage, service)).reconciliation[publisher]?.reconciledUntil ?? Infinity,
      (reconciledUntil) => reconciledUntil > position,
    );
  }
}

/** Position of the newest event in a journal. */
export async function headOf(stage: Stage, service: ServiceName): Promise<number> {
  const url = `${stage.urls[service]}/events/digests?consumer=losses&types=any&after=0&until=0`;
  return Digests.parse(await mustSend('GET', url)).head;
}

export async function audited(stage: Stage): Promise<AuditResult> {
  const disagreements: Disagreement[] = [];
  const { repairable } = await audit(new Services(stage.urls, timing.delay), timing, {
    warning: () => {},
    disagreement: (found) => void disagreements.push(found),
    progress: () => {},
  });
  return { disagreements, repairable };
}

/** Resolves when the services agree, or when what they disagree about stays the same: with that. */
export async function settled(stage: Stage, timeoutMs: number): Promise<AuditResult> {
  let seen = '';
  let sinceMs = 0;
  return eventually(
    'the services to agree, or to disagree about the same for a while',
    async () => {
      await quiet(stage, timeoutMs);
      const result = await audited(stage);
      const text = JSON.stringify(result.disagreements.map(({ about, id }) => [about, id]));
      if (text !== seen) sinceMs = performance.now();
      seen = text;
      return result;
    },
    ({ disagreements }) => disagreements.length === 0 || performance.now() - sinceMs > lastingMs,
    timeoutMs,
  );
}

/** What `npm run audit -- --repair` does. */
export async function repaired(stage: Stage, { repairable }: AuditResult): Promise<AuditResult> {
  const waits: Timing = { ...timing, settleMs: 5_000 };
  await repair(new Services(stage.urls, timing.delay), repairable, waits, () => {});
  return audited(stage);
}
