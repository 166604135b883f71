// GET /metrics of each service, put together as in a process: what is there after known traffic, and under which conditions
// it is still answered.
import { spawnSync } from 'node:child_process';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { orderMetrics } from '../../order-service/metrics.ts';
import { systemClock } from '../../shared/runtime/environment/clock.ts';
import type { MetricCatalogue } from '../../shared/runtime/http/metrics/metric-registry.ts';
import { serviceMetrics } from '../../shared/runtime/http/metrics/service-metrics-catalogue.ts';
import { TransientError } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples } from '../support/events.ts';
import { type Metric, readExposition } from '../support/exposition.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { type Served, type ServeOptions, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const { productId } = samples['product.updated'];
/** No order is withdrawn because a test has moved the clock. */
const longDeadline = { ORDER_DEADLINE_MS: '86400000' };

async function scrape(served: Served): Promise<ReadonlyMap<string, Metric>> {
  const answer = await served.get('/metrics');
  expect(answer.status, answer.text).to.equal(200);
  return readExposition(answer.text);
}

/** The series of a metric, by its labels. */
async function read(served: Served, name: string): Promise<Record<string, number>> {
  const metric = (await scrape(served)).get(name);
  if (!metric) throw new Error(`there is no metric ${name}`);
  return Object.fromEntries(metric.series);
}

/** Places an order and resolves with its id. */
async function place(orders: Served, userId = 'ann', qty = 1): Promise<string> {
  const { status, body, text } = await orders.post(`/${userId}/orders`, { productId, qty });
  expect(status, text).to.equal(202);
  return body.orderId as string;
}

async function pay(orders: Served, orderId: string, amount = 1500): Promise<void> {
  await orders.consume(
    eventOf(
      'payment.completed',
      { orderId, userId: 'ann', amount, items: [{ productId, qty: 1 }] },
      { subject: orderId },
    ),
  );
}

async function reserve(orders: Served, orderId: string): Promise<void> {
  await orders.consume(
    eventOf('inventory.reserved', { orderId, items: [{ productId, qty: 1 }] }, { subject: orderId }),
  );
}

async function refuse(orders: Served, orderId: string): Promise<void> {
  const data = { orderId, userId: 'ann', amount: 1500, reason: 'insufficient_funds' as const };
  await orders.consume(eventOf('payment.failed', data, { subject: orderId }));
}

for (const [name, serve, catalogue] of [
  ['order-service', serveOrders, { ...serviceMetrics, ...orderMetrics }],
  ['payment-service', servePayments, serviceMetrics],
  ['inventory-service', serveInventory, serviceMetrics],
] as [string, () => Promise<Served>, MetricCatalogue][])
  describe(`the metrics of ${name}`, () => {
    let served: Served;
    before(async () => {
      served = await serve();
    });
    after(() => served.close());

    for (const path of ['/metrics', `/${name}/metrics`])
      it(`are at ${path}, in the text format of Prometheus`, async () => {
        const { status, headers, text } = await served.get(path);
        expect([status, headers['content-type']]).to.deep.equal([200, 'text/plain; version=0.0.4; charset=utf-8']);
        expect(readExposition(text).size).to.be.greaterThan(20);
      });

    it('are those of the catalogue, each with its help and its kind, and no other', async () => {
      const metrics = await scrape(served);
      for (const [metric, { kind, help }] of Object.entries(catalogue))
        expect(metrics.get(metric), metric).to.include({ kind, help });
      const own = [...metrics].filter(([metric]) => metric.startsWith('saga_'));
      const ofHistogram = /_(?:bucket|sum|count)$/;
      expect(own.map(([metric]) => metric).filter((metric) => !ofHistogram.test(metric))).to.have.members(
        Object.keys(catalogue),
      );
    });

    it('have those of the process among them, its event-loop lag included', async () => {
      const metrics = await scrape(served);
      for (const metric of [
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_p99_seconds',
      ])
        expect(metrics.get(metric)?.series.get(''), metric).to.be.a('number');
    });

    it('satisfy promtool check metrics', async function () {
      const { text } = await served.get('/metrics');
      const own = text.split('\n').filter((line) => /^(?:# \w+ )?saga_/.test(line));
      const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        input: `${own.join('\n')}\n`,
      });
      if (error) {
        if (this.test) this.test.title += ' (skipped: promtool is not installed)';
        this.skip();
      }
      expect([status, `${stdout}${stderr}`]).to.deep.equal([0, '']);
    });

    it('have every outcome that can come about from the start, with 0', async () => {
      for (const [labels, value] of Object.entries(await read(served, 'saga_events_handled_total')))
        expect(value, labels).to.equal(0);
      expect(await read(served, 'saga_events_handled_total')).to.not.deep.equal({});
    });
  });

