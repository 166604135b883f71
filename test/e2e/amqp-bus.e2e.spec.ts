// The bus over a real RabbitMQ keeps the same promises as the simulated one; what it measures is true.
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import { deadLetterExchange, deadLetterQueueOf, topologyFor, wholeTopology } from '../../shared/contract/topology.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { Bus, Delivery, PublishOutcome } from '../../shared/runtime/messaging/bus.ts';
import { AmqpBus } from '../../shared/runtime/rabbitmq/amqp-bus.ts';
import { newVhost, testBroker, vhostOf } from '../support/broker.ts';
import { busSuite } from '../support/bus-suite.ts';
import { withChannel } from '../support/tap.ts';
import { eventually } from '../support/wait.ts';

let amqpUrl: string | undefined;

busSuite('RabbitMQ', async () => {
  amqpUrl ??= await newVhost();
  const url = amqpUrl;
  await withChannel(url, async (channel) => {
    for (const { name } of wholeTopology(choreography).queues) await channel.deleteQueue(name);
  });
  const buses = new Map<Bus, string>();
  return {
    bus: (service) => {
      const bus = new AmqpBus({
        url,
        service,
        topology: topologyFor(service, choreography),
        prefetch: 100,
        log: silentLog,
        databaseId: 'one',
        refused: () => {},
      });
      buses.set(bus, service);
      return bus;
    },
    until: async (what, holds) => {
      await eventually(what, holds);
    },
    // Long enough for what a broker would wrongly deliver to arrive: the absence of something has no signal.
    pause: () => new Promise((resolve) => setTimeout(resolve, 300)),
    // Only its own: another bus that is cut on the side would lose what the test publishes over it.
    cut: async (bus) => {
      const broker = await testBroker();
      const vhost = vhostOf(url);
      const connections = await broker.rabbitmqctl(['list_connections', '-q', 'pid', 'vhost', 'client_properties']);
      const own = connections
        .split('\n')
        .filter((line) => line.includes(vhost) && line.includes(`"${buses.get(bus)} `));
      if (own.length === 0) throw new Error(`no connections of ${buses.get(bus)} in:\n${connections}`);
      await Promise.all(
        own.map((line) => broker.rabbitmqctl(['close_connection', line.split('\t')[0] ?? '', 'a test cuts the line'])),
      );
    },
    end: async () => {
      await Promise.all([...buses.keys()].map((bus) => bus.stop()));
    },
  };
});

describe('the bus over several addresses', () => {
  it('goes on to the next one when nobody answers at the first', async () => {
    const [free] = await freePorts(1);
    const url = `amqp://127.0.0.1:${free},${await newVhost()}`;
    const service = 'payment-service';
    const topology = topologyFor(service, choreography);
    const refused = () => {};
    const bus = new AmqpBus({ url, service, topology, prefetch: 1, log: silentLog, databaseId: 'one', refused });
    try {
      bus.start({ delivered() {}, publishingChanged() {} });
      await eventually(
        'both connections',
        () => bus.status(),
        ({ publisher, consumer }) => publisher === 'connected' && consumer === 'connected',
      );
    } finally {
      await bus.stop();
    }
  });
});

