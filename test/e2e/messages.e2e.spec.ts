// Messages as they should not be: twice, unreadable, without a queue; and a topology that somebody has damaged.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { z } from 'zod';
import { ServiceProcess } from '../../local/service-process.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import { cloudEventContentType } from '../../shared/contract/cloud-event.ts';
import { servicesOf } from '../../shared/contract/language.ts';
import { wholeTopology } from '../../shared/contract/topology.ts';
import { testBroker, vhostOf } from '../support/broker.ts';
import { http, type OrderView, type Readiness, SagaSystem } from '../support/saga-system.ts';
import { Tap, withChannel } from '../support/tap.ts';
import { eventually } from '../support/wait.ts';

const line = [{ productId: 'CUP', qty: 1 }];

describe('messages that go wrong', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  let tap: Tap;

  before(async () => {
    system = await SagaSystem.start();
    tap = await Tap.open(system.amqpUrl);
    await system.account('rich', 1_000_000);
    await system.product('CUP', 100, 500);
  });
  after(async () => {
    await tap?.close();
    await system?.stop();
  });

  it('finds the topology as the contract has it: exchanges, queues with their arguments, and bindings, and nothing else', async () => {
    const broker = await testBroker();
    const vhost = vhostOf(system.amqpUrl);
    const listed = async (what: string, ...columns: string[]) =>
      z
        .array(z.record(z.string(), z.unknown()))
        .parse(
          JSON.parse(await broker.rabbitmqctl([`list_${what}`, '-q', '-p', vhost, '--formatter', 'json', ...columns])),
        );
    const { exchanges, queues, bindings } = wholeTopology(choreography);

    const seenExchanges = await listed('exchanges', 'name', 'type', 'durable');
    expect(seenExchanges.filter(({ name }) => !/^$|^amq\./.test(String(name)))).to.have.deep.members(
      exchanges.map(({ name, type }) => ({ name, type, durable: true })),
    );
    // The tap's own queue has a name that the broker made up.
    const seenQueues = (await listed('queues', 'name', 'durable', 'arguments')).filter(
      ({ name }) => !String(name).startsWith('amq.gen-'),
    );
    const owners = servicesOf(choreography).map((service) => `${service}.owner`);
    expect(seenQueues.map(({ name }) => name)).to.have.members([...queues.map(({ name }) => name), ...owners]);
    for (const queue of queues) {
      const seen = seenQueues.find(({ name }) => name === queue.name);
      expect(seen?.['durable'], queue.name).to.equal(true);
      expect(argumentsOf(seen?.['arguments']), queue.name).to.deep.equal(queue.arguments);
    }
    const seenBindings = await listed('bindings', 'source_name', 'destination_name', 'routing_key');
    const names = new Set(queues.map(({ name }) => name));
    expect(
      // The default exchange has one for each queue, by itself.
      seenBindings.filter(({ source_name: source, destination_name: to }) => source !== '' && names.has(String(to))),
    ).to.have.deep.members(
      bindings.map(({ exchange, queue, routingKey }) => ({
        source_name: exchange,
        destination_name: queue,
        routing_key: routingKey,
      })),
    );
  });

  it('P6 Once: every event so far, published twice more, changes nothing', async () => {
    const orders = await Promise.all(
      Array.from({ length: 30 }, (_, index) => system.place(index % 3 === 0 ? 'nobody' : 'rich', line)),
    );
    const cancelled = await system.cancel(orders[1]?.orderId ?? '');
    expect(cancelled.status).to.be.oneOf([202, 409]);
    const before = await system.expectBalanced();
    const published = [...tap.messages];
    for (const message of [...published, ...published.reverse()]) tap.repeat(message);
    // The queues are first in, first out: when an order placed now has ended, all of that has been handled.
    const last = await system.place('rich', line, { prefer: 'wait=20' });
    expect(last.status).to.equal('confirmed');
    const after = await system.expectBalanced();
    expect(after.payment.charged).to.equal(before.payment.charged + 100);
    expect(after.payment.refunded).to.equal(before.payment.refunded);
    expect(after.inventory.reserved).to.equal(before.inventory.reserved + 1);
    expect(after.order.confirmed.orders).to.equal(before.order.confirmed.orders + 1);
  });

  it('P8 Nothing vanishes: what cannot be read is dead-lettered with its reason, and the rest flows', async () => {
    const event = tap.eventOf('order.placed');
    const fresh = { ...event, id: '01900000-0000-7000-8000-00000000abcd' };
    const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
    const poison: [string, Buffer, string | undefined][] = [
      ['not-json', Buffer.from('{"specversion":'), cloudEventContentType],
      ['not-json', Buffer.alloc(0), cloudEventContentType],
      ['not-json', Buffer.from([0xff, 0xfe, 0x00]), cloudEventContentType],
      ['wrong-content-type', bytes(fresh), 'text/plain'],
      ['wrong-content-type', bytes(fresh), undefined],
      ['not-a-cloudevent', bytes({ hello: 'world' }), cloudEventContentType],
      ['unknown-type', bytes({ ...fresh, type: 'order.exploded' }), cloudEventContentType],
      ['unknown-type', bytes({ ...fresh, type: '__proto__' }), cloudEventContentType],
      ['newer-version', bytes({ ...fresh, dataschema: 'urn:choreography-saga:order.placed:2' }), cloudEventContentType],
      ['wrong-source', bytes({ ...fresh, source: 'payment-service' }), cloudEventContentType],
      ['wrong-data', bytes({ ...fresh, data: { orderId: 1 } }), cloudEventContentType],
      ['wrong-data', bytes({ ...fresh, subject: '01900000-0000-7000-8000-000000000001' }), cloudEventContentType],
    ];
    // Too large to be stored: the broker dead-letters it as it is.
    const large = Buffer.alloc(10 * 1024 * 1024, 'x');
    for (const [, content, contentType] of [...poison, ['rejected', large, cloudEventContentType] as const]) {
      tap.channel.publish('', 'payment-service', content, {
        persistent: true,
        ...(contentType ? { contentType } : {}),
      });
    }
    const order = await system.place('rich', line, { prefer: 'wait=20' });
    expect(order.status).to.equal('confirmed');
    const all = await tap.deadLetters('payment-service', poison.length + 1);
    const rejected = all.filter(({ content }) => content.equals(large));
    expect(rejected.map(({ properties }) => properties.headers?.['x-first-death-reason'])).to.deep.equal(['rejected']);
    const dead = all.filter(({ content }) => !content.equals(large));
    expect(dead.map(({ properties }) => properties.headers?.['x-cause'])).to.deep.equal(
      poison.map(([reason]) => reason),
    );
    for (const [index, [, content]] of poison.entries()) {
      expect(dead[index]?.content.equals(content), 'the very bytes').to.equal(true);
      expect(dead[index]?.properties.headers).to.include({ 'x-dead-lettered-by': 'payment-service' });
      expect(dead[index]?.properties.headers?.['x-detail']).to.be.a('string').and.not.empty;
    }
  });

  it('P10 Bad input: an event that contradicts what the service knows is dead-lettered, and disturbs no other order', async () => {
    const event = tap.eventOf('payment.completed');
    const contradictory = {
      ...event,
      id: '01900000-0000-7000-8000-00000000abce',
      sequence: undefined,
      data: { ...event.data, amount: 1 },
    };
    tap.channel.publish('payment.events', 'payment.completed', Buffer.from(JSON.stringify(contradictory)), {
      persistent: true,
      contentType: cloudEventContentType,
    });
    const order = await system.place('rich', line, { prefer: 'wait=20' });
    expect(order.status).to.equal('confirmed');
    const [dead] = await tap.deadLetters('order-service', 1);
    expect(dead?.properties.headers).to.include({
      'x-cause': 'contradictory',
      'x-original-routing-key': 'payment.completed',
    });
    expect(dead?.properties.headers?.['x-detail']).to.include(String(event['subject']));
  });

  it('P6 Once: dead letters that are redriven take effect then, and redriving them twice changes nothing', async () => {
    const reason = 'newer-version';
    const event = tap.eventOf('order.placed');
    // Had taken effect long ago, and one that never can.
    const letters = [
      Buffer.from(JSON.stringify(event)),
      Buffer.from(JSON.stringify({ ...event, dataschema: 'urn:choreography-saga:order.placed:9' })),
    ];
    const before = await system.expectBalanced();
    for (const content of letters) {
      tap.channel.publish('', 'payment-service.dead-letters', content, {
        persistent: true,
        contentType: cloudEventContentType,
        headers: { 'x-cause': reason },
      });
    }
    for (let round = 0; round < 2; round += 1) {
      await eventually(
        'both to be dead letters',
        () => tap.channel.checkQueue('payment-service.dead-letters'),
        ({ messageCount }) => messageCount === 2 - round,
      );
      const list = await deadLettersTool(system.amqpUrl, 'list', 'payment-service');
      expect(list)
        .to.match(new RegExp(`payment-service: ${2 - round} dead letter`))
        .and.to.include(reason);
      expect(await deadLettersTool(system.amqpUrl, 'redrive', 'payment-service', '--reason', reason)).to.include(
        `${2 - round} dead ${round === 0 ? 'letters' : 'letter'} redriven`,
      );
    }
    expect((await tap.deadLetters('payment-service', 1))[0]?.properties.headers).to.include({ 'x-cause': reason });
    expect((await system.expectBalanced()).payment).to.deep.equal(before.payment);
  });

  it('P9 Sent is sent: a message without a queue is kept, and delivered as soon as the binding is back, which is declared again', async () => {
    // The tap would be a queue for it.
    await tap.close();
    const order = await withChannel(system.amqpUrl, async (channel) => {
      await channel.unbindQueue('payment-service', 'order.events', 'order.placed');
      return system.place('rich', line, { prefer: 'wait=20' });
    });
    expect(order.status).to.equal('confirmed');
    expect(
      system.logLines.some((text) => text.includes('no queue is bound') && text.includes('order.placed')),
    ).to.equal(true);
    await system.quiet();
  });

  it('declares an exchange again that was deleted', async () => {
    await withChannel(system.amqpUrl, async (channel) => {
      await channel.deleteExchange('payment.events');
      await channel.deleteExchange('order.events');
    });
    const { orderId } = await system.place('rich', line);
    expect((await system.ended(orderId)).status).to.equal('confirmed');
  });

  it('declares a queue again that was deleted', async () => {
    await withChannel(system.amqpUrl, async (channel) => {
      await channel.deleteQueue('inventory-service');
    });
    await eventually(
      'inventory-service to consume again',
      () => withChannel(system.amqpUrl, (channel) => channel.checkQueue('inventory-service')),
      ({ consumerCount }) => consumerCount === 1,
    );
    const { orderId } = await system.place('rich', line);
    expect((await system.ended(orderId)).status).to.equal('confirmed');
  });

  it('leaves totals that balance', () => system.expectBalanced());
});

