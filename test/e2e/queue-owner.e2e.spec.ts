// A queue belongs to one database: a second system on the same broker, or a lost database, must not mix up orders.
import { expect } from 'chai';
import { http, SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

interface Readiness {
  readonly broker: { readonly consumer: string; readonly lastError?: string };
}

describe('a queue that a process with another database consumes from', function () {
  this.timeout(240_000);
  let first: SagaSystem;
  let second: SagaSystem;

  before(async () => {
    first = await SagaSystem.start();
    await first.account('ann', 1_000);
    await first.product('CUP', 100, 10);
    second = await SagaSystem.prepare({}, first.amqpUrl);
  });
  after(async () => {
    await second?.stop();
    await first?.stop();
  });

  const readiness = async (system: SagaSystem) =>
    (await http<Readiness>('GET', `${system.payment.url}/readyz`)).body.broker;
  const buy = () => first.place('ann', [{ productId: 'CUP', qty: 1 }], { prefer: 'wait=20' });

  it('is not shared: the second process handles nothing, and ends with the reason', async () => {
    await second.payment.start();
    const { consumer } = await eventually(
      'the second to say why it does not consume',
      () => readiness(second),
      ({ lastError }) => /a process with another database consumes/.test(lastError ?? ''),
    );
    expect(consumer).to.equal('connecting');
    for (let count = 0; count < 5; count += 1) expect((await buy()).status).to.equal('confirmed');
    await second.payment.ended();
    expect(second.payment.endedBy).to.match(/78/);
    expect(second.logLines.join('\n')).to.match(/Stop it, or use its database \(DATABASE_PATH\), or .* vhost/);
  });

  it('is free for another database as soon as the first process has ended, killed or not', async () => {
    await first.payment.kill();
    await second.payment.start();
    await eventually(
      'the second to consume',
      () => readiness(second),
      ({ consumer }) => consumer === 'connected',
    );
  });
});

describe('a database that several processes use', function () {
  this.timeout(240_000);

  it('is one owner: all of them consume', async () => {
    const system = await SagaSystem.start();
    const other = await SagaSystem.prepare({ DATABASE_PATH: system.payment.databasePath }, system.amqpUrl);
    try {
      await other.payment.start();
      await eventually(
        'the second process to consume',
        async () => (await http<Readiness>('GET', `${other.payment.url}/readyz`)).body.broker.consumer,
        (consumer) => consumer === 'connected',
      );
    } finally {
      await other.stop();
      await system.stop();
    }
  });
});
