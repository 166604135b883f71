// What inventory-service does when it consumes an event: all lines or none, never below zero.
import { expect } from 'chai';
import { putProduct, restock } from '../../inventory-service/commands.ts';
import { type Reservation, shortagesOf } from '../../inventory-service/reservation.ts';
import { type InventoryParts, inventoryService } from '../../inventory-service/service.ts';
import { quantityMax } from '../../shared/contract/event-data.ts';
import { ContradictoryEventError } from '../../shared/runtime/messaging/reaction.ts';
import { orderId, samples, userId } from '../support/events.ts';
import { given } from '../support/given.ts';

const withdrawn = samples['order.withdrawn'];

function withStock(stock: Record<string, number>) {
  return given(inventoryService).has(({ store }, tx) => {
    for (const [productId, pieces] of Object.entries(stock))
      putProduct(store, tx, productId, { name: productId, unitPrice: 100, stock: pieces });
  });
}

function paid(items: Record<string, number>) {
  return {
    orderId,
    userId,
    amount: 100,
    items: Object.entries(items).map(([productId, qty]) => ({ productId, qty })),
  };
}

function stockIs(expected: Record<string, number>) {
  return ({ store }: InventoryParts) => {
    for (const [productId, stock] of Object.entries(expected))
      expect(store.stockOf(productId), productId).to.equal(stock);
    const { stock, broughtIn, reserved, released } = store.totals();
    expect(stock, 'stock = broughtIn - reserved + released').to.equal(broughtIn - reserved + released);
  };
}

describe('inventory-service, when an order is paid,', () => {
  it('sets aside exactly the last unit', () => {
    withStock({ berlin: 3 })
      .when('payment.completed', paid({ berlin: 3 }))
      .publishes('inventory.reserved', { orderId, items: [{ productId: 'berlin', qty: 3 }] })
      .leaving(stockIs({ berlin: 0 }));
  });

  it('refuses when it is one short, names how much there is, and takes nothing', () => {
    withStock({ berlin: 3 })
      .when('payment.completed', paid({ berlin: 4 }))
      .publishes('inventory.rejected', { orderId, shortages: [{ productId: 'berlin', wanted: 4, available: 3 }] })
      .leaving(stockIs({ berlin: 3 }));
  });

  it('takes no line when one of three is one short, and names only that one', () => {
    withStock({ a: 5, b: 1, c: 5 })
      .when('payment.completed', paid({ a: 5, b: 2, c: 5 }))
      .publishes('inventory.rejected', { orderId, shortages: [{ productId: 'b', wanted: 2, available: 1 }] })
      .leaving(stockIs({ a: 5, b: 1, c: 5 }));
  });

  it('names every line that is short', () => {
    withStock({ a: 0, b: 9 })
      .when('payment.completed', paid({ a: 1, b: 10 }))
      .publishes('inventory.rejected', {
        orderId,
        shortages: [
          { productId: 'a', wanted: 1, available: 0 },
          { productId: 'b', wanted: 10, available: 9 },
        ],
      });
  });

  it('has none of a product that it does not know, and takes none of the others', () => {
    withStock({ a: 1 })
      .when('payment.completed', paid({ a: 1, nothing: 1 }))
      .publishes('inventory.rejected', { orderId, shortages: [{ productId: 'nothing', wanted: 1, available: 0 }] })
      .leaving(stockIs({ a: 1 }));
  });

  it('passes on no prices: they are not its own', () => {
    withStock({ berlin: 1 })
      .when('payment.completed', { ...paid({}), items: [{ productId: 'berlin', qty: 1, unitPrice: 100 }] })
      .publishes('inventory.reserved', { orderId, items: [{ productId: 'berlin', qty: 1 }] });
  });

  it('takes nothing when the withdrawal came first: it left a fence', () => {
    withStock({ berlin: 3 })
      .consumed('order.withdrawn', withdrawn)
      .when('payment.completed', paid({ berlin: 3 }))
      .isSilent('fenced')
      .leaving(stockIs({ berlin: 3 }));
  });

  it('throws when it was asked already under another event id, and takes once', () => {
    withStock({ berlin: 3 })
      .consumed('payment.completed', paid({ berlin: 1 }))
      .when('payment.completed', paid({ berlin: 1 }))
      .throws(/reservation is reserved already/, ContradictoryEventError)
      .leaving(stockIs({ berlin: 2 }));
  });

  it('sells the last ten units to ten orders, and not to the eleventh', () => {
    const known = withStock({ berlin: 10 });
    for (let count = 0; count < 11; count += 1)
      known
        .when('payment.completed', { ...paid({ berlin: 1 }), orderId: orderId.slice(0, -2) + (10 + count) })
        .publishesA(count < 10 ? 'inventory.reserved' : 'inventory.rejected');
    stockIs({ berlin: 0 })(known.parts);
  });
});

