// The totals of the three services: each must balance, and together they must agree.
import type { Totals } from './answers.ts';
import type { Report } from './report.ts';
import type { Shop } from './shop.ts';

/** A kill may have left orders that have yet to end, in a system that others use too. */
const settleMsMax = 10_000;
/** Orders looked up at the same time. */
const lookupsMax = 16;

export async function checkTotals(shop: Shop, report: Report): Promise<void> {
  await shop.until('no order is under way', settleMsMax, async () => {
    const { order } = await shop.totals(true);
    return order.pending.orders + order.cancelling.orders === 0;
  });
  const totals = await shop.totals();
  report.line();
  const { order, payment, inventory } = totals;
  report.balance(
    'payment-service: balances = paid in - charged + refunded',
    `${payment.balances} = ${payment.paidIn} - ${payment.charged} + ${payment.refunded}`,
    payment.balances,
    payment.paidIn - payment.charged + payment.refunded,
  );
  report.balance(
    'inventory-service: stock = brought in - reserved + released',
    `${inventory.stock} = ${inventory.broughtIn} - ${inventory.reserved} + ${inventory.released}`,
    inventory.stock,
    inventory.broughtIn - inventory.reserved + inventory.released,
  );
  report.balance(
    'order and payment: total of the confirmed orders = charged - refunded',
    `${order.confirmed.total} = ${payment.charged} - ${payment.refunded}`,
    order.confirmed.total,
    payment.charged - payment.refunded,
  );
  await compareEachOrder(shop, report, totals);
}

/** The outcome of each order of this run, as each service has it. */
async function compareEachOrder(shop: Shop, report: Report, { order }: Totals): Promise<void> {
  const count = { confirmed: 0, cancelled: 0, unended: 0, charged: 0, reserved: 0 };
  const odd: string[] = [];
  await forEachAtOnce(shop.placed, lookupsMax, async (orderId) => {
    const { status, total } = await shop.order(orderId, true);
    const payment = await shop.payment(orderId, true);
    const reservation = await shop.reservation(orderId, true);
    const charged = payment?.status === 'completed' && payment.amount === total;
    const reserved = reservation?.status === 'reserved';
    if (charged) count.charged += 1;
    if (reserved) count.reserved += 1;
    if (status === 'confirmed') count.confirmed += 1;
    else if (status === 'cancelled') count.cancelled += 1;
    else count.unended += 1;
    const agreed = status === 'confirmed' ? charged && reserved : payment?.status !== 'completed' && !reserved;
    if (!agreed) odd.push(orderId);
  });
  const { confirmed, cancelled, unended, charged, reserved } = count;
  report.line();
  report.note(
    `Of the ${shop.placed.length} orders of this run, ${confirmed} are confirmed and ${cancelled} are cancelled ` +
      `(all orders of order-service: ${order.confirmed.orders} and ${order.cancelled.orders}).`,
  );
  report.balance('every order has ended', `${confirmed} + ${cancelled} = ${shop.placed.length}`, unended, 0);
  report.balance('confirmed = charged', `${confirmed} = ${charged}`, confirmed, charged);
  report.balance('confirmed = reserved', `${confirmed} = ${reserved}`, confirmed, reserved);
  const first = odd[0];
  report.check(
    'orders about which the services disagree',
    0,
    odd.length,
    first === undefined ? undefined : shop.timelineCurl(first),
  );
}

async function forEachAtOnce<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
