// The table in order-service/order.ts that says which event closes which participant, held to the contract. order-service
// keeps a table of its own because nothing reads the contract at run time to decide what happens next.
import { expect } from 'chai';
import { type ClosingEvent, closes } from '../../order-service/order.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import type { Choreography } from '../../shared/contract/language.ts';

/** Whom an event closes by the contract: its publisher, and those whose steps cannot follow any more. */
function closedBy(contract: Choreography, type: string): Set<string> {
  const { events } = contract;
  const steps = new Set(Object.values(events).flatMap(({ compensates }) => compensates ?? []));
  const closed = new Set([events[type]?.by ?? '']);
  const addFollowers = (step: string): void => {
    for (const follower of Object.values(events[step]?.reactions ?? {}).flat()) {
      if (!steps.has(follower) || closed.has(events[follower]?.by ?? '')) continue;
      closed.add(events[follower]?.by ?? '');
      addFollowers(follower);
    }
  };
  for (const { reactions } of Object.values(events))
    for (const outcomes of Object.values(reactions))
      if (outcomes.includes(type))
        for (const step of outcomes.filter((outcome) => steps.has(outcome))) addFollowers(step);
  return closed;
}

describe('the participants that an event closes', () => {
  for (const type of Object.keys(closes) as ClosingEvent[]) {
    it(`for ${type}: its publisher, and whoever is never asked because of it`, () => {
      expect(closes[type]).to.have.members([...closedBy(choreography, type)]);
    });
  }
});