describe('inventory-service, when an order is withdrawn,', () => {
  it('puts every line back', () => {
    withStock({ a: 5, b: 5 })
      .consumed('payment.completed', paid({ a: 2, b: 5 }))
      .when('order.withdrawn', withdrawn)
      .publishes('inventory.released', {
        orderId,
        items: [
          { productId: 'a', qty: 2 },
          { productId: 'b', qty: 5 },
        ],
      })
      .leaving(stockIs({ a: 5, b: 5 }));
  });

  it('makes sure that nothing will ever be set aside when it has not been asked yet', () => {
    given(inventoryService).when('order.withdrawn', withdrawn).publishes('inventory.voided', { orderId });
  });

  it('publishes nothing more when it refused, put back, or voided before', () => {
    withStock({})
      .consumed('payment.completed', paid({ a: 1 }))
      .when('order.withdrawn', withdrawn)
      .isSilent('compensated');
    given(inventoryService)
      .consumed('order.withdrawn', withdrawn)
      .when('order.withdrawn', withdrawn)
      .isSilent('compensated');
    withStock({ a: 1 })
      .consumed('payment.completed', paid({ a: 1 }))
      .consumed('order.withdrawn', withdrawn)
      .when('order.withdrawn', withdrawn)
      .isSilent('compensated')
      .leaving(stockIs({ a: 1 }));
  });

  it('puts back what is no longer for sale, and what was restocked to the bound meanwhile', () => {
    const known = withStock({ berlin: 1 }).consumed('payment.completed', paid({ berlin: 1 }));
    known.has(({ store }, tx) => {
      putProduct(store, tx, 'berlin', { name: 'berlin', unitPrice: 100, stock: quantityMax, available: false });
    });
    known
      .when('order.withdrawn', withdrawn)
      .publishesA('inventory.released')
      .leaving(stockIs({ berlin: quantityMax + 1 }));
  });

  describe('and asked again, since an answer is missing,', () => {
    const again = { ...withdrawn, attempt: 2 };

    it('answers as before after a release, and puts nothing back twice', () => {
      withStock({ berlin: 3 })
        .consumed('payment.completed', paid({ berlin: 2 }))
        .consumed('order.withdrawn', withdrawn)
        .when('order.withdrawn', again)
        .publishes('inventory.released', { orderId, items: [{ productId: 'berlin', qty: 2 }] })
        .leaving(stockIs({ berlin: 3 }));
    });

    it('answers that the reservation is void after a fence, and after a refusal', () => {
      given(inventoryService)
        .consumed('order.withdrawn', withdrawn)
        .when('order.withdrawn', again)
        .publishes('inventory.voided', { orderId });
      withStock({ berlin: 1 })
        .consumed('payment.completed', paid({ berlin: 2 }))
        .when('order.withdrawn', again)
        .publishes('inventory.voided', { orderId })
        .leaving(stockIs({ berlin: 1 }));
    });
  });
});

describe('inventory-service, when an instance of order-service was adopted,', () => {
  it('ignores its withdrawals from then on', () => {
    given(inventoryService)
      .consumed('instance.adopted', samples['instance.adopted'])
      .when('order.withdrawn', samples['order.withdrawn'], { source: 'order-service.a' })
      .isSilent('overruled');
  });
});

