// The timeline of an order: each event after its cause, however wrong the clocks of the services are.
import { expect } from 'chai';
import fc from 'fast-check';
import type { Fact } from '../../order-service/order.ts';
import { timelineOf } from '../../order-service/order-view.ts';

/** A saga in which each event follows from the one before, and the last two from the same one. */
const steps = [
  ['order.placed', 'request'],
  ['payment.completed', 'order.placed'],
  ['inventory.rejected', 'payment.completed'],
  ['payment.refunded', 'inventory.rejected'],
  ['order.cancelled', 'payment.refunded'],
] as const;

function factsAt(seconds: readonly number[]): Fact[] {
  return steps.map(([type, causationId], index) => ({
    type,
    eventId: type,
    source: type.startsWith('payment') ? 'payment-service' : 'order-service',
    time: new Date(Date.UTC(2030, 0, 1) + (seconds[index] ?? 0) * 1_000).toISOString(),
    causationId,
    data: {},
  }));
}

const typesOf = (facts: readonly Fact[]) => timelineOf('an-order', 'cancelled', facts).events.map(({ type }) => type);

describe('the timeline of an order', () => {
  it('has each event after its cause when one service is an hour behind, and one an hour ahead', () => {
    const causal = steps.map(([type]) => type);
    expect(typesOf(factsAt([0, -3_600, 1, -3_599, 2]))).to.deep.equal(causal);
    expect(typesOf(factsAt([0, 3_600, 1, 3_601, 2]))).to.deep.equal(causal);
  });

  it('has each event after its cause whatever the times are, in whatever order the facts come', () => {
    const times = fc.array(fc.integer({ min: -10, max: 10 }), { minLength: steps.length, maxLength: steps.length });
    fc.assert(
      fc.property(times, fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5, maxLength: 5 }), (seconds, order) => {
        const facts = factsAt(seconds);
        const shuffled = order.flatMap((index) => facts[index] ?? []);
        expect(typesOf(shuffled)).to.deep.equal(steps.map(([type]) => type));
      }),
    );
  });

  it('is in the order of the times where no event is the cause of another', () => {
    const facts = factsAt([3, 1, 2, 5, 4]).map((fact) => ({ ...fact, causationId: 'request' }));
    expect(typesOf(facts)).to.deep.equal([
      'payment.completed',
      'inventory.rejected',
      'order.placed',
      'order.cancelled',
      'payment.refunded',
    ]);
  });
});
