// Kills each service again and again under load (kill -9), starts it again at once, and counts what became of the orders.
import { setTimeout as delay } from 'node:timers/promises';
import { serviceNames } from '../../services.ts';
import type { Target } from '../load/load.ts';
import { OrderRecords } from '../stage/order-records.ts';
import type { Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { fatesOf, type OrderFates, openOrders } from './order-fates.ts';

export interface KillResult extends OrderFates {
  readonly target: Target;
  readonly ratePerS: number;
  /** Fewer than planned where the restarts take so long that the load is over before. */
  readonly kills: number;
  /** POSTs that were not answered with 202: nobody was promised anything. */
  readonly notAccepted: number;
  /** From the end of the load until no order was open, or the wait was over. */
  readonly waitedS: number;
}

/** Between a restarted service and the next kill: messages that have waited for the one are then on their way to the next. */
const betweenKillsMs = 250;
/** Longer than a service takes to start and the time between two kills, so that the load lasts for all kills. */
const secondsPerKill = 1.5;
const lookAgainMs = 500;

export async function measureKills(bench: Bench, stage: Stage, targets: readonly Target[]): Promise<KillResult[]> {
  const results: KillResult[] = [];
  for (const target of targets) {
    const result = await measureOne(bench, stage, target);
    const { kills, accepted, lost, stuck, doubled } = result;
    bench.progress(`${kills} kills, ${target}: ${accepted} accepted, ${lost} lost, ${stuck} stuck, ${doubled} doubled`);
    results.push(result);
  }
  return results;
}

async function measureOne({ plan }: Bench, stage: Stage, target: Target): Promise<KillResult> {
  const { killRatePerS: ratePerS, warmUpS, killsPerService, killWaitS } = plan;
  const planned = killsPerService * serviceNames.length;
  const records = new OrderRecords(target, stage.system(target));
  try {
    let killing: Promise<number> | undefined;
    const loadOver = new AbortController();
    const { orderIds = [], ...load } = await stage.run(
      {
        kind: 'open',
        target,
        scenario: 'confirmed',
        ratePerS,
        warmUpS,
        seconds: planned * secondsPerKill,
        keepOrderIds: true,
        drainS: 0,
      },
      (ended) => {
        if (ended > 0) killing ??= awaitedLater(killInTurn(stage, target, planned, loadOver.signal));
      },
    );
    loadOver.abort();
    if (killing === undefined) throw new Error(`no order of '${target}' ended, so nothing was killed`);
    const kills = await killing;
    const waitedS = await waitForEnds(stage.signal, orderIds, records, killWaitS);
    return {
      target,
      ratePerS,
      kills,
      notAccepted: load.failed + load.refused,
      waitedS,
      ...fatesOf(orderIds, records),
    };
  } finally {
    records.close();
  }
}

/** @returns how many services it killed before the load was over */
async function killInTurn(stage: Stage, target: Target, planned: number, loadOver: AbortSignal): Promise<number> {
  const system = stage.system(target);
  let kills = 0;
  while (kills < planned && !loadOver.aborted) {
    const service = serviceNames[kills % serviceNames.length];
    if (service === undefined) break;
    await system[service].killAndRestart();
    kills += 1;
    await delay(betweenKillsMs, undefined, { signal: stage.signal });
  }
  return kills;
}

/** A failure before then is not an unhandled rejection. */
function awaitedLater<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}

/** @returns seconds */
async function waitForEnds(
  signal: AbortSignal,
  orderIds: readonly string[],
  records: OrderRecords,
  waitS: number,
): Promise<number> {
  const startMs = performance.now();
  const waitedS = (): number => (performance.now() - startMs) / 1000;
  let open = openOrders(orderIds, records);
  while (open.length > 0 && waitedS() < waitS) {
    await delay(lookAgainMs, undefined, { signal });
    open = openOrders(open, records);
  }
  return waitedS();
}
