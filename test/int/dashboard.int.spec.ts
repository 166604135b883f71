// Every panel of the dashboard has something to show: a real Prometheus scrapes real services, and answers its queries.
import { expect } from 'chai';
import { readPanels } from '../support/dashboard.ts';
import { eventOf } from '../support/events.ts';
import { hasPrometheus, Prometheus } from '../support/prometheus.ts';
import { SagaInProcess } from '../support/saga-in-process.ts';
import { eventually } from '../support/wait.ts';

describe('the dashboard, with a real Prometheus', function () {
  this.timeout(180_000);
  let saga: SagaInProcess;
  let prometheus: Prometheus;

  before(async function () {
    if (!hasPrometheus()) {
      if (this.test?.parent) this.test.parent.title += ' (skipped: prometheus is not installed)';
      return this.skip();
    }
    saga = await SagaInProcess.start(['a']);
    await saga.at('payment-service').put('/accounts/ann', { balance: 1_000 });
    await saga.at('inventory-service').put('/products/CUP', { name: 'Cup', unitPrice: 10, stock: 5 });
    await eventually(
      'the product to be for sale',
      () => saga.order('a').get('/products'),
      ({ text }) => text.includes('CUP'),
    );
    const target = (member: string) => [saga.url(member).replace('http://', '')];
    prometheus = await Prometheus.start({
      'order-service': target('order-service.a'),
      'payment-service': target('payment-service'),
      'inventory-service': target('inventory-service'),
    });
    await shop(saga);
  });
  after(async () => {
    await prometheus?.stop();
    await saga?.close();
  });

  for (const { title, targets } of readPanels().filter(({ type }) => type !== 'row')) {
    it(`shows something: ${title}`, async () => {
      for (const { expr, legendFormat } of targets) {
        const series = await eventually(
          `series of ${expr}`,
          () => prometheus.query(expr.replaceAll('$__rate_interval', '1m')),
          ({ length }) => length > 0,
        );
        // What is in the legend tells the series apart.
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        const shown = series.map((one) => labels.map((label) => one[label]).join(' '));
        expect(shown.length, shown.join(', ')).to.equal(new Set(shown).size);
      }
    });
  }

  it('would notice a query that is wrong', async () => {
    let message = '';
    await prometheus.query('sum by (').catch((error: Error) => {
      message = error.message;
    });
    expect(message).to.include('parse error');
    expect(await prometheus.query('no_such_metric')).to.deep.equal([]);
  });
});

/** An order that is confirmed, one that is rolled back; a duplicate, and a message that is no event. */
async function shop(saga: SagaInProcess): Promise<void> {
  for (const qty of [1, 100]) {
    const body = { userId: 'ann', items: [{ productId: 'CUP', qty }] };
    const answer = await saga.order('a').post('/orders', body, { prefer: 'wait=20' });
    expect(answer.status, answer.text).to.equal(200);
  }
  const payments = saga.at('payment-service');
  const placed = eventOf('order.placed');
  await payments.consume(placed);
  await payments.consume(placed);
  await payments.bus.deliver(Buffer.from('nothing')).acked;
}