describe('the metrics of order-service after known traffic', () => {
  let orders: Served;
  const serve = async (options?: ServeOptions): Promise<void> => {
    orders = await serveOrders(options);
    await orders.consumeProduct();
  };
  afterEach(async () => {
    await orders.close();
    removeDatabases();
  });

  it('count events by type and outcome, duplicates, and dead letters by reason', async () => {
    await serve();
    const [confirmed, contradicted] = [await place(orders), await place(orders)];
    await pay(orders, confirmed);
    const reserved = eventOf(
      'inventory.reserved',
      { orderId: confirmed, items: [{ productId, qty: 1 }] },
      { subject: confirmed },
    );
    await orders.consume(reserved);
    await orders.consume(reserved);
    await pay(orders, contradicted, 1);
    await orders.bus.deliver(Buffer.from('not JSON')).acked;

    const handled = await read(orders, 'saga_events_handled_total');
    expect(handled).to.include({
      'type="product.updated",outcome="noted"': 1,
      'type="payment.completed",outcome="noted"': 1,
      'type="inventory.reserved",outcome="order.confirmed"': 1,
      'type="payment.failed",outcome="order.cancelled"': 0,
    });
    const duplicates = await read(orders, 'saga_events_duplicate_total');
    expect(duplicates).to.include({ 'type="inventory.reserved"': 1, 'type="payment.completed"': 0 });
    const dead = await read(orders, 'saga_events_dead_lettered_total');
    expect(Object.entries(dead).filter(([, value]) => value > 0)).to.have.deep.members([
      ['type="payment.completed",reason="contradictory"', 1],
      ['type="unreadable",reason="not-json"', 1],
    ]);
  });

  it('count orders by status, by the service that they wait for, and tell the age of the oldest', async () => {
    let shiftMs = 0;
    await serve({ clock: { ...systemClock, nowMs: () => Date.now() + shiftMs }, settings: longDeadline });
    const [paid, , refused, confirmed] = [
      await place(orders),
      await place(orders),
      await place(orders),
      await place(orders),
    ];
    await pay(orders, paid);
    await refuse(orders, refused);
    await pay(orders, confirmed);
    await reserve(orders, confirmed);
    const withdrawn = await place(orders);
    await orders.post(`/orders/${withdrawn}/cancel`);
    shiftMs = 1_000_000;

    expect(await read(orders, 'saga_orders')).to.deep.equal({
      'status="pending"': 2,
      'status="cancelling"': 1,
      'status="confirmed"': 1,
      'status="cancelled"': 1,
    });
    expect(await read(orders, 'saga_orders_waiting')).to.deep.equal({
      'waits_for="payment-service"': 2,
      'waits_for="inventory-service"': 2,
    });
    const ages = await read(orders, 'saga_orders_oldest_waiting_age_seconds');
    expect(Object.keys(ages)).to.have.lengthOf(2);
    for (const age of Object.values(ages)) expect(age).to.be.within(1_000, 2_000);
  });

  it('tell how long sagas took, from the placing of the order to its end, by outcome', async () => {
    let shiftMs = 0;
    await serve({ clock: { ...systemClock, nowMs: () => Date.now() + shiftMs }, settings: longDeadline });
    const [confirmed, refused] = [await place(orders), await place(orders)];
    await refuse(orders, refused);
    shiftMs = 1_000_000;
    await pay(orders, confirmed);
    await reserve(orders, confirmed);

    expect(await read(orders, 'saga_duration_seconds_count')).to.deep.equal({
      'outcome="confirmed"': 1,
      'outcome="cancelled"': 1,
    });
    expect(await read(orders, 'saga_duration_seconds_bucket')).to.include({
      'le="300",outcome="confirmed"': 0,
      'le="3600",outcome="confirmed"': 1,
      'le="300",outcome="cancelled"': 1,
    });
  });

  it('show what waits in the outbox, how old the oldest of it is, and what the broker has not confirmed', async () => {
    let shiftMs = 0;
    await serve({ clock: { ...systemClock, nowMs: () => Date.now() + shiftMs } });
    expect(await read(orders, 'saga_outbox_oldest_event_age_seconds')).to.deep.equal({ '': 0 });
    orders.bus.autoAnswer = undefined;
    await place(orders);
    await place(orders);
    shiftMs = 1_000_000;
    expect(await read(orders, 'saga_outbox_events')).to.deep.equal({ '': 2 });
    expect(await read(orders, 'saga_outbox_events_limit')).to.deep.equal({ '': 50 });
    expect(await read(orders, 'saga_broker_unconfirmed_messages')).to.deep.equal({ '': 2 });
    expect((await read(orders, 'saga_outbox_oldest_event_age_seconds'))['']).to.be.within(1_000, 2_000);

    orders.bus.answerOpen('confirmed');
    await orders.drained();
    expect(await read(orders, 'saga_outbox_events')).to.deep.equal({ '': 0 });
    expect(await read(orders, 'saga_outbox_oldest_event_age_seconds')).to.deep.equal({ '': 0 });
  });

  it('show the events that no queue is bound for, by routing key', async () => {
    await serve();
    orders.bus.autoAnswer = 'unroutable';
    await place(orders);
    await orders.bus.next('order.placed');
    await orders.bus.answered();
    expect(await read(orders, 'saga_outbox_unroutable_events')).to.deep.equal({ 'routing_key="order.placed"': 1 });
  });

  it('show the size and the duration of each group commit', async () => {
    await serve();
    const before = (await read(orders, 'saga_group_commit_works_count'))[''] ?? 0;
    await place(orders);
    const after = (await read(orders, 'saga_group_commit_works_count'))[''] ?? 0;
    expect(after).to.be.greaterThan(before);
    expect((await read(orders, 'saga_group_commit_duration_seconds_count'))['']).to.be.at.least(after);
    expect((await read(orders, 'saga_group_commit_works_sum'))['']).to.be.at.least(after);
  });

  it('show both connections to the broker, and how often they were made again', async () => {
    await serve();
    expect(await read(orders, 'saga_broker_connected')).to.deep.equal({
      'connection="publisher"': 1,
      'connection="consumer"': 1,
    });
    orders.bus.disconnect();
    expect(await read(orders, 'saga_broker_connected')).to.deep.equal({
      'connection="publisher"': 0,
      'connection="consumer"': 0,
    });
    orders.bus.connect();
    expect(await read(orders, 'saga_broker_reconnects_total')).to.deep.equal({
      'connection="publisher"': 1,
      'connection="consumer"': 1,
    });
  });

  it('show the depths of the queues, and ask the broker for them once, however often they are read', async () => {
    await serve();
    orders.bus.waiting = 7;
    orders.bus.deadLettersWaiting = 3;
    for (let time = 0; time < 20; time += 1) {
      const metrics = await scrape(orders);
      expect(metrics.get('saga_queue_messages')?.series.get('')).to.equal(7);
      expect(metrics.get('saga_dead_letter_queue_messages')?.series.get('')).to.equal(3);
    }
    expect(orders.bus.deadLetterQuestions).to.equal(1);
  });

  it('leave the depths of the queues out where the broker cannot be asked', async () => {
    await serve();
    orders.bus.disconnect();
    expect(await read(orders, 'saga_queue_messages')).to.deep.equal({});
    expect(await read(orders, 'saga_dead_letter_queue_messages')).to.deep.equal({});
  });

  it('show the state of reconciliation with each publisher', async () => {
    await serve();
    const states = await read(orders, 'saga_reconciliation_state');
    expect(states).to.include({
      'publisher="payment-service",state="off"': 1,
      'publisher="payment-service",state="reconciled"': 0,
      'publisher="inventory-service",state="off"': 1,
    });
    expect(await read(orders, 'saga_reconciliation_fetched_events_total')).to.include({
      'publisher="payment-service"': 0,
    });
    expect(await read(orders, 'saga_reconciliation_unknown_events_total')).to.include({
      'publisher="payment-service"': 0,
    });
  });

  it('have no label that a customer, an order or a foreign message could have made', async () => {
    await serve();
    const traffic = async (userId: string, bytes: string): Promise<void> => {
      const orderId = await place(orders, userId);
      await orders.get(`/orders/${orderId}`);
      await orders.get(`/${userId}/nowhere`);
      await orders.post(`/orders/${orderId}/cancel`);
      await orders.bus.deliver(Buffer.from(bytes), { routingKey: userId, messageId: userId }).acked;
      await orders.bus.deliver(
        Buffer.from(JSON.stringify({ ...eventOf('payment.failed'), type: `of.${userId}`, source: userId })),
        { routingKey: userId },
      ).acked;
    };
    const seriesNow = async (): Promise<string[]> =>
      [...(await scrape(orders))]
        .filter(([name]) => name.startsWith('saga_'))
        .flatMap(([name, { series }]) => [...series.keys()].map((labels) => `${name}{${labels}}`));
    await traffic('first-customer', 'not JSON');
    const before = await seriesNow();
    await traffic('second-customer', 'not JSON either');
    expect(await seriesNow()).to.have.members(before);
    expect(before.join('\n')).to.not.match(/customer|[0-9a-f]{8}-/);
  });
});

