// What payment-service does when it consumes an event: at most one charge and one refund per order, whatever comes first.
import { expect } from 'chai';
import { deposit, putAccount } from '../../payment-service/commands.ts';
import { type Payment, refusalOf } from '../../payment-service/payment.ts';
import { type PaymentParts, paymentService } from '../../payment-service/service.ts';
import { moneyMax } from '../../shared/contract/event-data.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import { orderId, samples, userId } from '../support/events.ts';
import { given } from '../support/given.ts';

const placed = samples['order.placed'];
const amount = placed.total;
const taken = { orderId, userId, amount };

function withAccount(account: { balance: number; blocked?: boolean }) {
  return given(paymentService).has(({ store }, tx) => void putAccount(store, tx, userId, account));
}

function balanceIs(balance: number) {
  return ({ store }: PaymentParts) => {
    expect(store.account(userId)?.balance).to.equal(balance);
    const { balances, paidIn, charged, refunded } = store.totals();
    expect(balances, 'balances = paidIn - charged + refunded').to.equal(paidIn - charged + refunded);
  };
}

function entries({ store }: PaymentParts) {
  return store.entries(userId, 10)?.map(({ kind }) => kind);
}

describe('payment-service, when an order is placed,', () => {
  it('takes the money when the balance is exactly enough', () => {
    withAccount({ balance: amount })
      .when('order.placed', placed)
      .publishes('payment.completed', { ...taken, items: placed.items })
      .leaving(balanceIs(0));
  });

  it('declines when the balance is one short, and takes nothing', () => {
    withAccount({ balance: amount - 1 })
      .when('order.placed', placed)
      .publishes('payment.failed', { ...taken, items: placed.items, reason: 'insufficient_funds' })
      .leaving(balanceIs(amount - 1));
  });

  it('declines without an account', () => {
    given(paymentService)
      .when('order.placed', placed)
      .publishes('payment.failed', { ...taken, items: placed.items, reason: 'no_such_account' });
  });

  it('declines when the account is blocked, however much is in it', () => {
    withAccount({ balance: moneyMax, blocked: true })
      .when('order.placed', placed)
      .publishes('payment.failed', { ...taken, items: placed.items, reason: 'account_blocked' })
      .leaving(balanceIs(moneyMax));
  });

  it('takes nothing for an order that costs nothing, and publishes that it is paid', () => {
    withAccount({ balance: 0 })
      .when('order.placed', { ...placed, total: 0 })
      .publishesA('payment.completed')
      .leaving(balanceIs(0));
  });

  it('takes nothing when the withdrawal came first: it left a fence', () => {
    withAccount({ balance: amount })
      .consumed('order.withdrawn', samples['order.withdrawn'])
      .when('order.placed', placed)
      .isSilent('fenced')
      .leaving(balanceIs(amount));
  });

  it('throws when the order was paid already under another event id, and charges once', () => {
    withAccount({ balance: 2 * amount })
      .consumed('order.placed', placed)
      .when('order.placed', placed)
      .throws(/payment is completed already/, ContradictoryEventError)
      .leaving(balanceIs(amount));
  });

  it('throws when the order was refused already, even if the money is there by now', () => {
    const known = withAccount({ balance: 0 }).consumed('order.placed', placed);
    known.has(({ store }, tx) => void deposit(store, tx, userId, amount));
    known
      .when('order.placed', placed)
      .throws(/payment is failed already/, ContradictoryEventError)
      .leaving(balanceIs(amount));
  });

  it('charges two orders on the same account until nothing is left, and declines the third', () => {
    const other = (tail: string) => ({ ...placed, orderId: orderId.slice(0, -1) + tail });
    const known = withAccount({ balance: 2 * amount });
    known.when('order.placed', other('1')).publishesA('payment.completed');
    known.when('order.placed', other('2')).publishesA('payment.completed');
    known.when('order.placed', other('3')).publishesA('payment.failed').leaving(balanceIs(0));
  });
});

