// What holds for the whole list of planted bugs; planted.ts finds each of them.
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { expect } from 'chai';
import type { FaultKind } from '../../simulator/environment/faults.ts';
import { mutants, mutantsByLayer } from '../../simulator/mutants/all-mutants.ts';
import { shrink } from '../../simulator/shrink.ts';
import { simulate } from '../../simulator/simulation.ts';

describe('planted bugs', function () {
  this.timeout(600_000);

  it('have names and descriptions of their own, and every layer has a test file', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).to.equal(mutants.length);
    expect(new Set(mutants.map(({ bug }) => bug)).size).to.equal(mutants.length);
    for (const layer of Object.keys(mutantsByLayer)) {
      const file = new URL(`mutants-${layer}.sim.spec${extname(import.meta.url)}`, import.meta.url);
      expect(existsSync(file), file.pathname).to.equal(true);
    }
  });

  it('are not found without the faults that bring them to light: the fence, when nothing is overtaken', () => {
    const mutant = mutants.find(({ name }) => name === 'no-fence-in-payment');
    expect(simulate({ seed: 1, orders: 200, faults: [], mutant }).violations).to.deep.equal([]);
  });

  it('lead to a small run, with what happened to the order as a diagram', () => {
    const mutant = mutants.find(({ name }) => name === 'partial-reservation');
    const faults: FaultKind[] = ['reorder', 'cancel', 'poison'];
    const { options, result } = shrink({ seed: 1, orders: 300, faults, mutant }, 60_000);
    expect(options.orders).to.be.lessThan(300);
    expect(options.faults.length).to.be.lessThan(faults.length);
    expect(result.violations[0]?.promise).to.equal('P4');
    expect(result.diagram).to.contain('payment.completed → inventory.rejected');
  });
});