describe('GET /metrics of order-service in trouble', () => {
  let orders: Served;
  afterEach(async () => {
    await orders.close();
    removeDatabases();
  });

  it('is answered while another process holds the lock, with what the database holds', async () => {
    const path = newDatabasePath();
    orders = await serveOrders({ path });
    await orders.consumeProduct();
    await place(orders);
    await orders.drained();
    const other = new Sqlite(path);
    other.exec('BEGIN EXCLUSIVE');
    let answered = false;
    const locked = orders.post('/ann/orders', { productId, qty: 1 }).then((answer) => {
      answered = true;
      return answer;
    });
    // The lock is released only below: whatever waits for it would not be answered here.
    const metrics = await scrape(orders);
    expect(answered, 'the write waits').to.equal(false);
    expect(metrics.get('saga_orders')?.series.get('status="pending"')).to.equal(1);
    other.exec('COMMIT');
    other.close();
    expect((await locked).status).to.equal(202);
    expect(await read(orders, 'saga_orders')).to.include({ 'status="pending"': 2 });
  });

  it('leaves out what cannot be read, and has the rest', async () => {
    orders = await serveOrders();
    orders.node.journal.writtenAtMs = () => {
      throw new TransientError('database is locked');
    };
    orders.bus.autoAnswer = undefined;
    await orders.consumeProduct();
    await place(orders);
    const metrics = await scrape(orders);
    expect([...(metrics.get('saga_outbox_oldest_event_age_seconds')?.series ?? [])]).to.deep.equal([]);
    expect(metrics.get('saga_outbox_events')?.series.get('')).to.equal(1);
  });

  it('says so when the last write has failed', async () => {
    orders = await serveOrders();
    expect(await read(orders, 'saga_database_writable')).to.deep.equal({ '': 1 });
    orders.db.pragma('query_only = 1');
    await orders.node.transact(() => orders.db.exec('DELETE FROM suspects'), orders.node.newCause()).catch(() => {});
    expect(await read(orders, 'saga_database_writable')).to.deep.equal({ '': 0 });
    orders.db.pragma('query_only = 0');
  });

  it('is answered when it is asked many times at once, each time in full', async () => {
    orders = await serveOrders();
    const answers = await Promise.all(Array.from({ length: 50 }, () => scrape(orders)));
    for (const metrics of answers) expect(metrics.get('saga_orders')?.series.size).to.equal(4);
  });
});
