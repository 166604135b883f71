// The example of a service after the saga, beside the unchanged services, as processes on a real broker.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ServiceProcess } from '../../local/service-process.ts';
import { http, SagaSystem } from '../support/saga-system.ts';
import { withChannel } from '../support/tap.ts';
import { eventually } from '../support/wait.ts';

const line = [{ productId: 'CUP', qty: 1 }];
const waiting = { prefer: 'wait=20' };

describe('the shipping example, beside services that know nothing of it', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  let shipping: ServiceProcess;
  const dataDir = mkdtempSync(join(tmpdir(), 'shipping-test-'));

  const shipmentOf = (orderId: string) =>
    eventually(
      `order ${orderId} to be shipped`,
      () => http('GET', `${shipping.url}/shipments/${orderId}`),
      ({ status }) => status === 200,
    );

  before(async () => {
    system = await SagaSystem.start();
    shipping = new ServiceProcess({
      service: 'shipping-service',
      main: 'examples/shipping/shipping-service/main.js',
      amqpUrl: system.amqpUrl,
      dataDir,
      env: { ORDER_SERVICE_URL: system.order.url },
    });
    await system.account('ann', 10_000);
    await system.product('CUP', 100, 50);
  });
  after(async () => {
    await shipping?.kill();
    await system?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('ships an order that was confirmed before shipping-service had ever started', async () => {
    const { orderId, status } = await system.place('ann', line, waiting);
    expect(status).to.equal('confirmed');
    await shipping.start();
    // Its queue did not exist at that time: the event comes from order-service's journal.
    expect((await shipmentOf(orderId)).body).to.include({ orderId, userId: 'ann' });
  });

  it('ships an order as soon as it is confirmed, and publishes that it has', async () => {
    const dispatched = await withChannel(system.amqpUrl, async (channel) => {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, 'shipping.events', 'shipment.dispatched');
      const { orderId } = await system.place('ann', line, waiting);
      const message = await eventually('shipment.dispatched at the broker', () => channel.get(queue, { noAck: true }));
      return { orderId, event: message && JSON.parse(message.content.toString()) };
    });
    expect(dispatched.event).to.deep.include({
      type: 'shipment.dispatched',
      source: 'shipping-service',
      subject: dispatched.orderId,
      data: { orderId: dispatched.orderId, userId: 'ann' },
    });
    expect((await shipmentOf(dispatched.orderId)).status).to.equal(200);
  });

  it('does not ship an order that was cancelled', async () => {
    const { orderId: cancelled, status } = await system.place('nobody', line, waiting);
    expect(status).to.equal('cancelled');
    // The queue is first in, first out: when this one has been shipped, nothing older is still to come.
    const { orderId: confirmed } = await system.place('ann', line, waiting);
    await shipmentOf(confirmed);
    expect((await http('GET', `${shipping.url}/shipments/${cancelled}`)).status).to.equal(404);
  });

  it('ships what was confirmed while it was down', async () => {
    await shipping.kill();
    const { orderId, status } = await system.place('ann', line, waiting);
    expect(status).to.equal('confirmed');
    await shipping.start();
    await shipmentOf(orderId);
  });
});