describe('payment-service, when stock was refused,', () => {
  const refused = samples['inventory.rejected'];

  it('gives the money back', () => {
    withAccount({ balance: amount })
      .consumed('order.placed', placed)
      .when('inventory.rejected', refused)
      .publishes('payment.refunded', { ...taken, because: 'inventory.rejected' })
      .leaving(balanceIs(amount));
  });

  it('gives nothing back when a withdrawal has done so', () => {
    withAccount({ balance: amount })
      .consumed('order.placed', placed)
      .consumed('order.withdrawn', samples['order.withdrawn'])
      .when('inventory.rejected', refused)
      .isSilent('compensated')
      .leaving((parts) => expect(entries(parts)).to.deep.equal(['refund', 'charge', 'adjustment']));
  });

  it('is retried for an order that is not known here: its order.placed, which was forgotten with a part of the database, is fetched', () => {
    given(paymentService)
      .when('inventory.rejected', refused)
      .throws(/payment is not known here/, UnknownSubjectError);
  });

  it('throws for an order whose payment failed', () => {
    given(paymentService)
      .consumed('order.placed', placed)
      .when('inventory.rejected', refused)
      .throws(/payment is failed/, ContradictoryEventError);
  });
});

describe('payment-service, when an order is withdrawn,', () => {
  const withdrawn = samples['order.withdrawn'];

  it('gives back what it took', () => {
    withAccount({ balance: amount })
      .consumed('order.placed', placed)
      .when('order.withdrawn', withdrawn)
      .publishes('payment.refunded', { ...taken, because: 'order.withdrawn' })
      .leaving(balanceIs(amount));
  });

  it('gives back to an account that was blocked meanwhile', () => {
    const known = withAccount({ balance: amount }).consumed('order.placed', placed);
    known.has(({ store }, tx) => void putAccount(store, tx, userId, { blocked: true }));
    known.when('order.withdrawn', withdrawn).publishesA('payment.refunded').leaving(balanceIs(amount));
    expect(known.parts.store.account(userId)?.blocked).to.equal(true);
  });

  it('gives back to an account that has reached the highest balance meanwhile', () => {
    const known = withAccount({ balance: amount }).consumed('order.placed', placed);
    known.has(({ store }, tx) => void putAccount(store, tx, userId, { balance: moneyMax }));
    known
      .when('order.withdrawn', withdrawn)
      .publishesA('payment.refunded')
      .leaving(balanceIs(moneyMax + amount));
  });

  it('makes sure that nothing will ever be taken when the order is unknown here', () => {
    given(paymentService).when('order.withdrawn', withdrawn).publishes('payment.voided', { orderId });
  });

  it('publishes nothing more when nothing was taken, or everything was given back', () => {
    given(paymentService).consumed('order.placed', placed).when('order.withdrawn', withdrawn).isSilent('compensated');
    given(paymentService)
      .consumed('order.withdrawn', withdrawn)
      .when('order.withdrawn', withdrawn)
      .isSilent('compensated');
    withAccount({ balance: amount })
      .consumed('order.placed', placed)
      .consumed('inventory.rejected', samples['inventory.rejected'])
      .when('order.withdrawn', withdrawn)
      .isSilent('compensated')
      .leaving((parts) => expect(entries(parts)).to.deep.equal(['refund', 'charge', 'adjustment']));
  });

  describe('and asked again, since an answer is missing,', () => {
    const again = { ...withdrawn, attempt: 2 };

    it('answers as before after a refund, and gives nothing back twice', () => {
      withAccount({ balance: amount })
        .consumed('order.placed', placed)
        .consumed('order.withdrawn', withdrawn)
        .when('order.withdrawn', again)
        .publishes('payment.refunded', { ...taken, because: 'order.withdrawn' })
        .leaving(balanceIs(amount));
    });

    it('answers that the payment is void after a fence, and after a refusal', () => {
      given(paymentService)
        .consumed('order.withdrawn', withdrawn)
        .when('order.withdrawn', again)
        .publishes('payment.voided', { orderId });
      withAccount({ balance: 0 })
        .consumed('order.placed', placed)
        .when('order.withdrawn', again)
        .publishes('payment.voided', { orderId })
        .leaving(balanceIs(0));
    });

    it('gives back what it took when the first question was lost', () => {
      withAccount({ balance: amount })
        .consumed('order.placed', placed)
        .when('order.withdrawn', again)
        .publishes('payment.refunded', { ...taken, because: 'order.withdrawn' })
        .leaving(balanceIs(amount));
    });
  });
});

