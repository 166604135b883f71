// A message that kills the process each time it is handled: it alone ends up aside.
import { expect } from 'chai';
import { crashingUser } from '../../local/losses/cases.ts';
import { suffer } from '../support/losses.ts';

describe('P8 Nothing vanishes: a message that kills the process whenever it is handled', function () {
  this.timeout(240_000);

  it('is set aside alone, with its reason, and not fetched again; its neighbours are handled, and its order ends', () =>
    suffer('poison', async ({ disagreements, deadLetters }, { customers, stage }) => {
      const guilty = customers.placed.find(({ userId }) => userId === crashingUser)?.orderId ?? '';
      expect(deadLetters.map(({ service, reason }) => [service, reason])).to.deep.equal([
        ['payment-service', 'crashes-the-process'],
      ]);
      expect(deadLetters[0]?.body).to.include(`"subject":"${guilty}"`);
      expect(disagreements).to.deep.equal([]);
      const asideAt = stage.log.findIndex(
        ({ service, msg }) => service === 'payment-service' && /^dead-lettered/.test(msg),
      );
      const startsAfterwards = stage.log
        .slice(asideAt)
        .filter(({ service, msg }) => service === 'payment-service' && msg === 'started');
      expect(startsAfterwards, 'crashes after it was set aside').to.deep.equal([]);
    }));
});
