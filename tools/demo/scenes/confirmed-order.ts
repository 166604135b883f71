// An order that succeeds.
import { outcomeWaitS, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';

export async function playConfirmedOrder({ shop, report }: Stage, { alice, mug }: Supplies): Promise<void> {
  report.scene('An order that succeeds', 'alice has the money and the mugs are there: confirmed.');
  const { order, answer } = await shop.place(
    { userId: alice.userId, items: [{ productId: mug.productId, qty: 2 }] },
    { waitS: outcomeWaitS },
  );
  const look = shop.timelineCurl(order.orderId);
  report.saga(await shop.timeline(order.orderId), answer.sentAtMs);
  report.check('the order', 'confirmed', order.status, look);
  report.check('its payment', 'completed', (await shop.payment(order.orderId, true))?.status, look);
  report.check('its reservation', 'reserved', (await shop.reservation(order.orderId, true))?.status, look);
  report.check("alice's balance", alice.balance - order.total, (await shop.account(alice.userId, true)).balance, look);
  report.check('mugs in stock', mug.stock - 2, await shop.stock(mug.productId, true), look);
  report.line();
  report.note('A confirmed order can no longer be cancelled:');
  report.check('the cancellation', 409, (await shop.cancel(order.orderId)).status, look);
}