describe('payment-service, among several order-service instances,', () => {
  const second = '01900000-0000-7000-8000-00000000b0b0';
  const idempotency = { key: 'a'.repeat(64), request: 'b'.repeat(64) };

  it('charges one order for a key, and refuses the other, which names the first', () => {
    withAccount({ balance: 2 * amount })
      .consumed('order.placed', { ...placed, idempotency })
      .when('order.placed', { ...placed, orderId: second, idempotency }, { source: 'order-service.b' })
      .publishes('payment.failed', {
        ...taken,
        orderId: second,
        items: placed.items,
        reason: 'duplicate_request',
        duplicateOf: orderId,
      })
      .leaving(balanceIs(amount));
  });

  it('keeps a key with its order also when that was withdrawn before it was charged', () => {
    withAccount({ balance: amount })
      .consumed('order.withdrawn', samples['order.withdrawn'])
      .consumed('order.placed', { ...placed, idempotency })
      .when('order.placed', { ...placed, orderId: second, idempotency })
      .publishes('payment.failed', {
        ...taken,
        orderId: second,
        items: placed.items,
        reason: 'duplicate_request',
        duplicateOf: orderId,
      })
      .leaving(balanceIs(amount));
  });

  it('charges two orders with different keys, and with none', () => {
    const other = { ...idempotency, key: 'c'.repeat(64) };
    withAccount({ balance: 2 * amount })
      .consumed('order.placed', { ...placed, idempotency })
      .when('order.placed', { ...placed, orderId: second, idempotency: other })
      .publishes('payment.completed', { ...taken, orderId: second, items: placed.items })
      .leaving(balanceIs(0));
  });

  it('remembers a key for a day: a millisecond earlier it refuses another order with it, and then charges that', () => {
    const dayMs = 86_400_000;
    const third = '01900000-0000-7000-8000-00000000c0c0';
    const known = withAccount({ balance: 3 * amount }).consumed('order.placed', { ...placed, idempotency });
    known.clock.advance(dayMs - 1);
    known.when('order.placed', { ...placed, orderId: second, idempotency }).publishesA('payment.failed');
    known.clock.advance(1);
    known
      .when('order.placed', { ...placed, orderId: third, idempotency })
      .publishes('payment.completed', { ...taken, orderId: third, items: placed.items })
      .leaving(balanceIs(amount));
  });

  it('forgets no key for another that comes later', () => {
    const other = { ...idempotency, key: 'c'.repeat(64) };
    withAccount({ balance: 3 * amount })
      .consumed('order.placed', { ...placed, idempotency })
      .consumed('order.placed', { ...placed, orderId: second, idempotency: other })
      .when('order.placed', { ...placed, orderId: '01900000-0000-7000-8000-00000000c0c0', idempotency })
      .publishesA('payment.failed')
      .leaving(balanceIs(amount));
  });

  it('ignores a withdrawal of an instance that was adopted, and follows its adopter', () => {
    const known = withAccount({ balance: amount })
      .consumed('order.placed', placed)
      .consumed('instance.adopted', samples['instance.adopted']);
    known
      .when('order.withdrawn', samples['order.withdrawn'], { source: 'order-service.a' })
      .isSilent('overruled')
      .leaving(balanceIs(0));
    known
      .when('order.withdrawn', samples['order.withdrawn'], { source: 'order-service.b' })
      .publishes('payment.refunded', { ...taken, because: 'order.withdrawn' })
      .leaving(balanceIs(amount));
  });
});

describe('a payment', () => {
  const charged = { orderId, userId, amount };
  const payments: readonly Payment[] = [
    { ...charged, status: 'completed' },
    { ...charged, status: 'refunded' },
    { ...charged, status: 'failed', reason: 'account_blocked' },
    { status: 'voided', orderId },
  ];
  for (const payment of payments)
    it(`is read as it was recorded, ${payment.status}`, () => {
      const known = given(paymentService).has(({ store }, tx) => store.putPayment(payment, tx.nowMs));
      expect(known.parts.store.payment(orderId)).to.deep.equal(payment);
      expect(known.parts.store.payments(10)).to.deep.equal([{ payment, updatedAtMs: known.clock.nowMs() }]);
      expect(known.parts.store.payments(10, orderId), 'after it').to.deep.equal([]);
      expect(known.parts.store.paymentUpdatedAtMs(orderId)).to.equal(known.clock.nowMs());
    });

  it('that was never recorded has no time', () => {
    expect(given(paymentService).parts.store.paymentUpdatedAtMs(orderId)).to.equal(undefined);
  });
});

