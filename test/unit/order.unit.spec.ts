// An order is a function of the facts known about it.
import { expect } from 'chai';
import fc from 'fast-check';
import { awaitedBy, decidedStatus, hasEnded, reasonOf, statusOf, undecidedStatus } from '../../order-service/order.ts';
import type { EventType } from '../../shared/contract/choreography.ts';
import { eventTypes, samples } from '../support/events.ts';
import { endings, possibleSubsets } from '../support/sagas.ts';

const sagaTypes = eventTypes.filter((type) => type !== 'product.updated');

function factOf(type: EventType, time = '2030-01-01T00:00:00.000Z') {
  return { type, time, data: samples[type] };
}

function status(...types: EventType[]) {
  return statusOf(new Set(types));
}

describe('the status of an order', () => {
  it('is pending when it has been placed and nothing else is known', () => {
    expect(status('order.placed')).to.equal('pending');
  });

  it('is pending while only the payment has come through', () => {
    expect(status('order.placed', 'payment.completed')).to.equal('pending');
  });

  it('is confirmed once the stock is reserved, even when that is known before the payment', () => {
    expect(status('order.placed', 'inventory.reserved')).to.equal('confirmed');
    expect(status('order.placed', 'payment.completed', 'inventory.reserved')).to.equal('confirmed');
  });

  it('is cancelled as soon as the payment fails: nothing has to be undone', () => {
    expect(status('order.placed', 'payment.failed')).to.equal('cancelled');
  });

  it('is cancelling when the stock is refused and the money is not back yet', () => {
    expect(status('order.placed', 'payment.completed', 'inventory.rejected')).to.equal('cancelling');
  });

  it('is cancelling when the refund is known before the refusal that led to it', () => {
    expect(status('order.placed', 'payment.completed', 'payment.refunded')).to.equal('cancelling');
  });

  it('is cancelled once both the refusal and the refund are known', () => {
    expect(status('order.placed', 'inventory.rejected', 'payment.refunded')).to.equal('cancelled');
  });

  it('is cancelling after a withdrawal until both sides are closed, and not when only one is', () => {
    expect(status('order.placed', 'order.withdrawn')).to.equal('cancelling');
    for (const one of ['payment.refunded', 'payment.voided', 'inventory.released', 'inventory.voided'] as const)
      expect(status('order.placed', 'order.withdrawn', one), one).to.equal('cancelling');
    for (const payment of ['payment.refunded', 'payment.voided'] as const)
      for (const inventory of ['inventory.released', 'inventory.voided', 'inventory.rejected'] as const)
        expect(status('order.placed', 'order.withdrawn', payment, inventory)).to.equal('cancelled');
  });

  it('stays cancelling when the stock was reserved after a withdrawal, until it is released', () => {
    expect(status('order.placed', 'order.withdrawn', 'inventory.reserved', 'payment.refunded')).to.equal('cancelling');
    expect(
      status('order.placed', 'order.withdrawn', 'inventory.reserved', 'payment.refunded', 'inventory.released'),
    ).to.equal('cancelled');
  });

  it('is the same in whatever order the facts arrive', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(sagaTypes), (arrivals) => {
        const inOrder = sagaTypes.filter((type) => arrivals.includes(type));
        expect(status(...arrivals)).to.equal(status(...inOrder));
      }),
    );
  });

  it('does not depend on what order-service itself has published about the end', () => {
    for (const { facts } of endings)
      for (const subset of possibleSubsets(facts))
        for (const own of ['order.confirmed', 'order.cancelled'] as const)
          expect(status(...subset, own), subset.join()).to.equal(status(...subset));
  });

  it('is never an end other than the one that its saga comes to, and no end is left again', () => {
    for (const { facts, end } of endings) {
      expect(status(...facts), facts.join()).to.equal(end);
      for (const subset of possibleSubsets(facts)) {
        const now = status(...subset);
        if (now === 'confirmed' || now === 'cancelled')
          expect(now, `${subset.join()} of ${facts.join()}`).to.equal(end);
      }
    }
  });
});

