// The scenes of the demo, in their order. Each announces what will happen, lets it happen, and compares.
import { untilCatalogueHas } from '../../local/sample-data.ts';
import { ordersAroundKill } from './burst.ts';
import { measureSagas } from './latency.ts';
import type { Report } from './report.ts';
import { DemoError, type Order, type Shop } from './shop.ts';
import type { Target } from './target.ts';
import { checkBooks } from './totals.ts';

export interface Stage {
  readonly shop: Shop;
  readonly report: Report;
  readonly target: Target;
  readonly signal: AbortSignal;
}

/** How long the outcome of one order is waited for, in seconds. */
const outcomeWaitS = 10;
/** Orders sent at the same time while payment-service is killed. */
const burstWidth = 32;
/** Orders answered before the kill, and after it. */
const burstBefore = 120;
const burstAfter = 60;
/** A burst in which nothing was under way at the kill is followed by another one. */
const burstsMax = 3;
/** How long everything may take to end once payment-service is back. */
const recoveryMsMax = 60_000;
/** Deadline of the orders that are to survive payment-service's absence, however slow the machine. */
const patientDeadlineMs = 10 * 60_000;
const sagasMeasured = 200;

/** @returns the last line: how long one saga takes */
export async function playAll(stage: Stage): Promise<string> {
  const supplies = await setUp(stage);
  await confirmedOrder(stage, supplies);
  await refusedPayment(stage, supplies);
  await refusedStock(stage, supplies);
  await killedService(stage, supplies);
  const measured = await measureSagas(stage.shop, {
    userId: supplies.erin.userId,
    productId: supplies.cup.productId,
    sagas: sagasMeasured,
  });
  await totals(stage);
  return measured;
}

interface Account {
  readonly userId: string;
  readonly balance: number;
}
interface Product {
  readonly productId: string;
  readonly unitPrice: number;
  readonly stock: number;
}
/** What there is at the beginning. */
interface Supplies {
  readonly alice: Account;
  readonly bob: Account;
  readonly dave: Account;
  readonly erin: Account;
  readonly frank: Account;
  readonly mug: Product;
  readonly machine: Product;
  readonly cup: Product;
}

async function setUp({ shop, report, signal, target }: Stage): Promise<Supplies> {
  report.scene('What there is', 'Three products in stock, five customers with an account.');
  const account = async (name: string, balance: number): Promise<Account> => {
    const userId = shop.id(name);
    await shop.putAccount(userId, { balance });
    return { userId, balance };
  };
  const product = async (id: string, name: string, unitPrice: number, stock: number): Promise<Product> => {
    const productId = shop.id(id);
    await shop.putProduct(productId, { name, unitPrice, stock });
    return { productId, unitPrice, stock };
  };
  const supplies = {
    mug: await product('CATALOG-002', 'Mug', 1_500, 100),
    machine: await product('CATALOG-003', 'Espresso machine', 45_000, 1),
    cup: await product('CATALOG-004', 'Paper cup', 10, 900_000),
    alice: await account('alice', 100_000),
    bob: await account('bob', 1_000),
    dave: await account('dave', 200_000),
    erin: await account('erin', 10_000_000),
    frank: await account('frank', 50_000),
  };
  const { mug, machine, cup } = supplies;
  await untilCatalogueHas(target.urls['order-service'], [mug.productId, machine.productId, cup.productId], signal);
  report.note('order-service has heard of the products (product.updated) and knows their prices from now on.');
  return supplies;
}

async function confirmedOrder({ shop, report }: Stage, { alice, mug }: Supplies): Promise<void> {
  report.scene('An order that goes through', 'alice has the money and the mugs are there: confirmed.');
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
  report.note('A confirmed order can not be cancelled any more:');
  report.check('the cancellation', 409, (await shop.cancel(order.orderId)).status, look);
}

