// What order-service does when it hears something, and when somebody asks it for something.
import { expect } from 'chai';
import fc from 'fast-check';
import { cancelOrder, expireOrders, placeOrder } from '../../order-service/commands.ts';
import { type OrderParts, orderService } from '../../order-service/service.ts';
import type { DataOf, EventType } from '../../shared/contract/choreography.ts';
import { moneyMax } from '../../shared/contract/event-data.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import type { Transaction } from '../../shared/runtime/node/transaction.ts';
import { samples, userId } from '../support/events.ts';
import { given } from '../support/given.ts';
import { endings, type Heard } from '../support/sagas.ts';

const deadlineMs = 30_000;
const berlin = samples['product.updated'];
type Tx = Transaction<'order-service'>;

function place(parts: OrderParts, tx: Tx, qty = 2): void {
  placeOrder(parts.store, tx, { userId, items: [{ productId: berlin.productId, qty }], deadlineMs });
}

/** One order of two pieces at 1500, pending. */
function placedOrder() {
  const known = given(orderService)
    .consumed('product.updated', berlin)
    .has((parts, tx) => place(parts, tx));
  const orderId = known.parts.store.ordersOf(userId, 1)?.[0]?.orderId ?? '';
  const about = <T extends EventType>(type: T): DataOf<T> => ({ ...samples[type], orderId }) as DataOf<T>;
  const order = () => known.parts.store.order(orderId);
  return { known, orderId, about, order };
}

function withdraw({ known, orderId }: ReturnType<typeof placedOrder>) {
  return known.has(({ store }, tx) => void cancelOrder(store, tx, orderId));
}

