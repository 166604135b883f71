// An order whose payment is refused: nothing is taken, no stock is touched.
import { outcomeOf, outcomeWaitS, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';

export async function playRefusedPayment({ shop, report }: Stage, { bob, mug }: Supplies): Promise<void> {
  report.scene('A payment that is refused', 'bob has too little money: cancelled, nothing taken, no stock touched.');
  const stockBefore = await shop.stock(mug.productId, true);
  const { order, answer } = await shop.place(
    { userId: bob.userId, items: [{ productId: mug.productId, qty: 1 }] },
    { waitS: outcomeWaitS },
  );
  const look = shop.timelineCurl(order.orderId);
  report.saga(await shop.timeline(order.orderId), answer.sentAtMs);
  report.check('the order', 'cancelled: insufficient_funds', outcomeOf(order), look);
  report.check("bob's balance", bob.balance, (await shop.account(bob.userId, true)).balance, look);
  report.check('its reservation', 'none', (await shop.reservation(order.orderId, true))?.status ?? 'none', look);
  report.check('mugs in stock', stockBefore, await shop.stock(mug.productId, true), look);
}
