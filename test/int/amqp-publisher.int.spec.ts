// Publishing over AMQP, held against a scripted broker: what became of each message, whatever the broker does.
import { expect } from 'chai';
import { readDelayMs } from '../../shared/runtime/rabbitmq/amqp-connection.ts';
import { readAtOnceFrom } from '../../shared/runtime/rabbitmq/publisher.ts';
import { BusOnScript } from '../support/bus-on-script.ts';
import { eventually } from '../support/wait.ts';

describe('a message that is published over AMQP', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  it('is persistent and says what it is; mandatory only if somebody must get it', async () => {
    on.publish({ headers: { 'x-cause': 'none' } });
    on.publish({ mandatory: false });
    const [first, second] = await on.publisher().messages(2);
    expect(first?.fields).to.include({ exchange: 'payment.events', routingKey: 'payment.completed', mandatory: true });
    expect(first?.properties).to.deep.include({
      deliveryMode: 2,
      messageId: 'm-1',
      type: 'payment.completed',
      correlationId: 'an-order',
      appId: 'payment-service',
      contentType: 'application/cloudevents+json',
      headers: { 'x-cause': 'none' },
    });
    expect(first?.body.toString()).to.equal('body of m-1');
    expect(second?.fields).to.include({ mandatory: false });
  });

  it('is confirmed by its own confirm, or by one for all up to a later one, and not before', async () => {
    const ids = [on.publish(), on.publish(), on.publish(), on.publish()];
    const publisher = on.publisher();
    await publisher.messages(4);
    publisher.confirm(2);
    expect(await on.answered('m-2')).to.deep.equal(['confirmed']);
    expect(on.outcomes(...ids)).to.deep.equal(['', 'confirmed', '', '']);
    expect(on.bus.traffic().unconfirmed).to.equal(3);
    publisher.confirm(3, true);
    expect(await on.answered('m-1', 'm-3')).to.deep.equal(['confirmed', 'confirmed']);
    expect(on.outcomes(...ids)).to.deep.equal(['confirmed', 'confirmed', 'confirmed', '']);
  });

  it('is nacked, and not taken for confirmed, when the broker cannot keep it; so are all up to a later one', async () => {
    const ids = [on.publish(), on.publish(), on.publish(), on.publish()];
    const publisher = on.publisher();
    await publisher.messages(4);
    publisher.confirm(1);
    publisher.nack(3, true);
    publisher.confirm(4);
    expect(await on.answered(...ids)).to.deep.equal(['confirmed', 'nacked', 'nacked', 'confirmed']);
    expect(publisher.open).to.equal(true);
  });

  it('is unroutable when it comes back before its confirm; the next one like it is not', async () => {
    on.publish();
    on.publish();
    const publisher = on.publisher();
    const [first] = await publisher.messages(2);
    if (first) publisher.giveBack(first);
    publisher.confirm(2, true);
    expect(await on.answered('m-1', 'm-2')).to.deep.equal(['unroutable', 'confirmed']);
    const again = on.publish({ messageId: 'm-1' });
    await publisher.messages(3);
    publisher.confirm(3);
    expect(await on.answered(again)).to.deep.equal(['confirmed']);
  });

  it('that comes back has the topology declared again, once for many of them, and again for the next', async () => {
    const [publisher, consumer] = [on.publisher(), on.consumer()];
    const declared = () => consumer.all('QueueBind').length;
    const whole = declared();
    for (let round = 1; round <= 2; round += 1) {
      for (let count = 0; count < 5; count += 1) on.publish();
      for (const message of (await publisher.messages(5 * round)).slice(-5)) publisher.giveBack(message);
      publisher.confirm(5 * round, true);
      await on.answered(`m-${5 * round}`);
      on.clock.advance(200);
      await eventually('every binding to be declared again', () => declared() === whole * (round + 1));
      await on.quiet();
      expect(declared()).to.equal(whole * (round + 1));
    }
  });

  it('that cannot be encoded is like one that is nacked, and the others go on', async () => {
    const ids = [on.publish({ routingKey: 'x'.repeat(256) }), on.publish()];
    const publisher = on.publisher();
    await publisher.messages(1);
    publisher.confirm(1);
    expect(await on.answered(...ids)).to.deep.equal(['nacked', 'confirmed']);
  });
});

