// What the broker loses, under load: messages, bindings, queues, everything. The journals bring it back.
import { expect } from 'chai';
import { damages } from '../../local/losses/cases.ts';
import { type CaseName, expectHealed, SharedSystem } from '../support/losses.ts';

describe('P2 Every accepted order ends, whatever the broker loses', function () {
  this.timeout(240_000);
  const system = new SharedSystem();
  const suffer = (name: CaseName, check: Parameters<SharedSystem['suffer']>[1]) => system.suffer(name, check);
  after(() => system.stop());

  it('a consumer that is killed 8 times with 300 messages in hand: none of them is dead-lettered', () =>
    suffer('kills', expectHealed));

  it('a consumer whose connection is cut 8 times at delivery: no message is dead-lettered', () =>
    suffer('cuts', expectHealed));

  it('P8 a byte of a message: the damaged one is dead-lettered with its reason, and its order is not held up', () =>
    suffer('corrupt', ({ disagreements, deadLetters }) => {
      expect(disagreements).to.deep.equal([]);
      expect(deadLetters.map(({ service, reason }) => [service, reason])).to.deep.equal(
        damages.map(({ reason }) => ['payment-service', reason]),
      );
    }));

  it('a binding that is removed by hand, be it the only one of its event or one of two', () =>
    suffer('binding', (healed, trial) => {
      expectHealed(healed);
      expect(trial.errors(), 'errors in the logs').to.deep.equal([]);
    }));

  it('the queue of one service, deleted three times', () => suffer('queue', expectHealed));

  it('all queues, deleted three times', () => suffer('queues', expectHealed));

  it('every other message of order-service, payment.failed among them, thrown away by somebody else', () =>
    suffer('paymentFailed', expectHealed));

  it('the last product.updated: order-service gets the price all the same', () =>
    suffer('price', async (healed, { customers }) => {
      expectHealed(healed);
      expect(await customers.priceOf('PEN')).to.be.above(100);
    }));

  it("the broker's data", () => suffer('wipe', expectHealed));
});
