// Far more orders than the services can take, for a while: do they stay alive, keep what they accepted, and come down again?
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { serviceNames } from '../../services.ts';
import { Latencies, type Percentiles } from '../load/histogram.ts';
import type { PerProcess } from '../stage/per-process.ts';
import type { Measured, Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { rssOf } from './memory.ts';
import { roughSaturation } from './saturation.ts';

/** Times the rate at saturation. */
const times = 10;
const probeEveryMs = 50;
const probeTimeoutMs = 10_000;
/** How long the orders that were accepted may take to end, and how long memory has to come down. */
const endMsMax = 300_000;
const restMs = 60_000;

export interface OverloadResult {
  readonly ratePerS: number;
  readonly seconds: number;
  readonly load: Measured;
  /** Of /livez of all services while the load was on; a probe without an answer counts with its time-out. */
  readonly livez: Percentiles;
  readonly unanswered: number;
  /** Orders that order-service has accepted, and of those the ones that have not ended minutes later. */
  readonly accepted: number;
  readonly open: number;
  readonly endedWithinS: number;
  /** Bytes of resident memory: before, at the end of the load, and a minute after the last order had ended. */
  readonly before: PerProcess<number>;
  readonly atEnd: PerProcess<number>;
  readonly afterwards: PerProcess<number>;
}

const Totals = z.record(z.string(), z.object({ orders: z.number() }));

export async function measureOverload(bench: Bench, stage: Stage, seconds: number): Promise<OverloadResult> {
  const saturation = await roughSaturation(bench, stage, 'confirmed');
  await untilEnded(stage);
  const ordersBefore = await ordersOf(stage);
  const before = rssOf(stage);
  const ratePerS = Math.round(times * saturation);
  bench.progress(`overload: ${ratePerS} orders/s for ${seconds} s`);
  const probes = startProbes(stage);
  const load = await stage.run({
    ...{ kind: 'open', target: 'services', scenario: 'confirmed', warmUpS: 0 },
    ...{ ratePerS, seconds, drainS: 0 },
  });
  const { livez, unanswered } = probes.stop();
  const atEnd = rssOf(stage);
  const endedAtMs = performance.now();
  const open = await untilEnded(stage);
  const endedWithinS = (performance.now() - endedAtMs) / 1_000;
  bench.progress(`overload: ${open} orders are open after ${endedWithinS.toFixed(0)} s`);
  await delay(restMs);
  const accepted = (await ordersOf(stage)).all - ordersBefore.all;
  return {
    ratePerS,
    seconds,
    load,
    livez,
    unanswered,
    accepted,
    open,
    endedWithinS,
    before,
    atEnd,
    afterwards: rssOf(stage),
  };
}

function startProbes(stage: Stage) {
  const latencies = Latencies.empty();
  let unanswered = 0;
  const probe = async (port: number): Promise<void> => {
    const startedAtMs = performance.now();
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(probeTimeoutMs) });
      await answer.arrayBuffer();
      if (answer.status !== 200) unanswered += 1;
    } catch {
      unanswered += 1;
    }
    latencies.record(performance.now() - startedAtMs);
  };
  const timer = setInterval(() => {
    for (const service of serviceNames) void probe(stage.services[service].healthPort);
  }, probeEveryMs);
  return {
    stop: () => {
      clearInterval(timer);
      return { livez: latencies.percentiles(), unanswered };
    },
  };
}

/** Resolves with the number of orders that have not ended by then: 0, or after a long time those that are left. */
async function untilEnded(stage: Stage): Promise<number> {
  const endMs = performance.now() + endMsMax;
  for (;;) {
    const { open } = await ordersOf(stage);
    if (open === 0 || performance.now() > endMs) return open;
    await delay(500);
  }
}

async function ordersOf(stage: Stage): Promise<{ readonly all: number; readonly open: number }> {
  for (;;) {
    const totals = await totalsOf(stage);
    if (totals === undefined) {
      await delay(500);
      continue;
    }
    const count = (...statuses: string[]) => statuses.reduce((sum, status) => sum + (totals[status]?.orders ?? 0), 0);
    const open = count('pending', 'cancelling');
    return { open, all: open + count('confirmed', 'cancelled') };
  }
}

/** Undefined: it cannot answer now; under overload, it closes connections, too. */
async function totalsOf(stage: Stage): Promise<z.output<typeof Totals> | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${stage.services['order-service'].port}/totals`);
    return answer.ok ? Totals.parse(await answer.json()) : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