describe('the reason of a cancellation', () => {
  it('is unknown while nothing has gone wrong', () => {
    expect(reasonOf([factOf('order.placed'), factOf('payment.completed')])).to.equal(undefined);
  });

  it('is that of the failed payment', () => {
    expect(reasonOf([factOf('order.placed'), factOf('payment.failed')])).to.equal('insufficient_funds');
  });

  it('is out_of_stock when the stock was refused; when only the refund is known yet, what that names', () => {
    expect(reasonOf([factOf('inventory.rejected')])).to.equal('out_of_stock');
    const because = (why: string) => ({
      ...factOf('payment.refunded'),
      data: { ...samples['payment.refunded'], because: why },
    });
    expect(reasonOf([because('inventory.rejected')])).to.equal('out_of_stock');
    expect(reasonOf([because('order.withdrawn')])).to.equal('customer');
  });

  it('is that of the withdrawal when one met a refusal, whichever is listed first', () => {
    for (const refusal of ['payment.failed', 'inventory.rejected'] as const) {
      expect(reasonOf([factOf(refusal), factOf('order.withdrawn')])).to.equal('customer');
      expect(reasonOf([factOf('order.withdrawn'), factOf(refusal)])).to.equal('customer');
    }
  });

  it('is that of the refused stock when a withdrawal only asked again for what was missing', () => {
    const again = { ...factOf('order.withdrawn'), data: { ...samples['order.withdrawn'], attempt: 2 } };
    expect(reasonOf([again, factOf('inventory.rejected')])).to.equal('out_of_stock');
    expect(reasonOf([again])).to.equal('customer');
    const late = { ...again, data: { ...again.data, reason: 'deadline' as const } };
    expect(reasonOf([late]), 'nothing else is known').to.equal('deadline');
  });

  it('is a withdrawal by the customer when only its consequences are known: this database has lost it', () => {
    for (const type of ['payment.voided', 'inventory.released', 'inventory.voided'] as const)
      expect(reasonOf([factOf(type)]), type).to.equal('customer');
  });

  it('is known in every state that is not pending or confirmed', () => {
    for (const { facts } of endings)
      for (const subset of possibleSubsets(facts)) {
        const now = status(...subset);
        const reason = reasonOf(subset.map((type) => factOf(type)));
        if (now === 'cancelling' || now === 'cancelled') expect(reason, subset.join()).to.not.equal(undefined);
      }
  });
});

