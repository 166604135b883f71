// Whole runs: no promise is broken under all faults, and everything comes about. A failure prints the command that
// repeats it.
import { expect } from 'chai';
import { faultsOf, missed } from '../../simulator/coverage.ts';
import { allFaults, type FaultKind } from '../../simulator/environment/faults.ts';
import { instanceRaceNames } from '../../simulator/races.ts';
import { commandOf, sum, violationsText } from '../../simulator/report.ts';
import type { RunOptions, RunResult } from '../../simulator/run.ts';
import { simulate } from '../../simulator/simulation.ts';

function run(seed: number, orders: number, faults: readonly FaultKind[] = allFaults, instances = 0): RunResult {
  return simulate({ seed, orders, faults, instances });
}

function expectKept(result: RunResult, faults: readonly FaultKind[] = allFaults): void {
  if (result.violations.length === 0) return;
  throw new Error(`${violationsText(result)}\nTo repeat it: ${commandOf({ ...result, faults })}`);
}

describe('the simulator', function () {
  this.timeout(600_000);

  describe('P1 to P10 and P12 hold', () => {
    const totals = { faults: new Map<string, number>(), races: new Map<string, number>() };

    for (const seed of [1, 2, 3, 4, 5, 6]) {
      it(`with seed ${seed}, 800 orders and all faults`, () => {
        const result = run(seed, 800);
        sum(totals.faults, result.faults);
        sum(totals.races, result.races);
        expectKept(result);
      });
    }

    it('and every fault, every declared outcome and every race has come about', () => {
      expect(missed(totals)).to.deep.equal([]);
    });

    it('without any fault, and then nothing is dead-lettered or published twice', () => {
      const result = run(11, 300, []);
      expectKept(result, []);
      expect([...result.faults]).to.deep.equal([]);
    });

    for (const kind of allFaults) {
      it(`with ${kind} alone`, () => expectKept(run(12, 60, [kind]), [kind]));
    }
  });

  describe('P1 to P10 and P12 hold with several instances of order-service, and all of them know the same', () => {
    const faultsMet = new Map<string, number>();
    const races = new Map<string, number>();

    for (const [seed, instances] of [
      [1, 3],
      [2, 2],
      [3, 3],
      [4, 1],
    ] as const) {
      it(`with seed ${seed}, 250 orders, all faults and ${instances} of them`, () => {
        const result = run(seed, 250, allFaults, instances);
        sum(faultsMet, result.faults);
        sum(races, result.races);
        expectKept(result);
      });
    }

    it('and one has joined, lost its database, was adopted and came back; and reads have brought versions', () => {
      const missing = ['instance-joins', 'instance-lost', ...faultsOf(['instance-adopted'], true)].filter(
        (name) => !faultsMet.get(name),
      );
      expect(missing).to.deep.equal([]);
      // An adoption of an order that is open needs more runs than these.
      const must = instanceRaceNames.filter((name) => name !== 'an open order was adopted');
      expect(must.filter((name) => !races.get(name))).to.deep.equal([]);
    });

    for (const kind of ['instance-joins', 'instance-lost', 'instance-adopted'] as const) {
      it(`with ${kind} alone`, () => expectKept(run(13, 80, [kind], 3), [kind]));
    }
  });

  describe('is deterministic', () => {
    it('the same seed gives the same run to the byte, with or without its history kept', () => {
      const options: RunOptions = { seed: 21, orders: 200, faults: allFaults };
      const { hash } = simulate(options);
      expect(simulate(options).hash).to.equal(hash);
      expect(simulate({ ...options, keepHistory: true }).hash).to.equal(hash);
    });

    it('also with several instances', () => {
      expect(run(21, 60, allFaults, 3).hash).to.equal(run(21, 60, allFaults, 3).hash);
    });

    it('another seed gives another run', () => {
      expect(run(22, 50).hash).not.to.equal(run(23, 50).hash);
    });
  });
});