describe('an account', () => {
  it('is refused nothing it can pay to the last unit', () => {
    expect(refusalOf({ userId, balance: 10, blocked: false }, 10)).to.equal(undefined);
    expect(refusalOf({ userId, balance: 10, blocked: false }, 11)).to.equal('insufficient_funds');
  });

  it('is refused for being blocked rather than for being short', () => {
    expect(refusalOf({ userId, balance: 0, blocked: true }, 1)).to.equal('account_blocked');
  });

  it('takes a deposit up to the highest balance, and refuses one more', () => {
    withAccount({ balance: moneyMax - 1 })
      .whenAsked(({ store }, tx) => deposit(store, tx, userId, 1))
      .publishesNothing()
      .leaving(balanceIs(moneyMax))
      .whenAsked(({ store }, tx) => deposit(store, tx, userId, 1))
      .refuses(422, 'balance-too-high', { balance: moneyMax });
  });

  it('has a ledger entry for each change, and none when nothing changes', () => {
    const known = withAccount({ balance: 5 });
    known.has(({ store }, tx) => void putAccount(store, tx, userId, { balance: 5, blocked: true }));
    expect(entries(known.parts)).to.deep.equal(['adjustment']);
    known.has(({ store }, tx) => void putAccount(store, tx, userId, { balance: 3 }));
    expect(known.parts.store.entries(userId, 1)?.[0]).to.include({ kind: 'adjustment', amount: -2, balanceAfter: 3 });
    expect(known.parts.store.account(userId)?.blocked, 'what is left out stays').to.equal(true);
  });

  it('has its entries read newest first, in pages, and those of another account by nobody', () => {
    const other = 'other-user';
    const known = withAccount({ balance: 5 });
    known.has(({ store }, tx) => {
      putAccount(store, tx, other, { balance: 9 });
      for (const amount of [1, 2]) deposit(store, tx, userId, amount);
    });
    const { store } = known.parts;
    const page = store.entries(userId, 2) ?? [];
    expect(page.map(({ amount: entered }) => entered)).to.deep.equal([2, 1]);
    const rest = store.entries(userId, 2, page[1]?.entryId) ?? [];
    expect(rest.map(({ amount: entered }) => entered)).to.deep.equal([5]);
    expect(store.entries(other, 2, page[0]?.entryId), 'before an entry of another account').to.equal(undefined);
    expect(store.entries(userId, 2, 1000), 'before an entry that there is not').to.equal(undefined);
  });

  it('must exist for a deposit, and for anything to be entered', () => {
    given(paymentService)
      .whenAsked(({ store }, tx) => deposit(store, tx, userId, 1))
      .refuses(404, 'no-such-account', { userId });
    given(paymentService)
      .whenAsked(({ store }, tx) => store.enter(userId, 'deposit', 1, null, tx.nowMs))
      .throws(/no account/);
  });

  it('is created once', () => {
    const known = given(paymentService).has(({ store }, tx) => {
      expect(putAccount(store, tx, userId, { balance: 5 })).to.deep.equal({
        account: { userId, balance: 5, blocked: false },
        created: true,
      });
    });
    known.has(({ store }, tx) => expect(putAccount(store, tx, userId, { balance: 6 }).created).to.equal(false));
  });

  it('cannot be charged twice for an order, or go below zero, whatever the code above asks', () => {
    const known = withAccount({ balance: 10 });
    const charge = (qty: number) =>
      known.whenAsked(({ store }, tx) => store.enter(userId, 'charge', -qty, orderId, tx.nowMs));
    charge(11).throws(/CHECK constraint/);
    charge(1).publishesNothing();
    charge(1)
      .throws(/UNIQUE constraint/)
      .leaving(balanceIs(9));
  });
});
