// Runs a case of loss on the tests' broker, smaller than the command does, and checks what holds after each of them.
import { expect } from 'chai';
import { type Extent, type LossCase, lossCases } from '../../local/losses/cases.ts';
import { Stage } from '../../local/losses/stage.ts';
import { type Healed, Trial } from '../../local/losses/trial.ts';
import { testBroker } from './broker.ts';

/** Journals are compared ten times as often as by default. */
const settings = { RECONCILE_INTERVAL_MS: '1000' };
/** More kills than make a message suspect (3), and more than make one guilty that was alone in hand (5). */
const extent: Extent = { ordersPerS: 40, kills: 8, cuts: 8, ordersAfterCopy: 200 };

export type CaseName = keyof typeof lossCases;

type Check = (healed: Healed, trial: Trial) => Promise<void> | void;

/** Lets a system of its own suffer the case and heal; then `check` looks at it. */
export async function suffer(name: CaseName, check: Check): Promise<void> {
  const lossCase: LossCase = lossCases[name];
  const trial = await Trial.prepare(await testBroker(), lossCase, settings);
  try {
    await check(await trial.run(lossCase, extent), trial);
  } finally {
    await trial.stop();
  }
}

/** One system for several cases: the next case begins when it has healed from the one before, and been found so. */
export class SharedSystem {
  #stage: Stage | undefined;
  /** Settings that it was started with. */
  #started = '';

  /** As above; on a new system where the case needs other settings, or the one before has failed. */
  async suffer(name: CaseName, check: Check): Promise<void> {
    const lossCase: LossCase = lossCases[name];
    const { mains = {}, env } = lossCase;
    const wanted = JSON.stringify([mains, env]);
    if (wanted !== this.#started) await this.stop();
    this.#started = wanted;
    this.#stage ??= await Stage.start({ broker: await testBroker(), mains, env: { ...env, ...settings } });
    const trial = Trial.on(this.#stage);
    try {
      await check(await trial.run(lossCase, extent), trial);
    } catch (error) {
      trial.customers.leave();
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const stage = this.#stage;
    this.#stage = undefined;
    await stage?.stop();
  }
}

/** Nothing of it has to be repaired, and nothing good was set aside. */
export function expectHealed({ disagreements, deadLetters }: Healed): void {
  expect(disagreements, 'disagreements').to.deep.equal([]);
  expect(deadLetters, 'dead letters').to.deep.equal([]);
}
