// The repairs that are safe: asking again for orders that are stuck. Whoever has answered before answers the same again, so
// nothing is charged or reserved twice; what is still pending is withdrawn, which only gives back.
import type { Timing } from './finding.ts';
import type { Services } from './services.ts';

/** Orders asked for at once. */
const atOnceMax = 8;

export interface Repaired {
  readonly orderId: string;
  /** `asked`: it was asked again; `confirmed`: it has been confirmed meanwhile; otherwise what was answered. */
  readonly result: string;
}

/** Asks again for each of the orders, and waits until they have ended, but at most for the time of settling. */
export async function repair(
  services: Services,
  orderIds: readonly string[],
  timing: Timing,
  report: (repaired: Repaired) => void,
): Promise<void> {
  const asked: string[] = [];
  await inParallel(orderIds, async (orderId) => {
    const { status } = await services.cancel(orderId);
    if (status === 200 || status === 202) asked.push(orderId);
    report({ orderId, result: resultOf(status) });
  });
  await untilEnded(services, asked, timing);
}

function resultOf(status: number): string {
  if (status === 200 || status === 202) return 'asked';
  return status === 409 ? 'confirmed' : `answered ${status}`;
}

async function untilEnded(services: Services, orderIds: readonly string[], timing: Timing): Promise<void> {
  let open = orderIds;
  for (const part of [0.1, 0.3, 0.6]) {
    if (open.length === 0) return;
    await timing.delay(part * timing.settleMs);
    const still: string[] = [];
    await inParallel(open, async (orderId) => {
      const { order } = await services.heldOf(orderId);
      if (order?.status === 'pending' || order?.status === 'cancelling') still.push(orderId);
    });
    open = still;
  }
}

async function inParallel(items: readonly string[], work: (item: string) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
}