describe('a product', () => {
  const berlin = { name: 'Berlin', unitPrice: 1500 };

  it('is announced with version 1 when it is created: nothing in stock, for sale', () => {
    given(inventoryService)
      .whenAsked(({ store }, tx) => putProduct(store, tx, 'berlin', berlin))
      .publishes('product.updated', { productId: 'berlin', ...berlin, available: true, version: 1 })
      .leaving(stockIs({ berlin: 0 }));
  });

  it('is announced again with the next version when its price changes by one', () => {
    given(inventoryService)
      .has(({ store }, tx) => void putProduct(store, tx, 'berlin', berlin))
      .whenAsked(({ store }, tx) => putProduct(store, tx, 'berlin', { ...berlin, unitPrice: 1501 }))
      .publishes('product.updated', {
        productId: 'berlin',
        name: 'Berlin',
        unitPrice: 1501,
        available: true,
        version: 2,
      });
  });

  it('is not announced when only its stock changes', () => {
    given(inventoryService)
      .has(({ store }, tx) => void putProduct(store, tx, 'berlin', berlin))
      .whenAsked(({ store }, tx) => putProduct(store, tx, 'berlin', { ...berlin, stock: 7 }))
      .publishesNothing()
      .leaving(stockIs({ berlin: 7 }));
  });

  it('is announced as not for sale, and stays so when it is changed without a word about that', () => {
    const known = given(inventoryService).has(({ store }, tx) => void putProduct(store, tx, 'berlin', berlin));
    known
      .whenAsked(({ store }, tx) => putProduct(store, tx, 'berlin', { ...berlin, available: false }))
      .publishes('product.updated', { productId: 'berlin', ...berlin, available: false, version: 2 });
    known
      .whenAsked(({ store }, tx) => putProduct(store, tx, 'berlin', { ...berlin, name: 'West Berlin' }))
      .publishes('product.updated', {
        productId: 'berlin',
        ...berlin,
        name: 'West Berlin',
        available: false,
        version: 3,
      });
  });

  it('has the stock that was set last, more or less or the same', () => {
    const known = withStock({ berlin: 5 });
    const set = (stock: number) =>
      known.whenAsked(({ store }, tx) => putProduct(store, tx, 'berlin', { name: 'berlin', unitPrice: 100, stock }));
    set(7).leaving(stockIs({ berlin: 7 }));
    set(2).leaving(stockIs({ berlin: 2 }));
    set(2).leaving(stockIs({ berlin: 2 }));
  });

  it('is listed from the lowest id on, and after the one that is named', () => {
    const { store } = withStock({ berlin: 1, '0': 1, A: 1 }).parts;
    expect(store.products(10).map(({ productId }) => productId)).to.deep.equal(['0', 'A', 'berlin']);
    expect(store.products(1, '0').map(({ productId }) => productId)).to.deep.equal(['A']);
  });

  it('must exist for anything to be moved', () => {
    given(inventoryService)
      .whenAsked(({ store }, tx) => store.move('berlin', 'restock', 1, null, tx.nowMs))
      .throws(/no product/);
  });

  it('can be restocked up to the bound and not one further', () => {
    const known = withStock({ berlin: quantityMax - 1 });
    known
      .whenAsked(({ store }, tx) => restock(store, tx, 'berlin', 1))
      .publishesNothing()
      .leaving(stockIs({ berlin: quantityMax }));
    known
      .whenAsked(({ store }, tx) => restock(store, tx, 'berlin', 1))
      .refuses(422, 'stock-too-high', { productId: 'berlin', stock: quantityMax });
    known
      .whenAsked(({ store }, tx) => restock(store, tx, 'lisbon', 1))
      .refuses(404, 'no-such-product', { productId: 'lisbon' });
  });

  it('cannot go below zero, or be set aside twice for an order, whatever the code above asks', () => {
    const known = withStock({ berlin: 2 });
    const reserve = (qty: number) =>
      known.whenAsked(({ store }, tx) => store.move('berlin', 'reserve', -qty, orderId, tx.nowMs));
    reserve(3).throws(/CHECK constraint/);
    reserve(1).publishesNothing();
    reserve(1)
      .throws(/UNIQUE constraint/)
      .leaving(stockIs({ berlin: 1 }));
  });
});

describe('a reservation', () => {
  const items = [{ productId: 'berlin', qty: 3 }];
  const reservations: readonly Reservation[] = [
    { status: 'reserved', orderId, items },
    { status: 'released', orderId, items },
    { status: 'rejected', orderId, items, shortages: [{ productId: 'berlin', wanted: 3, available: 1 }] },
    { status: 'voided', orderId },
  ];
  for (const reservation of reservations)
    it(`is read as it was recorded, ${reservation.status}`, () => {
      const known = given(inventoryService).has(({ store }, tx) => store.putReservation(reservation, tx.nowMs));
      const { store } = known.parts;
      expect(store.reservation(orderId)).to.deep.equal(reservation);
      expect(store.reservations(10)).to.deep.equal([{ reservation, updatedAtMs: known.clock.nowMs() }]);
      expect(store.reservations(10, orderId), 'after it').to.deep.equal([]);
      expect(store.reservationUpdatedAtMs(orderId)).to.equal(known.clock.nowMs());
    });

  it('that was never recorded has no time', () => {
    expect(given(inventoryService).parts.store.reservationUpdatedAtMs(orderId)).to.equal(undefined);
  });
});

describe('the shortages of an order', () => {
  it('are none when every line can be met exactly', () => {
    expect(shortagesOf([{ productId: 'a', qty: 1 }], () => 1)).to.deep.equal([]);
  });

  it('count a product that is unknown as none in stock', () => {
    expect(shortagesOf([{ productId: 'a', qty: 1 }], () => undefined)).to.deep.equal([
      { productId: 'a', wanted: 1, available: 0 },
    ]);
  });
});