describe('a RabbitMQ that is short of something', () => {
  const service = 'payment-service';
  const route = { exchange: 'payment.events', routingKey: 'payment.completed' };
  let url: string;
  let bus: AmqpBus;
  let got: Delivery[];

  async function start(prefetch: number): Promise<void> {
    url = await newVhost();
    got = [];
    const topology = topologyFor(service, choreography);
    const refused = () => {};
    bus = new AmqpBus({ url, service, topology, prefetch, log: silentLog, databaseId: 'one', refused });
    bus.start({ delivered: (delivery) => void got.push(delivery), publishingChanged() {} });
    await eventually('both connections', () => bus.canPublish() && bus.status().consumer === 'connected');
  }
  afterEach(() => bus?.stop());

  const publish = (messageId: string, to: { exchange: string; routingKey: string } = route) =>
    new Promise<PublishOutcome>((resolve) =>
      bus.publish({ ...to, messageId, contentType: 'text/plain', mandatory: true, body: Buffer.from('x') }, resolve),
    );

  it('of memory: it blocks publishing and not consuming, and what it took nevertheless is confirmed once it has room', async () => {
    await start(10);
    const broker = await testBroker();
    try {
      await broker.rabbitmqctl(['set_vm_memory_high_watermark', '0.0000001']);
      // RabbitMQ blocks a connection when that publishes.
      const outcome = publish('one');
      await eventually('publishing to be blocked', () => !bus.canPublish());
      expect(bus.status()).to.include({ publisher: 'blocked', consumer: 'connected' });
      await broker.rabbitmqctl(['set_vm_memory_high_watermark', '0.4']);
      await eventually('publishing to be possible again', () => bus.canPublish());
      expect(await outcome).to.equal('confirmed');
      expect(await publish('two')).to.equal('confirmed');
    } finally {
      await broker.rabbitmqctl(['set_vm_memory_high_watermark', '0.4']);
    }
  });

  it('of room in a queue: it nacks, and that is not taken for a confirm', async () => {
    await start(10);
    await withChannel(url, async (channel) => {
      const { queue } = await channel.assertQueue('small', {
        durable: true,
        arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
      });
      await channel.bindQueue(queue, route.exchange, route.routingKey);
      expect(await publish('one')).to.equal('confirmed');
      expect(await publish('two')).to.equal('nacked');
      await channel.purgeQueue(queue);
      expect(await publish('three')).to.equal('confirmed');
    });
  });

  it('of hands: it delivers as many as may be unacked, and one more for each ack', async () => {
    await start(3);
    const own = { exchange: '', routingKey: service };
    await Promise.all(Array.from({ length: 6 }, (_, number) => publish(`m-${number}`, own)));
    await eventually('three deliveries', () => got.length === 3);
    // The broker has answered a question since, over the connection that it delivers on.
    expect(await new Promise((resolve) => bus.backlog(resolve))).to.equal(3);
    expect(got).to.have.lengthOf(3);
    got[0]?.ack();
    await eventually('the next one', () => got.length === 4);
    expect(await new Promise((resolve) => bus.backlog(resolve))).to.equal(2);
    expect(got).to.have.lengthOf(4);
  });
});

describe('what the bus over RabbitMQ measures', () => {
  it('is the depth of the dead-letter queue, what is unconfirmed, and how often each connection was made again', async () => {
    const url = await newVhost();
    const service = 'payment-service';
    const bus = new AmqpBus({
      url,
      service,
      topology: topologyFor(service, choreography),
      prefetch: 100,
      log: silentLog,
      databaseId: 'one',
      refused: () => {},
    });
    const connected = () => bus.status().publisher === 'connected' && bus.status().consumer === 'connected';
    const deadLetters = () => new Promise<number | undefined>((resolve) => bus.deadLetters(resolve));
    try {
      expect(await deadLetters(), 'without a connection').to.equal(undefined);
      bus.start({ delivered() {}, publishingChanged() {} });
      await eventually('both connections', connected);
      expect(bus.traffic()).to.deep.equal({ unconfirmed: 0, reconnects: { publisher: 0, consumer: 0 } });
      await new Promise<void>((resolve) => {
        const message = { messageId: 'one', contentType: 'text/plain', mandatory: true, body: Buffer.from('x') };
        const route = { exchange: deadLetterExchange, routingKey: deadLetterQueueOf(service) };
        bus.publish({ ...message, ...route }, () => resolve());
        expect(bus.traffic().unconfirmed).to.equal(1);
      });
      expect(bus.traffic().unconfirmed).to.equal(0);
      expect(await deadLetters()).to.equal(1);
      const broker = await testBroker();
      await broker.rabbitmqctl(['close_all_connections', '--vhost', vhostOf(url), 'a test cuts the line']);
      await eventually('both connections again', () => {
        const { publisher, consumer } = bus.traffic().reconnects;
        return connected() && publisher > 0 && consumer > 0;
      });
      expect(bus.traffic().reconnects).to.deep.equal({ publisher: 1, consumer: 1 });
    } finally {
      await bus.stop();
    }
  });
});