describe('the topology on a real broker', function () {
  this.timeout(240_000);

  it('makes an order wait in the queue of a payment-service that has never been started', async () => {
    const system = await SagaSystem.prepare();
    try {
      await Promise.all([system.order.start(), system.inventory.start()]);
      await system.product('CUP', 100, 10);
      const { orderId } = await system.place('rich', line);
      const tap = await Tap.open(system.amqpUrl);
      await eventually(
        'the message in the queue',
        () => tap.channel.checkQueue('payment-service'),
        ({ messageCount }) => messageCount === 1,
      );
      await tap.close();
      expect((await system.view(orderId)).waitsFor[0]?.service).to.equal('payment-service');
      await system.payment.start();
      const ended: OrderView = await system.ended(orderId);
      expect([ended.status, ended.reason]).to.deep.equal(['cancelled', 'no_such_account']);
      await system.account('rich', 1_000);
      expect((await system.place('rich', line, { prefer: 'wait=20' })).status).to.equal('confirmed');
    } finally {
      await system.stop();
    }
  });

  it('is refused loudly, and without a hot loop, when a queue already exists with different arguments', async () => {
    const system = await SagaSystem.prepare();
    await withChannel(system.amqpUrl, (channel) => channel.assertQueue('payment-service', { durable: true }));
    const readiness = async () => (await http<Readiness>('GET', `${system.payment.url}/readyz`)).body;
    const complaints = () => system.logLines.filter((text) => text.includes('different arguments'));
    try {
      await system.payment.start();
      const { broker } = await eventually(
        'payment-service to say why it has no broker',
        readiness,
        (seen) => seen.broker.lastError !== undefined,
      );
      expect(broker.lastError).to.match(/PRECONDITION.FAILED/);
      await eventually('the log to say what to do', () => complaints().length > 0);
      await withChannel(system.amqpUrl, (channel) => channel.deleteQueue('payment-service'));
      await eventually('payment-service to be connected', readiness, (seen) => seen.broker.consumer === 'connected');
      // Two connections, each backing off from 0.1 s to 5 s: a hot loop would have complained hundreds of times.
      expect(complaints().length).to.be.lessThan(40);
    } finally {
      await system.stop();
    }
  });
});

