// A service whose database is put back to an earlier copy while customers order: it catches up where its decisions come
// out the same, and what disagrees is named.
import { expect } from 'chai';
import { readinessOf, repaired } from '../../local/losses/healing.ts';
import type { Healed, Trial } from '../../local/losses/trial.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { suffer } from '../support/losses.ts';

/** Which orders can be paid for, and are in stock, depends on the order in which they are handled again. */
function contested({ customers }: Trial): Set<string> {
  const found = customers.placed.filter(({ userId, productId }) => userId === 'poor' || productId === 'RARE');
  return new Set(found.map(({ orderId }) => orderId));
}

async function expectNamed(healed: Healed, trial: Trial, service: ServiceName): Promise<void> {
  const { stage } = trial;
  const { disagreements, deadLetters } = healed;
  // Nobody is charged twice: the ledger agrees with the payments, and each of these with its order.
  expect(disagreements.filter(({ about }) => about !== 'order')).to.deep.equal([]);
  const ids = disagreements.map(({ id }) => id);
  const mayDiffer = contested(trial);
  expect(ids.filter((id) => !mayDiffer.has(id))).to.deep.equal([]);
  const named = new Set(stage.errors().map(({ subject }) => subject));
  expect(
    // Of many errors of one kind, the log shows some and then a count.
    ids.filter((id) => !named.has(id) && !deadLetters.some(({ body }) => body.includes(id))),
    'disagreements that neither the log nor a dead letter names',
  ).to.deep.equal([]);
  const { warnings } = await readinessOf(stage, service);
  expect(warnings.join('\n')).to.include('this database was put back to an earlier state');
  const afterwards = await repaired(stage, healed);
  expect(afterwards.repairable).to.deep.equal([]);
  expect(afterwards.disagreements.map(({ id }) => id)).to.deep.equal(ids);
}

describe('P12 A database that was put back', function () {
  this.timeout(240_000);

  it('of payment-service: it charges again what it has forgotten, once, and names what it decides otherwise', () =>
    suffer('paymentPutBack', (healed, trial) => expectNamed(healed, trial, 'payment-service')));

  it('of inventory-service: it reserves again what it has forgotten, once, and names what it decides otherwise', () =>
    suffer('inventoryPutBack', (healed, trial) => expectNamed(healed, trial, 'inventory-service')));

  it('of order-service: it rebuilds every order that it has forgotten from what the others know', () =>
    suffer('orderPutBack', async (healed, trial) => {
      await expectNamed(healed, trial, 'order-service');
      expect(healed.disagreements).to.deep.equal([]);
    }));
});
