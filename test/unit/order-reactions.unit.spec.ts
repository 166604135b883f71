// What order-service does when it consumes an event, when somebody asks it for something, and when a time has come.
import { expect } from 'chai';
import fc from 'fast-check';
import { cancelOrder, keepProduct, meetDeadline, placeOrder } from '../../order-service/commands.ts';
import { peerReactions } from '../../order-service/peer-reactions.ts';
import { type OrderParts, orderService } from '../../order-service/service.ts';
import type { DataOf, EventType } from '../../shared/contract/choreography.ts';
import { moneyMax } from '../../shared/contract/event-data.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import type { KnownPublishers } from '../../shared/runtime/node/service.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import type { Transaction } from '../../shared/saga.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { given } from '../support/given.ts';
import { type Consumed, endings } from '../support/sagas.ts';

const deadlineMs = 30_000;
const berlin = samples['product.updated'];
type Tx = Transaction<'order-service'>;

function place(parts: OrderParts, tx: Tx, qty = 2): void {
  placeOrder(parts.store, tx, { userId, items: [{ productId: berlin.productId, qty }], deadlineMs });
}

/** What is known of the other services; without more, that everything of them was handled. */
function publishers({ away, caughtUp = true }: { away?: string; caughtUp?: boolean } = {}): KnownPublishers {
  return { isUnreachable: (service) => service === away, caughtUp: () => caughtUp };
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

describe('order-service consumes', () => {
  it('a payment, notes it, and the order stays pending', () => {
    const { known, about, order } = placedOrder();
    known.when('payment.completed', about('payment.completed')).isSilent('noted');
    expect(order()?.status).to.equal('pending');
  });

  it('the news that stock is reserved, and confirms', () => {
    const { known, orderId, about } = placedOrder();
    known
      .consumed('payment.completed', about('payment.completed'))
      .when('inventory.reserved', about('inventory.reserved'))
      .publishes('order.confirmed', { orderId, userId, total: 3000 });
  });

  it('the news that stock is reserved before that of the payment, and confirms all the same', () => {
    const { known, about, order } = placedOrder();
    known.when('inventory.reserved', about('inventory.reserved')).publishesA('order.confirmed');
    known.when('payment.completed', about('payment.completed')).isSilent('noted');
    expect(order()?.status).to.equal('confirmed');
  });

  it('the news that a payment failed, and cancels with the reason of the refusal', () => {
    const { known, orderId, about } = placedOrder();
    known
      .when('payment.failed', about('payment.failed'))
      .publishes('order.cancelled', { orderId, userId, reason: 'insufficient_funds' });
  });

  it('the news that stock is refused, waits for the money, and cancels once that is back', () => {
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

  it('an event about an order that is unknown here, and throws: it is retried, since the order may be restored', () => {
    given(orderService)
      .when('inventory.reserved', samples['inventory.reserved'])
      .throws(/is not known here/, UnknownSubjectError);
  });

  it('a second success of a confirmed order under another id, and throws', () => {
    const { known, about } = placedOrder();
    known
      .consumed('inventory.reserved', about('inventory.reserved'))
      .when('inventory.reserved', about('inventory.reserved'))
      .throws(/is confirmed/, ContradictoryEventError);
  });

  it('a payment of another amount or of another user than the order is of, and throws', () => {
    for (const other of [{ amount: 2999 }, { userId: 'bob' }]) {
      const { known, about } = placedOrder();
      known
        .when('payment.completed', { ...about('payment.completed'), ...other })
        .throws(/names .+; order .+ is of ann over 3000/, ContradictoryEventError);
    }
  });

  for (const [refusal, step] of [
    ['payment.failed', 'payment.completed'],
    ['payment.failed', 'inventory.reserved'],
    ['inventory.rejected', 'inventory.reserved'],
  ] as const) {
    it(`${step} of an order after ${refusal}, and throws: a service that was put back has decided otherwise`, () => {
      const { known, about, orderId } = placedOrder();
      known
        .consumed(refusal, about(refusal))
        .when(step, about(step))
        .throws(
          new RegExp(`^${step} is about order ${orderId}, of which ${refusal} is known$`),
          ContradictoryEventError,
        );
    });

    it(`${step} of a withdrawn order after ${refusal}: the withdrawal undoes it`, () => {
      const order = placedOrder();
      withdraw(order)
        .consumed(refusal, order.about(refusal))
        .when(step, order.about(step))
        .isSilent(step === 'payment.completed' ? 'noted' : 'withdrawn');
    });
  }

  it('a refund of a confirmed order, and throws: the order stays confirmed', () => {
    const { known, about, order } = placedOrder();
    known
      .consumed('inventory.reserved', about('inventory.reserved'))
      .when('payment.refunded', { ...about('payment.refunded'), because: 'order.withdrawn' })
      .throws(/which is confirmed/, ContradictoryEventError);
    expect(order()?.status).to.equal('confirmed');
  });

  it('everything in any order, and publishes the end exactly once, the same one each time', () => {
    const runs = fc.constantFrom(...endings).chain((ending) =>
      fc.record({
        ending: fc.constant(ending),
        arrivals: fc.shuffledSubarray([...ending.consumed], { minLength: ending.consumed.length }),
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
          known.consumed(type satisfies Consumed, about(type));
          const after = order.order()?.status;
          if (after !== before && (after === 'confirmed' || after === 'cancelled')) ends.push(after);
        }
        expect(ends).to.deep.equal([ending.end]);
        const own = known.parts.store
          .facts(orderId)
          .filter(({ type }) => type === 'order.confirmed' || type === 'order.cancelled');
        expect(own.map(({ type }) => type)).to.deep.equal([`order.${ending.end}`]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('an order that this database has lost', () => {
  const { orderId } = samples['order.placed'];
  const items = [{ productId: berlin.productId, qty: 2, unitPrice: 1500 }];
  const paid = { ...samples['payment.completed'], items };
  /** The first 48 bits of the order's id. */
  const placedAtMs = 0x0190_0000_0000;

  it('is rebuilt from its payment, with its lines, its total and the time of its id', () => {
    given(orderService)
      .when('payment.completed', paid)
      .isSilent('recovered')
      .leaving(({ store }) => {
        expect(store.order(orderId)).to.deep.equal({
          orderId,
          userId,
          status: 'pending',
          reason: undefined,
          items,
          total: 3000,
          placedAtMs,
          deadlineAtMs: placedAtMs,
        });
        expect(store.facts(orderId).map(({ type, source }) => [type, source])).to.deep.equal([
          ['order.placed', 'order-service'],
          ['payment.completed', 'payment-service'],
        ]);
        expect(store.ordersOf(userId, 1)?.[0]?.orderId).to.equal(orderId);
      });
  });

  /** As the deadline timer does: only if it is due. */
  const meetIfDue = ({ store }: OrderParts, tx: Tx, known: KnownPublishers) => {
    for (const due of store.due(tx.steadyMs, 10)) meetDeadline(store, tx, due, known);
  };

  it('is confirmed once all is known of it, by the same event as before it was lost', () => {
    const known = given(orderService).consumed('payment.completed', paid);
    known.when('inventory.reserved', samples['inventory.reserved']).isSilent('noted');
    known
      .whenAsked((parts, tx) => meetIfDue(parts, tx, publishers()))
      .publishes('order.confirmed', { orderId, userId, total: 3000 })
      .leaving(({ store }) => {
        const reserved = store.fact(orderId, 'inventory.reserved')?.eventId ?? '';
        const confirmed = store.fact(orderId, 'order.confirmed')?.eventId;
        expect(confirmed).to.equal(causedEventId(reserved, 'order-service', 'order.confirmed'));
        expect(store.order(orderId)?.status).to.equal('confirmed');
      });
  });

  it('ends in nothing before all is known of it, and is looked at every two seconds', () => {
    const known = given(orderService)
      .consumed('payment.completed', paid)
      .consumed('inventory.reserved', samples['inventory.reserved']);
    for (let look = 0; look < 3; look += 1) {
      known.whenAsked((parts, tx) => meetIfDue(parts, tx, publishers({ caughtUp: false }))).publishesNothing();
      known.clock.advance(1_999);
      expect(known.parts.deadlines?.due(known.clock.nowMs(), 10)).to.deep.equal([]);
      known.clock.advance(1);
      expect(known.parts.deadlines?.due(known.clock.nowMs(), 10)).to.deep.equal([orderId]);
    }
    expect(known.parts.store.order(orderId)?.status).to.equal('pending');
  });

  it('asks again for what is missing when it is being cancelled, also before all is known of it', () => {
    given(orderService)
      .consumed('payment.completed', paid)
      .consumed('inventory.rejected', samples['inventory.rejected'])
      .whenAsked((parts, tx) => meetIfDue(parts, tx, publishers({ caughtUp: false })))
      .publishesA('order.withdrawn');
  });

  for (const first of ['payment.refunded', 'inventory.released'] as const) {
    const second = first === 'payment.refunded' ? 'inventory.released' : 'payment.refunded';
    it(`is cancelled when what had been reserved for it was given back, ${first} first`, () => {
      const known = given(orderService)
        .consumed('payment.completed', paid)
        .consumed('inventory.reserved', samples['inventory.reserved'])
        .consumed(first, samples[first]);
      known.when(second, samples[second]).publishesA('order.cancelled');
      known.whenAsked((parts, tx) => meetIfDue(parts, tx, publishers())).publishesNothing();
    });
  }

  it('is not confirmed by a payment that comes again', () => {
    const known = given(orderService)
      .consumed('payment.completed', paid)
      .consumed('inventory.reserved', samples['inventory.reserved']);
    known.when('payment.completed', paid).isSilent('noted');
    expect(known.parts.store.order(orderId)?.status).to.equal('pending');
  });

  it('is withdrawn by its deadline, which is the time of placing, when there is nothing more to know', () => {
    given(orderService)
      .consumed('payment.completed', paid)
      .whenAsked((parts, tx) => meetIfDue(parts, tx, publishers()))
      .publishes('order.withdrawn', { orderId, userId, reason: 'deadline' });
  });

  it('is rebuilt from a failed payment, and cancelled with its reason', () => {
    given(orderService)
      .when('payment.failed', { ...samples['payment.failed'], items })
      .publishes('order.cancelled', { orderId, userId, reason: 'insufficient_funds' });
  });

  it('cannot be rebuilt when one line has no price, as from an earlier version: the event is retried', () => {
    const unpriced = [...items, { productId: 'CATALOG-002', qty: 1 }];
    given(orderService)
      .when('payment.completed', { ...paid, items: unpriced })
      .throws(/does not say enough/, UnknownSubjectError)
      .leaving(({ store }) => expect(store.order(orderId)).to.equal(undefined));
    given(orderService)
      .when('payment.failed', samples['payment.failed'])
      .throws(/does not say enough/, UnknownSubjectError);
  });
});

describe('the catalogue of order-service', () => {
  const at = (version: number, unitPrice: number) => ({ ...berlin, version, unitPrice });

  it('keeps what inventory-service has answered about a product, unless it knows a newer version', () => {
    const { store } = given(orderService).parts;
    const price = () => store.catalogue.entry(berlin.productId)?.unitPrice;
    keepProduct(store, { ...berlin, version: 2, unitPrice: 2000 });
    expect(price()).to.equal(2000);
    keepProduct(store, { ...berlin, version: 1, unitPrice: 1000 });
    expect(price()).to.equal(2000);
  });

  it('keeps the highest version, whichever comes first', () => {
    const known = given(orderService);
    known.when('product.updated', at(2, 2000)).isSilent('noted');
    known
      .when('product.updated', at(1, 1000))
      .isSilent('outdated')
      .leaving(({ store }) => expect(store.catalogue.entry(berlin.productId)?.unitPrice).to.equal(2000));
    known
      .when('product.updated', at(3, 3000))
      .isSilent('noted')
      .leaving(({ store }) => expect(store.catalogue.entry(berlin.productId)?.unitPrice).to.equal(3000));
  });

  it('does not take the same version twice', () => {
    given(orderService)
      .consumed('product.updated', at(1, 1000))
      .when('product.updated', at(1, 9999))
      .isSilent('outdated')
      .leaving(({ store }) => expect(store.catalogue.entry(berlin.productId)?.unitPrice).to.equal(1000));
  });

  it('ends at the same entry for every order of arrival', () => {
    const updates = [1, 2, 3, 4, 5].map((version) => at(version, version * 100));
    fc.assert(
      fc.property(fc.shuffledSubarray(updates, { minLength: 5 }), (arrivals) => {
        const known = given(orderService);
        for (const update of arrivals) known.consumed('product.updated', update);
        expect(known.parts.store.catalogue.entry(berlin.productId)).to.include(updates[4]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('placing an order', () => {
  const items = [{ productId: berlin.productId, qty: 2 }];
  const withBerlin = () => given(orderService).consumed('product.updated', berlin);

  it('publishes order.placed with the price of the catalogue, the total and the deadline', () => {
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

  it('names both prices when the price is one more than the customer saw', () => {
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

  it('refuses a product that is unknown, even beside one that is known, and stores nothing', () => {
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

  it('publishes nothing more when it was withdrawn less than a second ago', () => {
    const order = placedOrder();
    withdraw(order);
    order.known.clock.advance(999);
    cancel(order).publishesNothing();
  });

  it('asks again when it was withdrawn a second ago and is still being cancelled', () => {
    const order = placedOrder();
    withdraw(order);
    order.known.clock.advance(1_000);
    cancel(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'customer', attempt: 2 });
    order.known.clock.advance(999);
    cancel(order).publishesNothing();
    order.known.clock.advance(1);
    cancel(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'customer', attempt: 3 });
  });

  it('publishes order.withdrawn with attempt 2 when the stock was refused and the refund is on its way', () => {
    const order = placedOrder();
    order.known.consumed('inventory.rejected', order.about('inventory.rejected'));
    cancel(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'deadline', attempt: 2 });
    expect(order.order()).to.include({ status: 'cancelling', reason: 'out_of_stock' });
  });

  it('publishes nothing when it is cancelled', () => {
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
      .refuses(404, 'no-such-order', { orderId: samples['order.placed'].orderId });
  });
});

describe('the deadline of an order', () => {
  type Placed = ReturnType<typeof placedOrder>;
  const dueNow = ({ known }: Placed) => known.parts.deadlines?.due(known.clock.nowMs(), 1_000);
  const meet = ({ known, orderId }: Placed) =>
    known.whenAsked(({ store }, tx) => meetDeadline(store, tx, orderId, publishers()));

  it('has not passed one millisecond before it', () => {
    const order = placedOrder();
    order.known.clock.advance(deadlineMs - 1);
    expect(dueNow(order)).to.deep.equal([]);
  });

  it('withdraws the order in its very millisecond', () => {
    const order = placedOrder();
    expect(order.known.parts.deadlines?.nextAtMs()).to.equal(order.known.clock.nowMs() + deadlineMs);
    order.known.clock.advance(deadlineMs);
    expect(dueNow(order)).to.deep.equal([order.orderId]);
    meet(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'deadline' });
    expect(order.order()).to.include({ status: 'cancelling', reason: 'deadline' });
  });

  it('withdraws the order also while journals are still compared: only a rebuilt order waits for that', () => {
    const { known, orderId } = placedOrder();
    known.clock.advance(deadlineMs);
    known
      .whenAsked(({ store }, tx) => meetDeadline(store, tx, orderId, publishers({ caughtUp: false })))
      .publishesA('order.withdrawn');
  });

  it('withdraws the order in time when the wall clock is set back by an hour meanwhile', () => {
    const order = placedOrder();
    order.known.clock.jump(-3_600_000);
    order.known.clock.advance(deadlineMs);
    meet(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'deadline' });
  });

  it('does nothing to an order that ended in time, and nothing is due for it', () => {
    const order = placedOrder();
    order.known.consumed('inventory.reserved', order.about('inventory.reserved'));
    order.known.clock.advance(deadlineMs + 1);
    expect(dueNow(order)).to.deep.equal([]);
    meet(order).publishesNothing();
  });

  it('does nothing when its customer has cancelled since it was found to be due', () => {
    const order = placedOrder();
    order.known.clock.advance(deadlineMs);
    expect(dueNow(order)).to.deep.equal([order.orderId]);
    withdraw(order);
    meet(order).publishesNothing();
    expect(order.order()).to.include({ status: 'cancelling', reason: 'customer' });
  });

  it('is due for the most urgent order first, and for no more orders than were asked for', () => {
    const order = placedOrder();
    order.known.clock.advance(1);
    order.known.has((parts, tx) => {
      for (let count = 1; count <= 100; count += 1) place(parts, tx);
    });
    order.known.clock.advance(deadlineMs);
    const { deadlines, store } = order.known.parts;
    const due = deadlines?.due(order.known.clock.nowMs(), 100);
    expect(due).to.have.lengthOf(100);
    expect(due?.[0]).to.equal(order.orderId);
    expect(store.ordersOf(userId, 1_000)).to.have.lengthOf(101);
  });
});

describe('an order whose cancellation does not end', () => {
  type Placed = ReturnType<typeof placedOrder>;
  const dueNow = ({ known }: Placed) => known.parts.deadlines?.due(known.clock.nowMs(), 1_000);
  const meet = ({ known, orderId }: Placed) =>
    known.whenAsked(({ store }, tx) => meetDeadline(store, tx, orderId, publishers()));

  it('asks again after 10 seconds and not one millisecond earlier, then after 20, 40, and never later than an hour', () => {
    const order = placedOrder();
    withdraw(order);
    let attempt = 1;
    const delaysS = [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600];
    for (const delayMs of delaysS.map((seconds) => seconds * 1_000)) {
      order.known.clock.advance(delayMs - 1);
      expect(dueNow(order), `one millisecond before ${delayMs}`).to.deep.equal([]);
      order.known.clock.advance(1);
      expect(dueNow(order), `after ${delayMs}`).to.deep.equal([order.orderId]);
      attempt += 1;
      meet(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'customer', attempt });
    }
  });

  it('is not asked about while all of whom it waits for are unreachable, and is 20 seconds later', () => {
    const order = placedOrder();
    withdraw(order);
    order.known.consumed('inventory.voided', order.about('inventory.voided'));
    order.known.clock.advance(10_000);
    const away = publishers({ away: 'payment-service' });
    order.known.whenAsked(({ store }, tx) => meetDeadline(store, tx, order.orderId, away)).publishesNothing();
    order.known.clock.advance(19_999);
    expect(dueNow(order)).to.deep.equal([]);
    order.known.clock.advance(1);
    expect(dueNow(order)).to.deep.equal([order.orderId]);
    order.known
      .whenAsked(({ store }, tx) => meetDeadline(store, tx, order.orderId, publishers({ away: 'inventory-service' })))
      .publishesA('order.withdrawn');
  });

  it('asks no more once every answer is there', () => {
    const order = placedOrder();
    withdraw(order);
    order.known
      .consumed('payment.voided', order.about('payment.voided'))
      .consumed('inventory.voided', order.about('inventory.voided'));
    order.known.clock.advance(10_000);
    expect(order.order()?.status).to.equal('cancelled');
    expect(dueNow(order)).to.deep.equal([]);
    expect(order.known.parts.deadlines?.nextAtMs()).to.equal(undefined);
  });

  it('asks at its deadline for a refund that was lost, and its reason stays that of the refused stock', () => {
    const order = placedOrder();
    order.known.consumed('inventory.rejected', order.about('inventory.rejected'));
    order.known.clock.advance(deadlineMs);
    expect(dueNow(order)).to.deep.equal([order.orderId]);
    meet(order).publishes('order.withdrawn', { orderId: order.orderId, userId, reason: 'deadline', attempt: 2 });
    order.known
      .when('payment.refunded', { ...order.about('payment.refunded'), because: 'order.withdrawn' })
      .publishes('order.cancelled', { orderId: order.orderId, userId, reason: 'out_of_stock' });
  });

  it('asks for the first time also when whom it waits for is unreachable', () => {
    const { known, orderId, about } = placedOrder();
    known.consumed('inventory.rejected', about('inventory.rejected'));
    known.clock.advance(deadlineMs);
    known
      .whenAsked(({ store }, tx) => meetDeadline(store, tx, orderId, publishers({ away: 'payment-service' })))
      .publishesA('order.withdrawn');
  });

  it('ignores a refusal by payment-service that arrives after its answer to the second withdrawal', () => {
    const order = placedOrder();
    withdraw(order);
    order.known.consumed('inventory.voided', order.about('inventory.voided'));
    order.known.when('payment.voided', order.about('payment.voided')).publishesA('order.cancelled');
    order.known.when('payment.failed', order.about('payment.failed')).isSilent('ended');
    expect(order.order()?.reason).to.equal('customer');
  });

  it('ignores an answer that comes twice', () => {
    const order = placedOrder();
    withdraw(order);
    order.known.consumed('payment.voided', order.about('payment.voided'));
    order.known.when('payment.voided', order.about('payment.voided')).isSilent('waits');
    order.known.when('inventory.voided', order.about('inventory.voided')).publishesA('order.cancelled');
    order.known.when('inventory.voided', order.about('inventory.voided')).isSilent('ended');
  });

  it('ignores a refusal of stock that comes after the answer that was given in its place', () => {
    const order = placedOrder();
    withdraw(order);
    order.known.consumed('payment.refunded', order.about('payment.refunded'));
    order.known.when('inventory.voided', order.about('inventory.voided')).publishesA('order.cancelled');
    order.known.when('inventory.rejected', order.about('inventory.rejected')).isSilent('ended');
  });
});

describe('an instance of order-service that has lost its database', () => {
  it('gets its own decision back before the reservation that had led to it, and notes that', () => {
    const db = openDatabase(':memory:', orderService.migrations);
    const { store, reactions } = orderService.build(db, 'order-service.a');
    const peers = peerReactions(store);
    store.instances.ready = true;
    const at = { nowMs: 0, now: isoTime(0) };
    const source = 'order-service.a';
    peers['order.placed'](eventOf('order.placed', samples['order.placed'], { source }), at);
    peers['order.confirmed'](eventOf('order.confirmed', samples['order.confirmed'], { source }), at);
    const reserved = eventOf('inventory.reserved', samples['inventory.reserved']);
    expect(reactions['inventory.reserved'](reserved, at)).to.equal('noted');
    const another = { ...reserved, id: eventOf('inventory.reserved', samples['inventory.reserved']).id };
    expect(() => reactions['inventory.reserved']({ ...another, time: isoTime(Date.UTC(2031, 0, 1)) }, at)).to.throw(
      ContradictoryEventError,
    );
  });
});
