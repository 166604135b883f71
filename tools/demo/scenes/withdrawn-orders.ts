// While payment-service is away, a customer cancels one order, and the deadline of another passes.
import type { Order } from '../answers.ts';
import { outcomeOf, patientDeadlineMs, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';

const shortDeadlineMs = 300;
const deadlineWaitMs = 10_000;

export interface Withdrawn {
  readonly cancelled: Order;
  readonly expired: Order;
}

export async function playWithdrawnOrders({ shop, report }: Stage, { frank, mug }: Supplies): Promise<Withdrawn> {
  report.scene(
    'A customer cancels, and a deadline passes, while payment-service is away',
    'Both of frank’s orders are withdrawn. They end only once payment-service has confirmed that it holds no money for them.',
  );
  const place = async (qty: number, deadlineMs: number): Promise<Order> => {
    const items = [{ productId: mug.productId, qty }];
    return (await shop.place({ userId: frank.userId, items, deadlineMs })).order;
  };
  const cancelled = await place(3, patientDeadlineMs);
  await shop.cancel(cancelled.orderId);
  const expired = await place(5, shortDeadlineMs);
  await shop.until('the deadline passes', deadlineWaitMs, async () => {
    return (await shop.order(expired.orderId, true)).status !== 'pending';
  });
  report.check('the one that frank cancelled', 'cancelling: customer', outcomeOf(await shop.order(cancelled.orderId)));
  report.check('the one whose deadline passed', 'cancelling: deadline', outcomeOf(await shop.order(expired.orderId)));
  return { cancelled, expired };
}