describe('confirms', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  async function publishAndConfirm(count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => on.publish());
    const publisher = on.publisher();
    const { length } = await publisher.messages(publisher.published.length + count);
    publisher.confirm(length, true);
    await on.quiet();
    return ids;
  }

  it(`are read together, ${readDelayMs} ms after the first message was published, and then those of the next`, async () => {
    for (let round = 1; round <= 2; round += 1) {
      const ids = await publishAndConfirm(1);
      on.clock.advance(readDelayMs - 1);
      ids.push(...(await publishAndConfirm(1)));
      expect(on.outcomes(...ids), `round ${round}`).to.deep.equal(['', '']);
      on.clock.advance(1);
      await eventually('both confirms', () => on.outcomes(...ids).every((outcome) => outcome === 'confirmed'));
    }
  });

  it(`are read at once when ${readAtOnceFrom} messages wait for theirs`, async () => {
    const ids = await publishAndConfirm(readAtOnceFrom - 1);
    expect(on.outcomes(...ids.slice(-1))).to.deep.equal(['']);
    ids.push(...(await publishAndConfirm(1)));
    await eventually('every confirm', () => on.outcomes(...ids).every((outcome) => outcome === 'confirmed'));
  });

  it('leave no timer behind when the connection ends before they are read', async () => {
    await publishAndConfirm(1);
    await on.advanceUntil('the confirm', () => on.bus.traffic().unconfirmed === 0, readDelayMs);
    const { pending } = on.clock;
    await publishAndConfirm(1);
    on.publisher().cut();
    await on.advanceUntil('the publisher to be back', () => on.bus.traffic().reconnects.publisher === 1, readDelayMs);
    await on.quiet();
    expect(on.clock.pending).to.equal(pending);
  });
});

describe('messages on their way when the connection ends', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  const ends: Readonly<Record<string, (on: BusOnScript) => void>> = {
    'the line breaks': ({ broker }) => broker.connections.find((one) => one.is('publisher'))?.cut(),
    'the broker closes the connection': (on) => on.publisher().close(),
    'the broker closes the channel': (on) =>
      on.publisher().closeChannel(1, { replyCode: 541, replyText: 'INTERNAL_ERROR' }),
  };
  for (const [how, end] of Object.entries(ends)) {
    it(`are lost, each once, and those that were confirmed are not, when ${how}`, async () => {
      const ids = Array.from({ length: 10 }, () => on.publish());
      const publisher = on.publisher();
      await publisher.messages(10);
      publisher.confirm(3, true);
      await on.answered('m-3');
      end(on);
      const outcomes = await on.answered(...ids);
      expect(outcomes).to.deep.equal(ids.map((_, index) => (index < 3 ? 'confirmed' : 'lost')));
      expect(on.bus.canPublish()).to.equal(false);
      expect(on.bus.traffic().unconfirmed).to.equal(0);
      await on.advanceUntil('the publisher to be back', () => on.bus.canPublish(), 100);
      expect(on.bus.traffic().reconnects.publisher).to.equal(1);
      const again = on.publish();
      const next = on.publisher();
      await next.messages(1);
      expect(next.published).to.have.lengthOf(1);
      next.confirm(1);
      expect(await on.answered(again)).to.deep.equal(['confirmed']);
      expect(on.outcomes(...ids), 'by a confirm with a number that was theirs').to.deep.equal(outcomes);
    });
  }

  it('and one that is published when there is no connection, are lost', async () => {
    on.broker.leave();
    await eventually('the loss to be noticed', () => !on.bus.canPublish());
    expect(await on.answered(on.publish())).to.deep.equal(['lost']);
  });

  it('leave nothing of what had come back: the same message is confirmed over the next connection', async () => {
    on.publish();
    const publisher = on.publisher();
    const [first] = await publisher.messages(1);
    if (first) publisher.giveBack(first);
    await on.quiet();
    publisher.cut();
    await on.answered('m-1');
    await on.advanceUntil('the publisher to be back', () => on.bus.canPublish(), 100);
    const again = on.publish({ messageId: 'm-1' });
    await on.publisher().messages(1);
    on.publisher().confirm(1);
    expect(await on.answered(again)).to.deep.equal(['confirmed']);
  });
});

