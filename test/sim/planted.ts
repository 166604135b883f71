// The planted bugs of one layer as tests: each is found by its own promise.
import { expect } from 'chai';
import { allFaults } from '../../simulator/environment/faults.ts';
import { mutantsByLayer } from '../../simulator/mutants/all-mutants.ts';
import type { Mutant } from '../../simulator/mutants/mutant.ts';
import { simulate } from '../../simulator/simulation.ts';

interface Size {
  readonly seed: number;
  readonly orders: number;
}

/** Four of five bugs are found by these, each in a third of the time that the others take. */
const small = [2, 1].map((seed): Size => ({ seed, orders: 60 }));
/** The third is first: it finds most of those that are left. */
const large = [3, 1, 2, 4, 5, 6].map((seed): Size => ({ seed, orders: 200 }));

/** Several instances take their time in a small run, too, and find little in it. */
function sizesFor({ orders, instances }: Mutant): readonly Size[] {
  if (orders !== undefined) return large.map(({ seed }) => ({ seed, orders }));
  return instances === undefined ? [...small, ...large] : large;
}

export function findsAll(layer: string): void {
  describe(`the simulator finds every planted bug: ${layer}`, function () {
    this.timeout(600_000);

    for (const mutant of mutantsByLayer[layer] ?? []) {
      it(`${mutant.name}: ${mutant.bug}`, () => {
        const sizes = sizesFor(mutant);
        const { faults = allFaults, instances = 0 } = mutant;
        const found = sizes.find((size) => {
          const { violations } = simulate({ ...size, faults, mutant, instances });
          return violations.some(({ promise }) => promise === mutant.promise);
        });
        const tried = sizes.map(({ seed, orders }) => `seed ${seed} with ${orders} orders`).join(', ');
        expect(found, `${mutant.promise} with one of: ${tried}`).not.to.equal(undefined);
      });
    }
  });
}
