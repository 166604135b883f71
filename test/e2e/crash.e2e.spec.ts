// Crashes, for real: services and the broker are killed, frozen, cut off, under load. Then it is quiet, and all must be well.
import { expect } from 'chai';
import type { ServiceProcess } from '../../local/service-process.ts';
import { newVhost, testBroker, vhostOf } from '../support/broker.ts';
import { http, type OrderView, type Readiness, SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

/** The broker's freeze is shorter than two of them. */
const heartbeatS = 4;

describe('P1 Accepted is accepted', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  /** Of the requests for an order, whatever became of the others: a connection may be refused, or break. */
  const answers = new Set<number>();

  before(async () => {
    // A service that is frozen is given up after two heartbeats; the default of ten seconds would be waited for.
    system = await SagaSystem.start({}, `${await newVhost()}?heartbeat=${heartbeatS}`);
    await system.account('rich', 10_000_000);
    await system.account('poor', 550);
    await system.product('CUP', 100, 100_000);
    await system.product('RARE', 100, 20);
  });
  after(() => system?.stop());

  /** Places orders, one after the other, and repeats each until it is answered; the key makes that one order. */
  function placeMany(label: string, count: number): Promise<string[]> {
    return placeWhile(label, (index) => index < count);
  }

  async function placeWhile(label: string, wanted: (index: number) => boolean): Promise<string[]> {
    const orderIds: string[] = [];
    for (let index = 0; wanted(index); index += 1) {
      const body = {
        userId: index % 10 === 0 ? 'poor' : 'rich',
        items: [{ productId: index % 7 === 0 ? 'RARE' : 'CUP', qty: 1 }],
      };
      const { body: order } = await eventually(
        `order ${label}-${index} to be accepted`,
        () => http<OrderView>('POST', `${system.order.url}/orders`, body, { 'idempotency-key': `${label}-${index}` }),
        ({ status }) => {
          answers.add(status);
          return status === 202;
        },
      );
      orderIds.push(order.orderId);
      // Every twelfth customer changes their mind; the answer may get lost with a killed order-service.
      if (index % 12 === 0) await system.cancel(order.orderId).catch(() => {});
    }
    return orderIds;
  }

  async function expectAllEnded(orderIds: readonly string[]): Promise<void> {
    expect(new Set(orderIds).size).to.equal(orderIds.length);
    await system.expectBalanced();
    for (const orderId of orderIds) {
      const { status, body } = await http<OrderView>('GET', `${system.order.url}/orders/${orderId}`);
      expect(status).to.equal(200);
      const payment = await http('GET', `${system.payment.url}/payments/${orderId}`);
      const reservation = await http('GET', `${system.inventory.url}/reservations/${orderId}`);
      const state = [
        body.status,
        payment.body['status'],
        reservation.status === 404 ? 'none' : reservation.body['status'],
      ].join(' ');
      expect(state).to.match(
        /^(confirmed completed reserved|cancelled (failed (none|voided)|refunded (rejected|released|voided)|voided (voided|none)))$/,
      );
    }
  }

  /** Damages the system round after round while orders are placed; between two rounds some are confirmed. */
  async function damageUnderLoad(label: string, rounds: number, damage: (round: number) => Promise<void>) {
    let damaging = true;
    const orders = placeWhile(label, () => damaging);
    try {
      for (let round = 0; round < rounds; round += 1) {
        const { confirmed } = (await system.totals()).order;
        await damage(round);
        await eventually(
          `orders to be confirmed after round ${round}`,
          async () => (await system.totals()).order.confirmed.orders,
          (count) => count >= confirmed.orders + 10,
        );
      }
    } finally {
      damaging = false;
    }
    await expectAllEnded(await orders);
  }

  const serviceOf = (round: number) => system.services[round % 3] as ServiceProcess;

  it('kill -9 of one service after the other, six times, under load', () =>
    damageUnderLoad('kills', 6, async (round) => {
      await serviceOf(round).kill();
      await serviceOf(round).start();
    }));

  it('kill -9 of all three at once, three times', () =>
    damageUnderLoad('all', 3, async () => {
      await Promise.all(system.services.map((service) => service.kill()));
      await Promise.all(system.services.map((service) => service.start()));
    }));

  it('SIGTERM of each service in turn under load: every answer is an acceptance or a 503, and each ends with 0', async () => {
    answers.clear();
    await damageUnderLoad('rolling', 3, async (round) => {
      await serviceOf(round).stop();
      expect(serviceOf(round).endedBy).to.equal('exit code 0');
      await serviceOf(round).start();
    });
    answers.delete(503);
    expect([...answers]).to.deep.equal([202]);
  });

  it('kill -9 of the broker under load, and its restart', async () => {
    const broker = await testBroker();
    const orders = placeMany('broker', 200);
    await eventually('the load to have begun', async () => (await system.totals()).order.pending.orders > 0);
    await broker.kill();
    await broker.restart();
    await expectAllEnded(await orders);
  });

  it('a broker that freezes for 5 s, and a service that freezes for two heartbeats: what they send late does no harm', async () => {
    const broker = await testBroker();
    const orders = placeMany('frozen', 100);
    broker.pause();
    system.payment.signal('SIGSTOP');
    // The length of the freeze is the fault itself.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    broker.resume();
    await orders;
    // Two heartbeats missed: the broker gives payment-service up and takes its messages back.
    await eventually(
      'the broker to give up payment-service',
      async () =>
        (
          await broker.rabbitmqctl(['list_connections', '-p', vhostOf(system.amqpUrl), '-q', 'client_properties'])
        ).includes('payment-service'),
      (there) => !there,
      60_000,
    );
    system.payment.signal('SIGCONT');
    await expectAllEnded(await orders);
  });

  it('connections that the broker closes, all of them, three times: each service is back each time', async () => {
    const broker = await testBroker();
    const orders = placeMany('cut', 150);
    const connections = async () =>
      (await Promise.all(system.services.map(({ url }) => http<Readiness>('GET', `${url}/readyz`)))).flatMap(
        ({ body: { broker: seen } }) => [seen.publisher, seen.consumer],
      );
    const setUp = () => system.logLines.filter((line) => line.includes('"connected to the broker"')).length;
    for (let round = 1; round <= 3; round += 1) {
      const before = setUp();
      await broker.rabbitmqctl(['close_all_connections', '-p', vhostOf(system.amqpUrl), 'a test cuts the line']);
      await eventually(`three consumers to be set up again, round ${round}`, () => setUp() >= before + 3);
      await eventually('all six connections', connections, (states) => states.every((state) => state === 'connected'));
    }
    await expectAllEnded(await orders);
  });

  it('a broker that is away when the services start: they accept all the same, and everything ends once it is there', async () => {
    await Promise.all(system.services.map((service) => service.stop()));
    const broker = await testBroker();
    // New databases, and queues that have been there for a while: RabbitMQ may forget a queue that it declared a moment
    // before it is killed.
    // The broker may be away for longer than an order usually may be pending.
    const fresh = await SagaSystem.prepare({ ORDER_DEADLINE_MS: '600000' }, system.amqpUrl);
    try {
      await broker.kill();
      await Promise.all(fresh.services.map((service) => service.start()));
      await fresh.account('rich', 1_000);
      await http('PUT', `${fresh.inventory.url}/products/CUP`, { name: 'Cup', unitPrice: 100, stock: 5 });
      const readiness = await http<Readiness>('GET', `${fresh.inventory.url}/readyz`);
      expect([readiness.status, readiness.body.broker.publisher]).to.deep.equal([200, 'connecting']);
      await broker.restart();
      await fresh.product('CUP', 100, 5);
      const first = await fresh.place('rich', [{ productId: 'CUP', qty: 1 }]);
      expect((await fresh.ended(first.orderId)).status).to.equal('confirmed');
      await broker.kill();
      const { orderId } = await fresh.place('rich', [{ productId: 'CUP', qty: 1 }]);
      expect((await fresh.view(orderId)).status).to.equal('pending');
      await broker.restart();
      expect((await fresh.ended(orderId)).status).to.equal('confirmed');
      await fresh.expectBalanced();
    } finally {
      await fresh.stop();
    }
  });
});
