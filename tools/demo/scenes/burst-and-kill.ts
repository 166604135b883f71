// Orders without pause, and a kill -9 of payment-service that hits sagas under way.
import { ordersAroundKill } from '../burst.ts';
import { patientDeadlineMs, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';

/** Orders sent at the same time. */
const burstWidth = 32;
/** Orders answered before the kill, and after it. */
const burstBefore = 120;
const burstAfter = 60;
/** A burst in which nothing was under way at the kill is followed by another one. */
const burstsMax = 3;

export interface Burst {
  /** How many orders were accepted. */
  readonly accepted: number;
  /** Ids of the orders that were pending at the kill. */
  readonly underWay: readonly string[];
}

/** payment-service is dead when it resolves. */
export async function orderAroundKill({ shop, report, target }: Stage, { erin, cup }: Supplies): Promise<Burst> {
  const request = { userId: erin.userId, items: [{ productId: cup.productId, qty: 1 }], deadlineMs: patientDeadlineMs };
  let accepted = 0;
  for (let burst = 1; ; burst += 1) {
    let killedAtMs = 0;
    let shown = false;
    accepted += await ordersAroundKill({
      width: burstWidth,
      before: burstBefore,
      after: burstAfter,
      place: async () => {
        const quiet = shown;
        shown = true;
        await shop.place(request, { quiet });
      },
      kill: async () => {
        report.note(`… and so on, ${burstWidth} at a time; after ${burstBefore} answers:`);
        report.command(target.killCommand);
        killedAtMs = await target.killPayment();
      },
    });
    const underWay = (await shop.ordersOf(erin.userId))
      .filter(({ status, placedAt }) => status === 'pending' && Date.parse(placedAt) < killedAtMs)
      .map(({ orderId }) => orderId);
    if (underWay.length > 0 || burst === burstsMax) return { accepted, underWay };
    report.note('Every saga had ended before the kill. Once more:');
    await target.startPayment();
  }
}