describe('order-service hears', () => {
  it('a payment, notes it, and the order stays pending', () => {
    const { known, about, order } = placedOrder();
    known.when('payment.completed', about('payment.completed')).isSilent('noted');
    expect(order()?.status).to.equal('pending');
  });

  it('that stock is reserved, and confirms', () => {
    const { known, orderId, about } = placedOrder();
    known
      .consumed('payment.completed', about('payment.completed'))
      .when('inventory.reserved', about('inventory.reserved'))
      .publishes('order.confirmed', { orderId, userId, total: 3000 });
  });

  it('that stock is reserved before it hears of the payment, and confirms all the same', () => {
    const { known, about, order } = placedOrder();
    known.when('inventory.reserved', about('inventory.reserved')).publishesA('order.confirmed');
    known.when('payment.completed', about('payment.completed')).isSilent('noted');
    expect(order()?.status).to.equal('confirmed');
  });

  it('that a payment failed, and cancels with the reason of the refusal', () => {
    const { known, orderId, about } = placedOrder();
    known
      .when('payment.failed', about('payment.failed'))
      .publishes('order.cancelled', { orderId, userId, reason: 'insufficient_funds' });
  });

  it('that stock is refused, waits for the money, and cancels once that is back', () => {
    const { known, orderId, about } = placedOrder();
    known
      .consumed('payment.completed', about('payment.completed'))
      .when('inventory.rejected', about('inventory.rejected'))
      .isSilent('waits');
    known
      .when('payment.refunded', { ...about('payment.refunded'), because: 'inventory.rejected' })
      .publishes('order.cancelled', { orderId, userId, reason: 'out_of_stock' });
  });

  it('a success that lost against the withdrawal, and leaves it at that', () => {
    const order = placedOrder();
    withdraw(order).when('inventory.reserved', order.about('inventory.reserved')).isSilent('withdrawn');
    expect(order.order()?.status).to.equal('cancelling');
  });

  it('an undoing on one side after a withdrawal, and waits for the other', () => {
    const order = placedOrder();
    withdraw(order).when('payment.refunded', order.about('payment.refunded')).isSilent('waits');
    order.known
      .when('inventory.released', order.about('inventory.released'))
      .publishes('order.cancelled', { orderId: order.orderId, userId, reason: 'customer' });
  });

  it('a void of stock after a withdrawal that met a failed payment, and the order had ended', () => {
    const order = placedOrder();
    withdraw(order).when('payment.failed', order.about('payment.failed')).publishesA('order.cancelled');
    order.known.when('inventory.voided', order.about('inventory.voided')).isSilent('ended');
  });

  it('of an order that was never placed here, and breaks: it must be dead-lettered', () => {
    given(orderService)
      .when('payment.completed', samples['payment.completed'])
      .throws(/was never placed here/);
  });

  it('a second success of a confirmed order under another id, and breaks', () => {
    const { known, about } = placedOrder();
    known
      .consumed('inventory.reserved', about('inventory.reserved'))
      .when('inventory.reserved', about('inventory.reserved'))
      .throws(/confirmed already/);
  });

  it('everything in any order, and says the end exactly once, the same one each time', () => {
    const runs = fc.constantFrom(...endings).chain((ending) =>
      fc.record({
        ending: fc.constant(ending),
        arrivals: fc.shuffledSubarray([...ending.heard], { minLength: ending.heard.length }),
        withdrawFirst: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(runs, ({ ending, arrivals, withdrawFirst }) => {
        const order = placedOrder();
        const { known, orderId, about } = order;
        let withdrawn = false;
        const ends: string[] = [];
        const withdrawOnce = () => {
          if (!ending.withdrawn || withdrawn) return;
          withdraw(order);
          withdrawn = true;
        };
        if (withdrawFirst) withdrawOnce();
        for (const type of arrivals) {
          // A withdrawal happens while the order is pending: at the latest before what would end that.
          if (type !== 'payment.completed') withdrawOnce();
          const before = order.order()?.status;
          known.consumed(type satisfies Heard, about(type));
          const after = order.order()?.status;
          if (after !== before && (after === 'confirmed' || after === 'cancelled')) ends.push(after);
        }
        expect(ends).to.deep.equal([ending.end]);
        const said = known.parts.store
          .facts(orderId)
          .filter(({ type }) => type === 'order.confirmed' || type === 'order.cancelled');
        expect(said.map(({ type }) => type)).to.deep.equal([`order.${ending.end}`]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the catalogue of order-service', () => {
  const at = (version: number, unitPrice: number) => ({ ...berlin, version, unitPrice });

  it('keeps the highest version, whichever comes first', () => {
    const known = given(orderService);
    known.when('product.updated', at(2, 2000)).isSilent('noted');
    known
      .when('product.updated', at(1, 1000))
      .isSilent('outdated')
      .leaving(({ store }) => expect(store.entry(berlin.productId)?.unitPrice).to.equal(2000));
    known
      .when('product.updated', at(3, 3000))
      .isSilent('noted')
      .leaving(({ store }) => expect(store.entry(berlin.productId)?.unitPrice).to.equal(3000));
  });

  it('does not take the same version twice', () => {
    given(orderService)
      .consumed('product.updated', at(1, 1000))
      .when('product.updated', at(1, 9999))
      .isSilent('outdated')
      .leaving(({ store }) => expect(store.entry(berlin.productId)?.unitPrice).to.equal(1000));
  });

  it('ends at the same entry for every order of arrival', () => {
    const updates = [1, 2, 3, 4, 5].map((version) => at(version, version * 100));
    fc.assert(
      fc.property(fc.shuffledSubarray(updates, { minLength: 5 }), (arrivals) => {
        const known = given(orderService);
        for (const update of arrivals) known.consumed('product.updated', update);
        expect(known.parts.store.entry(berlin.productId)).to.deep.equal(updates[4]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('placing an order', () => {
  const items = [{ productId: berlin.productId, qty: 2 }];
  const withBerlin = () => given(orderService).consumed('product.updated', berlin);

  it('says order.placed with the price of the catalogue, the total and the deadline', () => {
    const known = withBerlin();
    const nowMs = known.clock.nowMs();
    const result = known.whenAsked(({ store }, tx) => placeOrder(store, tx, { userId, items, deadlineMs }));
    const orderId = known.parts.store.ordersOf(userId, 1)?.[0]?.orderId ?? '';
    result
      .publishes('order.placed', {
        orderId,
        userId,
        items: [{ productId: berlin.productId, qty: 2, unitPrice: 1500 }],
        total: 3000,
        deadlineAt: isoTime(nowMs + deadlineMs),
      })
      .leaving(({ store }) => expect(store.order(orderId)?.status).to.equal('pending'));
  });

  it('takes the price that the customer saw when it is still the price', () => {
    withBerlin()
      .whenAsked(({ store }, tx) =>
        placeOrder(store, tx, {
          userId,
          items: [{ productId: berlin.productId, qty: 1, unitPrice: 1500 }],
          deadlineMs,
        }),
      )
      .publishesA('order.placed');
  });

  it('tells both prices when the price is one more than the customer saw', () => {
    withBerlin()
      .whenAsked(({ store }, tx) =>
        placeOrder(store, tx, {
          userId,
          items: [{ productId: berlin.productId, qty: 1, unitPrice: 1499 }],
          deadlineMs,
        }),
      )
      .refuses(409, 'price-changed', { productId: berlin.productId, unitPriceSeen: 1499, unitPrice: 1500 });
  });

  it('refuses a product that nobody has told of, even beside one that is known, and stores nothing', () => {
    withBerlin()
      .whenAsked(({ store }, tx) =>
        placeOrder(store, tx, { userId, items: [...items, { productId: 'nobody-knows', qty: 1 }], deadlineMs }),
      )
      .refuses(422, 'unknown-product', { productId: 'nobody-knows' })
      .leaving(({ store }) => expect(store.ordersOf(userId, 10)).to.deep.equal([]));
  });

  it('refuses a product that is not for sale now', () => {
    given(orderService)
      .consumed('product.updated', { ...berlin, available: false })
      .whenAsked((parts, tx) => place(parts, tx))
      .refuses(422, 'product-unavailable', { productId: berlin.productId });
  });

  it('accepts a total of exactly the bound', () => {
    given(orderService)
      .consumed('product.updated', { ...berlin, unitPrice: moneyMax / 1000 })
      .whenAsked((parts, tx) => place(parts, tx, 1000))
      .publishesA('order.placed')
      .leaving(({ store }) => expect(store.ordersOf(userId, 1)?.[0]?.total).to.equal(moneyMax));
  });

  it('refuses a total that is one piece above the bound', () => {
    given(orderService)
      .consumed('product.updated', { ...berlin, unitPrice: moneyMax / 1000 })
      .whenAsked((parts, tx) => place(parts, tx, 1001))
      .refuses(400, 'order-too-expensive');
  });

  it('refuses lines that are each within the bound but not together', () => {
    const other = { ...berlin, productId: 'CATALOG-002', unitPrice: 1 };
    given(orderService)
      .consumed('product.updated', { ...berlin, unitPrice: moneyMax })
      .consumed('product.updated', other)
      .whenAsked(({ store }, tx) =>
        placeOrder(store, tx, {
          userId,
          items: [
            { productId: berlin.productId, qty: 1 },
            { productId: other.productId, qty: 1 },
          ],
          deadlineMs,
        }),
      )
      .refuses(400, 'order-too-expensive');
  });

  it('refuses the largest price times the largest quantity, beyond what a number holds exactly', () => {
    given(orderService)
      .consumed('product.updated', { ...berlin, unitPrice: moneyMax })
      .whenAsked((parts, tx) => place(parts, tx, 1_000_000))
      .refuses(400, 'order-too-expensive');
  });
});

describe('cancelling an order', () => {
  const cancel = ({ known, orderId }: ReturnType<typeof placedOrder>) =>
    known.whenAsked(({ store }, tx) => cancelOrder(store, tx, orderId));

  it('withdraws one that is pending', () => {
    const order = placedOrder();
    cancel(order)
      .publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'customer' })
      .leaving(() => expect(order.order()).to.include({ status: 'cancelling', reason: 'customer' }));
  });

  it('withdraws one that is paid but not confirmed', () => {
    const order = placedOrder();
    order.known.consumed('payment.completed', order.about('payment.completed'));
    cancel(order).publishesA('order.withdrawn');
  });

  it('says nothing more when it is being cancelled already', () => {
    const order = placedOrder();
    withdraw(order);
    cancel(order).publishesNothing();
  });

  it('says nothing when the stock was refused and the refund is on its way', () => {
    const order = placedOrder();
    order.known.consumed('inventory.rejected', order.about('inventory.rejected'));
    cancel(order).publishesNothing();
    expect(order.order()).to.include({ status: 'cancelling', reason: 'out_of_stock' });
  });

  it('says nothing when it is cancelled', () => {
    const order = placedOrder();
    order.known.consumed('payment.failed', order.about('payment.failed'));
    cancel(order).publishesNothing();
  });

  it('is refused once it is confirmed', () => {
    const order = placedOrder();
    order.known.consumed('inventory.reserved', order.about('inventory.reserved'));
    cancel(order).refuses(409, 'order-confirmed', { orderId: order.orderId });
    expect(order.order()?.status).to.equal('confirmed');
  });

  it('is refused for an order that there is not', () => {
    given(orderService)
      .whenAsked(({ store }, tx) => cancelOrder(store, tx, samples['order.placed'].orderId))
      .refuses(404, 'no-such-order');
  });
});

describe('the deadline of an order', () => {
  const expire = ({ known }: ReturnType<typeof placedOrder>) =>
    known.whenAsked(({ store }, tx) => expireOrders(store, tx));

  it('is what the alarm is set to, and nothing is once no order is pending', () => {
    const order = placedOrder();
    const { alarm } = order.known.parts;
    expect(alarm?.nextAtMs()).to.equal(order.known.clock.nowMs() + deadlineMs);
    withdraw(order);
    expect(alarm?.nextAtMs()).to.equal(undefined);
  });

  it('has not passed one millisecond before it', () => {
    const order = placedOrder();
    order.known.clock.advance(deadlineMs - 1);
    expire(order).publishesNothing();
  });

  it('withdraws the order in its very millisecond', () => {
    const order = placedOrder();
    order.known.clock.advance(deadlineMs);
    expire(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'deadline' });
    expect(order.order()).to.include({ status: 'cancelling', reason: 'deadline' });
  });

  it('does not withdraw twice', () => {
    const order = placedOrder();
    order.known.clock.advance(deadlineMs);
    expire(order).publishesA('order.withdrawn');
    expire(order).publishesNothing();
  });

  it('does nothing to an order that ended in time', () => {
    const order = placedOrder();
    order.known.consumed('inventory.reserved', order.about('inventory.reserved'));
    order.known.clock.advance(deadlineMs + 1);
    expire(order).publishesNothing();
  });

  it('withdraws 100 at a time, and the 101st with the next', () => {
    const order = placedOrder();
    order.known.has((parts, tx) => {
      for (let count = 1; count <= 100; count += 1) place(parts, tx);
    });
    order.known.clock.advance(deadlineMs);
    expire(order).publishesA('order.withdrawn', 100);
    expire(order).publishesA('order.withdrawn', 1);
  });
});
