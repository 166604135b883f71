// One order in every scenario: whatever happens in whatever order, no promise is broken; and planted bugs are found.
import { expect } from 'chai';
import { explore } from '../../simulator/exhaustive/explorer.ts';
import { scenarios } from '../../simulator/exhaustive/scenarios.ts';
import { mutants } from '../../simulator/mutants/all-mutants.ts';

describe('one order, exhaustively', function () {
  this.timeout(600_000);

  // `npm run simulate -- --exhaustive` explores every scenario with both budgets, and larger ones. Here the scenarios that
  // compensate, which have many times the states, get one small budget each.
  const budgets = {
    'a crash at every point, a cancellation at every step': { crashes: 1, cancels: 1, deadline: false },
    'a crash at every point': { crashes: 1, cancels: 0, deadline: false },
    'cancelled twice and past its deadline, at every step': { crashes: 0, cancels: 2, deadline: true },
    'cancelled once and past its deadline, at every step': { crashes: 0, cancels: 1, deadline: true },
  };
  const explored: readonly (readonly [string, readonly (keyof typeof budgets)[]])[] = [
    [
      'enough money and stock',
      ['a crash at every point, a cancellation at every step', 'cancelled once and past its deadline, at every step'],
    ],
    [
      'money is one short',
      ['a crash at every point, a cancellation at every step', 'cancelled twice and past its deadline, at every step'],
    ],
    ['nothing in stock', ['a crash at every point']],
    ['one of two lines in stock', ['cancelled once and past its deadline, at every step']],
  ];

  it('leaves no scenario out', () => {
    expect(explored.map(([name]) => name)).to.have.members(scenarios.map(({ name }) => name));
  });

  for (const [name, chosen] of explored) {
    for (const what of chosen) {
      it(`${name}: ${what}`, () => {
        const scenario = scenarios.find((one) => one.name === name);
        if (!scenario) expect.fail(`there is no scenario '${name}'`);
        const found = explore(scenario, budgets[what]);
        expect(found.violations.map(({ text, path }) => `${text}: ${path.join('; ')}`)).to.deep.equal([]);
        expect(found.states).to.be.greaterThan(100);
      });
    }
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
