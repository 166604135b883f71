// payment-service is killed in the middle of many sagas: orders are accepted all the same, and wait.
import { DemoError, type Order } from '../answers.ts';
import { orderAroundKill } from './burst-and-kill.ts';
import { hasEnded, type Stage } from './stage.ts';
import type { Supplies } from './supplies.ts';

export interface Interrupted {
  /** How many orders erin placed. */
  readonly accepted: number;
  /** One order that waits for payment-service, where possible one that was under way at the kill. */
  readonly caught: Order;
}

/** Leaves payment-service dead. */
export async function playKilledService(stage: Stage, supplies: Supplies): Promise<Interrupted> {
  const { shop, report } = stage;
  report.scene(
    'payment-service is killed in the middle of it',
    'erin orders without pause; kill -9 hits payment-service while sagas are under way. Orders are accepted all the same, and wait.',
  );
  const { accepted, underWay } = await orderAroundKill(stage, supplies);
  report.check('payment-service', 'gone', (await shop.paymentAnswers()) ? 'answers' : 'gone');
  const orders = await shop.ordersOf(supplies.erin.userId);
  const waiting = orders.filter((order) => !hasEnded(order));
  report.note(`${accepted} orders were accepted; ${orders.length - waiting.length} had ended before the kill`);
  for (const [what, count] of waits(waiting)) report.note(`${count} orders wait for ${what}`);
  report.note(`${underWay.length} of those were under way when it was killed`);
  report.check('orders under way at the kill', 'some', underWay.length > 0 ? 'some' : 'none');
  const orderId = underWay[0] ?? waiting[0]?.orderId;
  if (!orderId) throw new DemoError('No order waits, although payment-service is dead.');
  report.line();
  report.note('What one of them waits for, and since when:');
  const caught = await shop.order(orderId);
  report.check('it waits for', 'payment-service', caught.waitsFor.map(({ service }) => service).join(', '));
  return { accepted, caught };
}

/** `payment-service: payment.completed or payment.failed` → number of orders. */
function waits(orders: readonly Order[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { waitsFor } of orders) {
    for (const { service, events } of waitsFor) {
      const what = `${service}: ${events.join(' or ')}`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
    }
  }
  return counts;
}