/** Of a queue, as rabbitmqctl lists them: name, AMQP type and value. */
function argumentsOf(listed: unknown): Record<string, unknown> {
  return Object.fromEntries(
    z
      .array(z.tuple([z.string(), z.string(), z.unknown()]))
      .parse(listed)
      .map(([name, , value]) => [name, value]),
  );
}

async function deadLettersTool(amqpUrl: string, ...words: string[]): Promise<string> {
  const tool = fileURLToPath(new URL('../../tools/dead-letters.js', import.meta.url));
  const env = { ...process.env, AMQP_URL: amqpUrl };
  return (await promisify(execFile)(process.execPath, [tool, ...words], { env })).stdout;
}

describe('a service that cannot start', () => {
  it('names every setting that is wrong, and what is right, and exits', async () => {
    const service = new ServiceProcess({
      service: 'order-service',
      amqpUrl: 'http://localhost',
      dataDir: '/nonexistent-and-never-made',
      env: { PREFETCH: '0', LOG_LEVEL: 'loud', DATABASE_PATH: '/tmp/never.db' },
    });
    const error = await service.start().then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).to.match(/AMQP_URL: .*amqp:\/\//);
    expect(error?.message).to.match(/PREFETCH: '0' is wrong: must be at least 1/);
    expect(error?.message).to.match(/LOG_LEVEL: 'loud' is wrong: must be one of silent, error, warn, info, debug/);
    expect(error?.message).to.match(/exit code 78/);
  });
});
