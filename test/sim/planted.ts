// The planted bugs of one layer as tests: each is found by its own promise.
import { expect } from 'chai';
import { allFaults } from '../../simulator/environment/faults.ts';
import { mutantsByLayer } from '../../simulator/mutants/all-mutants.ts';
import { simulate } from '../../simulator/simulation.ts';

/** The third is first: it finds the bug that costs most. */
const seeds = [3, 1, 2, 4, 5, 6];
const orders = 200;

export function findsAll(layer: string): void {
  describe(`the simulator finds every planted bug: ${layer}`, function () {
    this.timeout(600_000);

    for (const mutant of mutantsByLayer[layer] ?? []) {
      it(`${mutant.name}: ${mutant.bug}`, () => {
        const found = seeds.find((seed) => {
          const faults = mutant.faults ?? allFaults;
          const { violations } = simulate({
            seed,
            orders: mutant.orders ?? orders,
            faults,
            mutant,
            instances: mutant.instances ?? 0,
          });
          return violations.some(({ promise }) => promise === mutant.promise);
        });
        expect(found, `${mutant.promise} with one of the seeds ${seeds.join(', ')}`).not.to.equal(undefined);
      });
    }
  });
}
