// An order whose stock is missing: the payment is refunded.
import { outcomeOf, outcomeWaitS, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';

export async function playRefusedStock({ shop, report }: Stage, { dave, mug, machine }: Supplies): Promise<void> {
  report.scene(
    'Stock is missing, and the money comes back',
    'dave pays for a mug and two espresso machines; there is only one machine: nothing is reserved, the payment is refunded.',
  );
  const stockBefore = await shop.stock(mug.productId, true);
  const { order, answer } = await shop.place(
    {
      userId: dave.userId,
      items: [
        { productId: mug.productId, qty: 1 },
        { productId: machine.productId, qty: 2 },
      ],
    },
    { waitS: outcomeWaitS },
  );
  const look = shop.timelineCurl(order.orderId);
  report.saga(await shop.timeline(order.orderId), answer.sentAtMs);
  report.check('the order', 'cancelled: out_of_stock', outcomeOf(order), look);
  const { balance, entries } = await shop.account(dave.userId);
  const ledger = entries.map(({ kind, amount }) => `${kind} ${amount}`).slice(0, 2);
  report.check("dave's ledger, newest first", `refund ${order.total}, charge -${order.total}`, ledger.join(', '), look);
  report.check("dave's balance", dave.balance, balance, look);
  report.check('mugs in stock', stockBefore, await shop.stock(mug.productId, true), look);
  report.check('espresso machines in stock', machine.stock, await shop.stock(machine.productId, true), look);
}
