// payment-service starts again, and every order ends.
import type { Order } from '../answers.ts';
import type { Interrupted } from './killed-service.ts';
import { hasEnded, outcomeOf, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';
import type { Withdrawn } from './withdrawn-orders.ts';

/** How long everything may take to end once payment-service is back. */
const recoveryMsMax = 60_000;

export async function playRecovery(
  stage: Stage,
  supplies: Supplies,
  { accepted, caught }: Interrupted,
  { cancelled, expired }: Withdrawn,
): Promise<void> {
  const { shop, report, target } = stage;
  const { erin, frank } = supplies;
  report.scene(
    'payment-service starts again',
    'It finds in its queue what it missed: every order ends, each is paid exactly once, withdrawn orders cost nothing.',
  );
  const beganMs = Date.now();
  report.command(target.startCommand);
  await target.startPayment();
  report.note(`it answers again after ${Date.now() - beganMs} ms`);
  await shop.until('all orders have ended', recoveryMsMax, async () => {
    const orders = [...(await shop.ordersOf(erin.userId)), ...(await shop.ordersOf(frank.userId))];
    return orders.every(hasEnded);
  });
  report.note(`all have ended after ${Date.now() - beganMs} ms`);
  await checkOnce(stage, supplies, accepted);
  await showEnd(stage, 'The saga that the kill interrupted:', caught, 'confirmed');
  await showEnd(stage, 'The order that frank cancelled:', cancelled, 'cancelled: customer');
  await showEnd(stage, 'The order whose deadline passed:', expired, 'cancelled: deadline');
  report.check("frank's balance", frank.balance, (await shop.account(frank.userId)).balance);
}

/** Each of erin's orders is there, confirmed, paid once, and its cup reserved once. */
async function checkOnce({ shop, report }: Stage, { erin, cup }: Supplies, accepted: number): Promise<void> {
  const ended = await shop.ordersOf(erin.userId);
  report.check("erin's confirmed orders", ended.length, ended.filter(({ status }) => status === 'confirmed').length);
  report.check("erin's orders", accepted, ended.length);
  const balance = erin.balance - accepted * cup.unitPrice;
  report.balance(
    'erin paid for each once',
    `${erin.balance} - ${accepted} x ${cup.unitPrice} = ${balance}`,
    balance,
    (await shop.account(erin.userId, true)).balance,
  );
  const stock = cup.stock - accepted;
  report.balance(
    'each reserved one cup',
    `${cup.stock} - ${accepted} = ${stock}`,
    stock,
    await shop.stock(cup.productId, true),
  );
}

async function showEnd({ shop, report }: Stage, title: string, order: Order, expected: string): Promise<void> {
  report.line();
  report.note(title);
  const ended = await shop.order(order.orderId);
  report.saga(await shop.timeline(order.orderId), Date.parse(order.placedAt));
  report.check('the order', expected, outcomeOf(ended), shop.timelineCurl(order.orderId));
}
