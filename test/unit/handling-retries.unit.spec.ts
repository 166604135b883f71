// When an event whose handling failed is tried again, left to reconciliation, or given up.
import { expect } from 'chai';
import { hasWaitedInHand, reasonToGiveUp } from '../../shared/runtime/messaging/handling-retries.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';

const unknown = new UnknownSubjectError('order 1 is not known here');
const broken = new Error('broken');

describe('an event that cannot be handled', () => {
  it('has waited in hand long enough after five attempts, if what it is about is unknown', () => {
    expect([4, 5, 6].map((failures) => hasWaitedInHand(unknown, failures))).to.deep.equal([false, true, true]);
    expect([4, 5, 6].map((failures) => hasWaitedInHand(broken, failures))).to.deep.equal([false, false, false]);
  });

  it('is given up after 30 attempts if what it is about is unknown, and after five if it was redriven', () => {
    for (const [attempts, isRedriven] of [
      [30, false],
      [5, true],
    ] as const) {
      expect(reasonToGiveUp(unknown, attempts - 1, isRedriven)).to.equal(undefined);
      expect(reasonToGiveUp(unknown, attempts, isRedriven)).to.equal('unknown-subject');
    }
  });

  it('is given up after three attempts if its reaction throws, and at once if it contradicts what is known', () => {
    expect(reasonToGiveUp(broken, 2, false)).to.equal(undefined);
    expect(reasonToGiveUp(broken, 3, false)).to.equal('reaction-failed');
    expect(reasonToGiveUp(new ContradictoryEventError('another amount'), 1, false)).to.equal('contradictory');
  });
});
