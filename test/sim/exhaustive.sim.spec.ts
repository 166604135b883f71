// One order in every scenario: whatever happens in whatever order, no promise is broken; and planted bugs are found.
import { expect } from 'chai';
import { explore } from '../../simulator/exhaustive/explorer.ts';
import { scenarios } from '../../simulator/exhaustive/scenarios.ts';
import { mutants } from '../../simulator/mutants.ts';

describe('one order, exhaustively', function () {
  this.timeout(120_000);

  for (const scenario of scenarios) {
    it(`${scenario.name}: every order of events, a crash at every point, a cancellation at every step`, () => {
      const found = explore(scenario, { crashes: 1, cancels: 1, deadline: false });
      expect(found.violations.map(({ text, path }) => `${text}: ${path.join('; ')}`)).to.deep.equal([]);
      expect(found.states).to.be.greaterThan(100);
    });

    it(`${scenario.name}: cancelled twice and past its deadline, at every step`, () => {
      const found = explore(scenario, { crashes: 0, cancels: 2, deadline: true });
      expect(found.violations.map(({ text, path }) => `${text}: ${path.join('; ')}`)).to.deep.equal([]);
    });
  }

  for (const name of [
    'no-fence-in-payment',
    'no-fence-in-inventory',
    'confirm-after-withdrawn',
    'no-inbox',
    'refund-unchecked',
  ]) {
    it(`find ${name}`, () => {
      const mutant = mutants.find((one) => one.name === name);
      const found = scenarios.some(
        (scenario) => explore(scenario, { crashes: 0, cancels: 1, deadline: false }, mutant).violations.length > 0,
      );
      expect(found).to.equal(true);
    });
  }
});
