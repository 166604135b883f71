// Consuming over AMQP, held against a scripted broker: what is acked and when, whose queue it is, and what is noticed.
import { expect } from 'chai';
import { choreography } from '../../shared/contract/choreography.ts';
import { ownPart, topologyFor } from '../../shared/contract/topology.ts';
import type { Fields } from '../support/amqp-wire.ts';
import { BusOnScript, service } from '../support/bus-on-script.ts';
import { eventually } from '../support/wait.ts';

const topology = topologyFor(service, choreography);
const ownerQueue = `${service}.owner`;

/** Acks as the broker got them: `2+` is the second and all before it. */
function acksOf(on: BusOnScript): string[] {
  return on
    .consumer()
    .all('BasicAck')
    .map(({ fields }) => `${fields['deliveryTag']}${fields['multiple'] ? '+' : ''}`);
}

describe('the setup of a consumer', () => {
  let on: BusOnScript;
  afterEach(() => on.end());

  it('bounds what may be unacked on its channel before it consumes, and holds the queue for its database before that', async () => {
    on = await BusOnScript.connected({ prefetch: 7 });
    const { methods } = on.consumer();
    const consume = methods.findIndex(({ name, fields }) => name === 'BasicConsume' && fields['queue'] === service);
    expect(methods[consume]?.fields).to.include({ noAck: false });
    const before = methods.slice(0, consume);
    expect(
      before.find((method) => method.name === 'BasicQos' && method.channel === methods[consume]?.channel)?.fields,
    ).to.include({
      prefetchCount: 7,
    });
    const owner = before.find(({ name, fields: { queue } }) => name === 'QueueDeclare' && queue === ownerQueue);
    expect(owner?.fields).to.deep.include({
      durable: true,
      autoDelete: false,
      arguments: {
        'x-queue-type': 'quorum',
        'x-expires': 15_000,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'one',
      },
    });
    expect(
      before.some(({ name, fields: { queue, noAck } }) => name === 'BasicConsume' && queue === ownerQueue && noAck),
    ).to.equal(true);
  });

  it('declares each exchange, queue and binding of the topology, on both connections', async () => {
    on = await BusOnScript.connected();
    for (const connection of [on.publisher(), on.consumer()]) {
      const declared = (name: string, keys: readonly string[]) =>
        connection.all(name).map(({ fields }) => keys.map((key) => fields[key]));
      expect(declared('ExchangeDeclare', ['exchange', 'type', 'durable'])).to.deep.equal(
        topology.exchanges.map(({ name, type }) => [name, type, true]),
      );
      expect(
        declared('QueueDeclare', ['queue', 'durable', 'arguments']).filter(([queue]) => queue !== ownerQueue),
      ).to.deep.equal(topology.queues.map((queue) => [queue.name, true, queue.arguments]));
      expect(declared('QueueBind', ['queue', 'exchange', 'routingKey'])).to.deep.equal(
        topology.bindings.map(({ queue, exchange, routingKey }) => [queue, exchange, routingKey]),
      );
    }
  });
});

