// Planted bugs: the simulator finds each of them, with the faults that bring it to light, and makes a failing run small.
import { expect } from 'chai';
import { allFaults, type FaultKind } from '../../simulator/environment/faults.ts';
import { mutants } from '../../simulator/mutants/all-mutants.ts';
import { shrink } from '../../simulator/shrink.ts';
import { simulate } from '../../simulator/simulation.ts';

describe('the simulator finds every planted bug', function () {
  this.timeout(120_000);

  for (const mutant of mutants) {
    it(`${mutant.name}: ${mutant.bug}`, () => {
      const found = [1, 2, 3, 4, 5].find((seed) => {
        const faults = mutant.faults ?? allFaults;
        const { violations } = simulate({ seed, orders: 300, faults, mutant });
        return violations.some(({ promise }) => promise === mutant.promise);
      });
      expect(found, `${mutant.promise} with one of the seeds 1 to 5`).not.to.equal(undefined);
    });
  }

  it('and none of them without the faults that bring it to light: the fence, when nothing is overtaken', () => {
    const mutant = mutants.find(({ name }) => name === 'no-fence-in-payment');
    expect(simulate({ seed: 1, orders: 200, faults: [], mutant }).violations).to.deep.equal([]);
  });

  it('and makes the run small, with what happened to the order as a diagram', () => {
    const mutant = mutants.find(({ name }) => name === 'partial-reservation');
    const faults: FaultKind[] = ['reorder', 'cancel', 'poison'];
    const { options, result } = shrink({ seed: 1, orders: 300, faults, mutant }, 60_000);
    expect(options.orders).to.be.lessThan(300);
    expect(options.faults.length).to.be.lessThan(faults.length);
    expect(result.violations[0]?.promise).to.equal('P4');
    expect(result.diagram).to.contain('payment.completed → inventory.rejected');
  });
});