describe('what an order waits for', () => {
  const waits = (...types: EventType[]) =>
    awaitedBy(types.map((type, index) => factOf(type, `2030-01-01T00:00:0${index}.000Z`)));

  it('is an answer of payment-service once it is placed, since the time of placing', () => {
    expect(waits('order.placed')).to.deep.equal([
      {
        service: 'payment-service',
        events: ['payment.completed', 'payment.failed'],
        since: '2030-01-01T00:00:00.000Z',
      },
    ]);
  });

  it('is an answer of inventory-service once it is paid, since the time of the payment', () => {
    expect(waits('order.placed', 'payment.completed')).to.deep.equal([
      {
        service: 'inventory-service',
        events: ['inventory.reserved', 'inventory.rejected'],
        since: '2030-01-01T00:00:01.000Z',
      },
    ]);
  });

  it('is whatever closes the payment once the stock is refused', () => {
    expect(waits('order.placed', 'payment.completed', 'inventory.rejected')).to.deep.equal([
      {
        service: 'payment-service',
        events: ['payment.failed', 'payment.refunded', 'payment.voided'],
        since: '2030-01-01T00:00:02.000Z',
      },
    ]);
  });

  it('is both sides after a withdrawal, then only the one that has not answered', () => {
    const since = '2030-01-01T00:00:01.000Z';
    const payment = {
      service: 'payment-service',
      events: ['payment.failed', 'payment.refunded', 'payment.voided'],
      since,
    };
    const inventory = {
      service: 'inventory-service',
      events: ['inventory.rejected', 'inventory.released', 'inventory.voided'],
      since,
    };
    expect(waits('order.placed', 'order.withdrawn')).to.deep.equal([payment, inventory]);
    expect(waits('order.placed', 'order.withdrawn', 'payment.voided')).to.deep.equal([inventory]);
    expect(waits('order.placed', 'order.withdrawn', 'inventory.voided')).to.deep.equal([payment]);
    expect(waits('order.placed', 'order.withdrawn', 'inventory.rejected')).to.deep.equal([payment]);
  });

  it('is missing since the first of the failures, whichever is known first', () => {
    const [first, second] = ['2030-01-01T00:00:01.000Z', '2030-01-01T00:00:02.000Z'];
    const facts = [factOf('order.withdrawn', second), factOf('inventory.rejected', first)];
    for (const known of [facts, facts.toReversed()])
      expect(awaitedBy(known).map(({ service, since }) => [service, since])).to.deep.equal([
        ['payment-service', first],
      ]);
  });

  it('is nothing once it has ended', () => {
    for (const { facts } of endings) expect(waits(...facts), facts.join()).to.deep.equal([]);
  });

  it('is something in every possible state that is no end: an order always waits for somebody', () => {
    for (const { facts } of endings)
      for (const subset of possibleSubsets(facts)) {
        const ended = ['confirmed', 'cancelled'].includes(status(...subset));
        expect(waits(...subset).length > 0, `waits, knowing ${subset.join()}`).to.equal(!ended);
      }
  });
});

describe('the end of an order, as its decider has said', () => {
  const decided = (types: readonly EventType[], ...byDecider: readonly EventType[]) =>
    decidedStatus(new Set(types), (type) => byDecider.includes(type));

  it('is not known before a decision, however complete the facts are', () => {
    expect(decided(['order.placed', 'payment.completed', 'inventory.reserved'])).to.equal(undefined);
    expect(undecidedStatus(new Set(['order.placed', 'inventory.reserved']))).to.equal('pending');
    expect(undecidedStatus(new Set(['order.placed', 'payment.failed']))).to.equal('cancelling');
  });

  it('is its decision, without asking whose it is where there is no contradiction', () => {
    const nobody = (): boolean => {
      throw new Error('there is no contradiction to resolve');
    };
    expect(decidedStatus(new Set(['order.confirmed']), nobody)).to.equal('confirmed');
    expect(decidedStatus(new Set(['order.withdrawn', 'order.cancelled']), nobody)).to.equal('cancelled');
  });

  it('is what the adopter has decided, where the instance that it has adopted had decided otherwise', () => {
    const both = ['order.confirmed', 'order.withdrawn'] as const;
    expect(decided(both, 'order.confirmed')).to.equal('confirmed');
    expect(decided(both, 'order.withdrawn'), 'it is being cancelled').to.equal(undefined);
    expect(decided([...both, 'order.cancelled'], 'order.withdrawn', 'order.cancelled')).to.equal('cancelled');
    expect(decided([...both, 'order.cancelled'], 'order.confirmed')).to.equal('confirmed');
    expect(decided(both, ...both), 'a customer was told so').to.equal('confirmed');
  });

  it('stays the confirmation, where none of them is of the decider that is known now', () => {
    expect(decided(['order.confirmed', 'order.withdrawn'])).to.equal('confirmed');
    expect(decided(['order.confirmed', 'order.cancelled'])).to.equal('confirmed');
  });

  it('is an end, unlike what comes before it', () => {
    const statuses = ['pending', 'confirmed', 'cancelling', 'cancelled'] as const;
    expect(statuses.filter(hasEnded)).to.deep.equal(['confirmed', 'cancelled']);
  });
});