describe('a message that was delivered over AMQP', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  async function deliver(count: number) {
    const consumer = on.consumer();
    for (let n = 1; n <= count; n += 1) consumer.deliver(`body ${n}`);
    return on.delivered(count);
  }
  const acked = (count: number) => eventually(`${count} acks`, () => acksOf(on).length >= count);

  it('is handed over as it came', async () => {
    const properties = { messageId: 'm', contentType: 'application/cloudevents+json', headers: { 'x-cause': 'none' } };
    on.consumer().deliver('żółć', properties);
    const [delivery] = await on.delivered(1);
    expect(delivery?.body.toString()).to.equal('żółć');
    expect(delivery).to.deep.include({
      ...properties,
      exchange: 'order.events',
      routingKey: 'order.placed',
      redelivered: false,
      returns: 0,
    });
  });

  it('has been returned as often as the broker has counted; once if it is redelivered and was not counted', async () => {
    on.consumer().deliver('a', { headers: { 'x-delivery-count': 3 } }, true);
    on.consumer().deliver('b', {}, true);
    const deliveries = await on.delivered(2);
    expect(deliveries.map(({ returns, redelivered }) => [returns, redelivered])).to.deep.equal([
      [3, true],
      [1, true],
    ]);
  });

  it('is not acked because a later one is done', async () => {
    const deliveries = await deliver(5);
    for (const index of [0, 1, 3]) deliveries[index]?.ack();
    await acked(2);
    await on.quiet();
    expect(acksOf(on)).to.deep.equal(['2+', '4']);
    deliveries[4]?.ack();
    deliveries[2]?.ack();
    await acked(3);
    await on.quiet();
    expect(acksOf(on)).to.deep.equal(['2+', '4', '5+']);
  });

  it('is acked once, however often that is asked for, at once or later', async () => {
    const [delivery] = await deliver(1);
    delivery?.ack();
    delivery?.ack();
    await acked(1);
    delivery?.ack();
    delivery?.reject();
    // The next ack would take a second one of the first with it.
    (await deliver(2))[1]?.ack();
    await acked(2);
    expect(acksOf(on)).to.deep.equal(['1+', '2+']);
    expect(on.consumer().has('BasicReject')).to.equal(false);
  });

  it('is rejected for good, and its neighbours are not', async () => {
    const deliveries = await deliver(3);
    deliveries[1]?.reject();
    deliveries[0]?.ack();
    deliveries[2]?.ack();
    const { fields } = await on.consumer().method('BasicReject');
    expect(fields).to.include({ deliveryTag: 2, requeue: false });
    await acked(1);
    expect(acksOf(on), 'the broker waits for its neighbours only').to.deep.equal(['3+']);
  });

  it('is acked before an orderly end: none comes again', async () => {
    for (const delivery of await deliver(3)) delivery.ack();
    const consumer = on.consumer();
    await on.bus.stop();
    const names = consumer.methods.map(({ name }) => name);
    expect(consumer.all('BasicAck').map(({ fields }) => fields['deliveryTag'])).to.deep.equal([3]);
    expect(names.indexOf('BasicAck')).to.be.lessThan(names.indexOf('ConnectionClose'));
  });

  it('is neither acked nor rejected over another connection than its own', async () => {
    const old = await deliver(2);
    old[0]?.ack();
    on.consumer().cut();
    await eventually('the loss to be noticed', () => on.bus.status().consumer === 'connecting');
    old[1]?.ack();
    await on.advanceUntil('the consumer to be back', () => on.bus.status().consumer === 'connected', 100);
    for (const delivery of old) {
      delivery.ack();
      delivery.reject();
    }
    on.consumer().deliver('one');
    on.consumer().deliver('two');
    (await on.delivered(4))[2]?.ack();
    await acked(1);
    await on.quiet();
    expect(acksOf(on)).to.deep.equal(['1+']);
    expect(on.consumer().has('BasicReject')).to.equal(false);
  });

  it('after stopConsuming is not handed over, even if it was on its way; what was handed over can be acked', async () => {
    const [delivery] = await deliver(1);
    const consumer = on.consumer();
    const cancelled = on.bus.stopConsuming();
    consumer.deliver('too late');
    await cancelled;
    expect(consumer.all('BasicCancel')).to.have.lengthOf(1);
    await on.quiet();
    expect(on.deliveries).to.have.lengthOf(1);
    delivery?.ack();
    await acked(1);
    expect(acksOf(on)).to.deep.equal(['1+']);
    consumer.cut();
    await on.advanceUntil('the consumer to be connected again', () => on.bus.traffic().reconnects.consumer > 0, 100);
    await on.quiet();
    const next = on.broker.connections.filter((connection) => connection.is('consumer')).at(-1);
    expect(
      next?.all('BasicConsume').some(({ fields }) => fields['queue'] === service),
      'consumes again',
    ).to.equal(false);
  });
});

describe('a consumer that gets nothing any more, over a connection that looks healthy', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  const comesBack = () =>
    on.advanceUntil('the consumer to consume again', () => on.began === 2 && on.consumer().has('BasicConsume'));

  const faults: Readonly<Record<string, () => void>> = {
    'its queue is deleted': () => on.consumer().cancelConsumer(service),
    'the queue that holds it for its database is deleted': () => on.consumer().cancelConsumer(ownerQueue),
    'the broker closes its channel': () =>
      on.consumer().closeChannel(1, { replyCode: 404, replyText: "NOT_FOUND - no queue 'payment-service'" }),
    'the broker closes the channel that holds it for its database': () =>
      on.consumer().closeChannel(2, { replyCode: 541, replyText: 'INTERNAL_ERROR' }),
    'the broker lists no consumer of its queue, twice': () => on.broker.setQueue(service, { consumerCount: 0 }),
    'messages wait in its queue and none comes': () => on.broker.setQueue(service, { messageCount: 5 }),
  };
  for (const [fault, happens] of Object.entries(faults)) {
    it(`connects again when ${fault}`, async () => {
      const before = on.consumer();
      happens();
      await comesBack();
      expect(before.open).to.equal(false);
      expect(on.bus.status().consumer).to.equal('connected');
      expect(on.bus.traffic().reconnects).to.deep.equal({ publisher: 0, consumer: 1 });
    });
  }

  it('is looked at again 200 ms after the broker has listed none, not five seconds later', async () => {
    const before = on.consumer();
    on.broker.setQueue(service, { consumerCount: 0 });
    on.clock.advance(5_000);
    await on.quiet();
    expect(before.open, 'after one look').to.equal(true);
    on.clock.advance(200);
    await eventually('the connection to be given up', () => !before.open);
  });

  it('is left alone while messages come now and then, though others wait', async () => {
    on.broker.setQueue(service, { messageCount: 5 });
    for (let count = 1; count <= 12; count += 1) {
      on.consumer().deliver('one of many');
      (await on.delivered(count))[count - 1]?.ack();
      await eventually('its ack', () => acksOf(on).length === count);
      on.clock.advance(5_000);
      await on.quiet();
    }
    expect(on.bus.traffic().reconnects.consumer).to.equal(0);
  });

  it('is left alone while its prefetch is full: then none can come', async () => {
    on.broker.setQueue(service, { messageCount: 5 });
    on.consumer().deliver('in hand');
    await on.delivered(1);
    for (let seconds = 0; seconds < 60; seconds += 5) {
      on.clock.advance(5_000);
      await on.quiet();
    }
    expect(on.bus.traffic().reconnects.consumer).to.equal(0);
  });
});

