// Runs a case of loss on the tests' broker, smaller than the command does, and checks what holds after each of them.
import { expect } from 'chai';
import { type Extent, type LossCase, lossCases } from '../../local/losses/cases.ts';
import { type Healed, Trial } from '../../local/losses/trial.ts';
import { testBroker } from './broker.ts';

/** Journals are compared ten times as often as by default. */
const settings = { RECONCILE_INTERVAL_MS: '1000' };
const extent: Extent = { ordersPerS: 40, kills: 20, cuts: 8, ordersAfterCopy: 200 };

export type CaseName = keyof typeof lossCases;

/** Lets the system suffer the case and heal; then `check` looks at it. */
export async function suffer(
  name: CaseName,
  check: (healed: Healed, trial: Trial) => Promise<void> | void,
): Promise<void> {
  const lossCase: LossCase = lossCases[name];
  const trial = await Trial.prepare(await testBroker(), lossCase, settings);
  try {
    await check(await trial.run(lossCase, extent), trial);
  } finally {
    await trial.stop();
  }
}

/** Nothing of it has to be repaired, and nothing good was set aside. */
export function expectHealed({ disagreements, deadLetters }: Healed): void {
  expect(disagreements, 'disagreements').to.deep.equal([]);
  expect(deadLetters, 'dead letters').to.deep.equal([]);
}