describe('a broker that is short of memory or disk', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
    on.publisher().block();
    await eventually('the bus to be blocked', () => !on.bus.canPublish());
  });
  afterEach(() => on.end());

  it('gets no more messages until it says so; status and listener know', async () => {
    expect(on.bus.status()).to.include({ publisher: 'blocked', consumer: 'connected' });
    expect(on.changes.at(-1), 'announced').to.equal(false);
    on.publisher().unblock();
    await eventually('the bus to be unblocked', () => on.bus.canPublish());
    expect(on.bus.status().publisher).to.equal('connected');
    expect(on.changes.at(-1), 'announced').to.equal(true);
  });

  it('goes on delivering, and taking acks', async () => {
    const tag = on.consumer().deliver('one');
    (await on.delivered(1))[0]?.ack();
    await on.consumer().method('BasicAck', ({ deliveryTag }) => deliveryTag === tag);
  });

  it('is not blocked any more over a new connection, until it says so again', async () => {
    on.publisher().cut();
    await on.advanceUntil('the publisher to be back', () => on.bus.canPublish(), 100);
    expect(on.bus.status().publisher).to.equal('connected');
  });

  it('is not given up for confirming nothing, and has half a minute from then on', async () => {
    on.publisher().unblock();
    await eventually('the bus to be unblocked', () => on.bus.canPublish());
    on.publish();
    await on.publisher().messages(1);
    on.publisher().block();
    on.clock.advance(readDelayMs);
    await eventually('the bus to be blocked', () => !on.bus.canPublish());
    const publisher = on.publisher();
    for (let minute = 0; minute < 10; minute += 1) on.clock.advance(60_000);
    await on.quiet();
    expect(publisher.open).to.equal(true);
    expect(on.outcomes('m-1')).to.deep.equal(['']);
    publisher.unblock();
    await eventually('the bus to be unblocked', () => on.bus.canPublish());
    on.clock.advance(29_000);
    await on.quiet();
    expect(publisher.open, 'half a minute begins when it takes messages again').to.equal(true);
    on.clock.advance(4_000);
    expect(await on.answered('m-1')).to.deep.equal(['lost']);
  });
});

describe('a broker that takes messages and confirms none', () => {
  let on: BusOnScript;
  beforeEach(async () => {
    on = await BusOnScript.connected();
  });
  afterEach(() => on.end());

  it('is given up after half a minute, what was on its way is lost, and the health says so until the next confirm', async () => {
    on.publish();
    const publisher = on.publisher();
    await publisher.messages(1);
    on.clock.advance(29_000);
    await on.quiet();
    expect(publisher.open, 'after 29 s').to.equal(true);
    expect(on.bus.status().confirmsNothing).to.equal(undefined);
    on.clock.advance(4_000);
    expect(await on.answered('m-1')).to.deep.equal(['lost']);
    expect(on.bus.status().confirmsNothing).to.equal(true);
    expect(await on.answered(on.publish()), 'without a connection').to.deep.equal(['lost']);
    expect(on.bus.status().confirmsNothing, 'that is no confirm').to.equal(true);
    await on.advanceUntil('the publisher to be back', () => on.bus.canPublish(), 100);
    expect(on.bus.status().confirmsNothing, 'connected, and nothing confirmed').to.equal(true);
    const again = on.publish();
    await on.publisher().messages(1);
    on.publisher().confirm(1);
    await on.answered(again);
    expect(on.bus.status().confirmsNothing).to.equal(undefined);
  });

  it('is not given up while confirms come, however few', async () => {
    for (let count = 0; count < 6; count += 1) on.publish();
    const publisher = on.publisher();
    await publisher.messages(6);
    for (let tag = 1; tag <= 5; tag += 1) {
      on.clock.advance(25_000);
      publisher.confirm(tag);
      await on.answered(`m-${tag}`);
    }
    expect(publisher.open).to.equal(true);
  });

  it('or confirms all but one is given up as well, and only that one is lost', async () => {
    for (let count = 0; count < 3; count += 1) on.publish();
    const publisher = on.publisher();
    await publisher.messages(3);
    for (const tag of [1, 3]) publisher.confirm(tag);
    expect(await on.answered('m-3')).to.deep.equal(['confirmed']);
    for (let second = 0; second < 36; second += 1) on.clock.advance(1_000);
    expect(await on.answered('m-2')).to.deep.equal(['lost']);
    expect(on.outcomes('m-1')).to.deep.equal(['confirmed']);
  });
});