async function refusedPayment({ shop, report }: Stage, { bob, mug }: Supplies): Promise<void> {
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

async function refusedStock({ shop, report }: Stage, { dave, mug, machine }: Supplies): Promise<void> {
  report.scene(
    'Stock that is missing, and the money comes back',
    'dave pays for a mug and two espresso machines; there is one machine: nothing is set aside, the payment is undone.',
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

async function killedService(stage: Stage, supplies: Supplies): Promise<void> {
  const { shop, report, target } = stage;
  const { erin, frank, cup, mug } = supplies;
  report.scene(
    'payment-service is killed in the middle of it',
    'erin orders without pause; kill -9 hits payment-service while sagas are under way. Orders are accepted all the same, and wait.',
  );
  const { answered, underWay } = await killInTheMiddle(stage, supplies);
  report.check('payment-service', 'gone', (await shop.paymentAnswers()) ? 'answers' : 'gone');
  const orders = await shop.ordersOf(erin.userId);
  const waiting = orders.filter(({ status }) => status === 'pending' || status === 'cancelling');
  report.note(`${answered} orders were accepted; ${orders.length - waiting.length} had ended before the kill`);
  for (const [what, count] of waits(waiting)) report.note(`${count} orders wait for ${what}`);
  report.note(`${underWay.length} of those were under way when it was killed`);
  report.check('orders under way at the kill', 'some', underWay.length > 0 ? 'some' : 'none');
  const caught = underWay[0] ?? waiting[0]?.orderId;
  if (!caught) throw new DemoError('no order waits, though payment-service is dead');
  report.line();
  report.note('What one of them waits for, and since when:');
  const seen = await shop.order(caught);
  report.check('it waits for', 'payment-service', seen.waitsFor.map(({ service }) => service).join(', '));

  report.scene(
    'A customer cancels, and a deadline passes, while payment-service is away',
    'Both of frank’s orders are withdrawn. They end only when payment-service has said that it holds no money for them.',
  );
  const cancelled = await shop.place({
    userId: frank.userId,
    items: [{ productId: mug.productId, qty: 3 }],
    deadlineMs: patientDeadlineMs,
  });
  await shop.cancel(cancelled.order.orderId);
  const expired = await shop.place({
    userId: frank.userId,
    items: [{ productId: mug.productId, qty: 5 }],
    deadlineMs: 300,
  });
  await shop.until('the deadline passes', 10_000, async () => {
    return (await shop.order(expired.order.orderId, true)).status !== 'pending';
  });
  report.check(
    'the one that frank cancelled',
    'cancelling: customer',
    outcomeOf(await shop.order(cancelled.order.orderId)),
  );
  report.check(
    'the one whose deadline passed',
    'cancelling: deadline',
    outcomeOf(await shop.order(expired.order.orderId)),
  );

  report.scene(
    'payment-service starts again',
    'It finds in its queue what it missed: every order ends, each is paid exactly once, what was withdrawn costs nothing.',
  );
  const began = Date.now();
  report.command(target.startCommand);
  await target.startPayment();
  report.note(`it answers again after ${Date.now() - began} ms`);
  let left = waiting.length;
  await shop.until('all orders have ended', recoveryMsMax, async () => {
    const all = [...(await shop.ordersOf(erin.userId)), ...(await shop.ordersOf(frank.userId))];
    left = all.filter(({ status }) => status === 'pending' || status === 'cancelling').length;
    return left === 0;
  });
  report.note(`all have ended after ${Date.now() - began} ms`);
  const ended = await shop.ordersOf(erin.userId);
  report.check("erin's confirmed orders", ended.length, ended.filter(({ status }) => status === 'confirmed').length);
  report.check("erin's orders there are", answered, ended.length);
  report.balance(
    'erin paid each once',
    `${erin.balance} - ${answered} x ${cup.unitPrice} = ${erin.balance - answered * cup.unitPrice}`,
    erin.balance - answered * cup.unitPrice,
    (await shop.account(erin.userId, true)).balance,
  );
  report.balance(
    'each set one cup aside',
    `${cup.stock} - ${answered} = ${cup.stock - answered}`,
    cup.stock - answered,
    await shop.stock(cup.productId, true),
  );
  await showEnd(stage, 'The saga that the kill interrupted:', seen, 'confirmed');
  await showEnd(stage, 'The order that frank cancelled:', cancelled.order, 'cancelled: customer');
  await showEnd(stage, 'The order whose deadline passed:', expired.order, 'cancelled: deadline');
  report.check("frank's balance", frank.balance, (await shop.account(frank.userId)).balance);
}

/** Orders without pause, and kills payment-service among them. @returns how many were accepted, and which were under way at the kill */
async function killInTheMiddle(
  { shop, report, target }: Stage,
  { erin, cup }: Supplies,
): Promise<{ answered: number; underWay: readonly string[] }> {
  const request = { userId: erin.userId, items: [{ productId: cup.productId, qty: 1 }], deadlineMs: patientDeadlineMs };
  let answered = 0;
  for (let burst = 1; ; burst += 1) {
    let killedAtMs = 0;
    let shown = false;
    answered += await ordersAroundKill({
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
    if (underWay.length > 0 || burst === burstsMax) return { answered, underWay };
    report.note('Every saga had ended before the kill. Once more:');
    await target.startPayment();
  }
}

async function showEnd({ shop, report }: Stage, title: string, order: Order, announced: string): Promise<void> {
  report.line();
  report.note(title);
  const ended = await shop.order(order.orderId);
  report.saga(await shop.timeline(order.orderId), Date.parse(order.placedAt));
  report.check('the order', announced, outcomeOf(ended), shop.timelineCurl(order.orderId));
}

async function totals({ shop, report }: Stage): Promise<void> {
  report.scene(
    'The totals',
    'Three databases that share no transaction. When all is quiet they must agree: confirmed = charged = set aside.',
  );
  await checkBooks(shop, report);
}

function outcomeOf({ status, reason }: Order): string {
  return reason ? `${status}: ${reason}` : status;
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