describe('the topology', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  const bindings = () => on.consumer().all('QueueBind').length;
  const [whole, own] = [topology.bindings.length, ownPart(topology, service).bindings.length];

  it('is declared again: what it consumes from every 5 seconds, and what others consume from every 30', async () => {
    let declared = whole;
    for (let round = 1; round <= 13; round += 1) {
      on.clock.advance(4_999);
      await on.quiet();
      expect(bindings(), `before ${5 * round} s`).to.equal(declared);
      on.clock.advance(1);
      declared += round % 6 === 0 ? whole : own;
      await eventually(`the declaration after ${5 * round} s`, () => bindings() === declared);
      await on.quiet();
    }
  });

  it('that is refused later is retried, and takes nothing else with it: consuming goes on', async () => {
    const replyText = "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'payment-service'";
    on.broker.refuses = { method: 'QueueDeclare', queue: service, with: { replyCode: 406, replyText } };
    on.clock.advance(5_000);
    await eventually('the log to say so', () => on.lines.some(({ message }) => /could not be declared/.test(message)));
    on.consumer().deliver('one');
    await on.delivered(1);
    on.broker.refuses = undefined;
    await on.advanceUntil('it to be declared again', () => bindings() === whole + own, 5_000);
    expect(on.bus.traffic().reconnects).to.deep.equal({ publisher: 0, consumer: 0 });
  });

  it('says how many dead letters wait, as of the last look, and how many wait now', async () => {
    on.broker.setQueue(`${service}.dead-letters`, { messageCount: 3 });
    on.broker.setQueue(service, { messageCount: 8 });
    await on.advanceUntil('the last look', () => on.bus.status().deadLetters === 3, 5_000);
    const asked = await Promise.all([
      new Promise((resolve) => on.bus.backlog(resolve)),
      new Promise((resolve) => on.bus.deadLetters(resolve)),
    ]);
    expect(asked).to.deep.equal([8, 3]);
  });
});

describe('a queue that another database holds', () => {
  let on: BusOnScript;
  afterEach(() => on.end());

  const refusal = {
    method: 'QueueDeclare',
    queue: ownerQueue,
    with: { replyCode: 406, replyText: "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-routing-key' for queue" },
  };
  const consumes = ({ fields }: { readonly fields: Fields }) => fields['queue'] === service;

  async function refused(): Promise<BusOnScript> {
    const begun = await BusOnScript.begin();
    begun.broker.refuses = refusal;
    await begun.advanceUntil('the first refusal', () => begun.bus.status().lastError !== undefined, 100);
    return begun;
  }

  it('is not consumed, and after 25 s the process is told to end; not after 24', async () => {
    on = await refused();
    for (let ms = 0; ms < 24_000; ms += 500) {
      on.clock.advance(500);
      await on.quiet();
    }
    expect(on.refusals).to.deep.equal([]);
    await on.advanceUntil('the process to be told', () => on.refusals.length > 0, 500);
    expect(on.refusals[0]).to.match(/a process with another database consumes from the queue 'payment-service'/);
    expect(on.broker.connections.some((connection) => connection.all('BasicConsume').some(consumes))).to.equal(false);
    expect(on.bus.canPublish(), 'publishes meanwhile').to.equal(true);
  });

  it('is consumed once that has gone, and the 25 s begin anew', async () => {
    on = await refused();
    on.clock.advance(20_000);
    await on.quiet();
    on.broker.refuses = undefined;
    await on.advanceUntil('it to consume', () => on.bus.status().consumer === 'connected', 500);
    on.broker.refuses = refusal;
    on.consumer().cut();
    for (let ms = 0; ms < 20_000; ms += 500) {
      on.clock.advance(500);
      await on.quiet();
    }
    expect(on.refusals).to.deep.equal([]);
  });
});
