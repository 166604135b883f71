// What every bus must do, whatever broker is behind it. Run it over each: over the simulated one it proves that the
// simulation keeps the same promises as the real thing.
import { expect } from 'chai';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { deadLetterQueueOf } from '../../shared/contract/topology.ts';
import type {
  Bus,
  BusListener,
  Delivery,
  OutgoingMessage,
  PublishOutcome,
} from '../../shared/runtime/messaging/bus.ts';

/** A broker with the whole topology declared, and time that passes. */
export interface BusWorld {
  /** A new bus of a service, not started yet. */
  bus(service: ServiceName): Bus;
  /** Lets time pass until it holds. @throws when it takes too long */
  until(what: string, holds: () => boolean): Promise<void>;
  /** Lets time pass in which nothing more is expected to happen. */
  pause(): Promise<void>;
  /** Ends the connections of a bus; it must come back by itself. */
  cut(bus: Bus): Promise<void> | void;
  /** Ends everything. */
  end(): Promise<void>;
}

interface Client extends BusListener {
  readonly bus: Bus;
  readonly got: Delivery[];
  changes: number;
}

/** @param makeWorld called before each test; its queues must be empty */
export function busSuite(name: string, makeWorld: () => Promise<BusWorld> | BusWorld): void {
  describe(`the bus over ${name}`, () => {
    let world: BusWorld;
    let messages = 0;

    beforeEach(async () => {
      world = await makeWorld();
    });
    afterEach(() => world.end());

    function client(service: ServiceName, ack = true): Client {
      const bus = world.bus(service);
      const made: Client = {
        bus,
        got: [],
        changes: 0,
        delivered: (delivery) => {
          made.got.push(delivery);
          if (ack) delivery.ack();
        },
        publishingChanged: () => {
          made.changes += 1;
        },
      };
      bus.start(made);
      return made;
    }

    async function connected(service: ServiceName, ack = true): Promise<Client> {
      const made = client(service, ack);
      await world.until(`${service} is connected`, () => {
        const { publisher, consumer } = made.bus.status();
        return publisher === 'connected' && consumer === 'connected' && made.bus.canPublish();
      });
      return made;
    }

    function message(routingKey: string, changes: Partial<OutgoingMessage> = {}): OutgoingMessage {
      messages += 1;
      return {
        exchange: 'order.events',
        routingKey,
        body: Buffer.from(`{"n":${messages},"text":"żółć"}`),
        messageId: `message-${messages}`,
        contentType: 'application/cloudevents+json',
        mandatory: true,
        correlationId: 'an-order',
        ...changes,
      };
    }

    async function publish(bus: Bus, sent: OutgoingMessage): Promise<PublishOutcome> {
      const outcomes: PublishOutcome[] = [];
      bus.publish(sent, (outcome) => outcomes.push(outcome));
      await world.until(`${sent.messageId} is answered`, () => outcomes.length > 0);
      return outcomes[0] as PublishOutcome;
    }

    it('can publish once it is connected, and says so', async () => {
      const bus = world.bus('order-service');
      expect(bus.canPublish()).to.equal(false);
      const order = client('order-service');
      await world.until('it can publish', () => order.bus.canPublish());
      expect(order.changes).to.be.greaterThan(0);
      await world.until('it consumes', () => order.bus.status().consumer === 'connected');
      expect(order.bus.status().publisher).to.equal('connected');
    });

    it('brings a message to every queue that is bound for it, as it was sent', async () => {
      const order = await connected('order-service');
      const payment = await connected('payment-service');
      const inventory = await connected('inventory-service');
      const sent = message('order.withdrawn', { headers: { 'x-cause': 'none' } });
      expect(await publish(order.bus, sent)).to.equal('confirmed');
      await world.until('both have it', () => payment.got.length === 1 && inventory.got.length === 1);
      for (const { got } of [payment, inventory]) {
        const [delivery] = got;
        expect(delivery?.body.equals(sent.body)).to.equal(true);
        expect(delivery?.messageId).to.equal(sent.messageId);
        expect(delivery?.contentType).to.equal(sent.contentType);
        expect(delivery?.exchange).to.equal(sent.exchange);
        expect(delivery?.routingKey).to.equal(sent.routingKey);
        expect(delivery?.headers['x-cause']).to.equal('none');
        expect(delivery?.redelivered).to.equal(false);
      }
      await world.pause();
      expect([order.got.length, payment.got.length, inventory.got.length]).to.deep.equal([0, 1, 1]);
    });

    it('reaches a queue by its name over the default exchange', async () => {
      const order = await connected('order-service');
      const sent = message(deadLetterQueueOf('order-service'), { exchange: '' });
      expect(await publish(order.bus, sent)).to.equal('confirmed');
      const own = message('order-service', { exchange: '' });
      expect(await publish(order.bus, own)).to.equal('confirmed');
      await world.until('it comes back', () => order.got.length === 1);
      expect(order.got[0]?.messageId).to.equal(own.messageId);
    });

    it('says unroutable for a mandatory message without a queue, and confirms one that nobody has to get', async () => {
      const order = await connected('order-service');
      expect(await publish(order.bus, message('order.cancelled'))).to.equal('unroutable');
      expect(await publish(order.bus, message('order.cancelled', { mandatory: false }))).to.equal('confirmed');
      expect(await publish(order.bus, message('no-such-queue', { exchange: '' }))).to.equal('unroutable');
      expect(await publish(order.bus, message('order.placed'))).to.equal('confirmed');
    });

    it('settles each of 500 messages once, and delivers them in the order of their publishing', async () => {
      const order = await connected('order-service');
      const payment = await connected('payment-service');
      const sent = Array.from({ length: 500 }, () => message('order.placed'));
      const outcomes = new Map<string, PublishOutcome[]>();
      for (const one of sent) {
        outcomes.set(one.messageId, []);
        order.bus.publish(one, (outcome) => outcomes.get(one.messageId)?.push(outcome));
      }
      await world.until('all are delivered', () => payment.got.length >= sent.length);
      await world.until('all are answered', () => [...outcomes.values()].every(({ length }) => length > 0));
      await world.pause();
      expect(payment.got.map(({ messageId }) => messageId)).to.deep.equal(sent.map(({ messageId }) => messageId));
      expect([...outcomes.values()].every((all) => all.length === 1 && all[0] === 'confirmed')).to.equal(true);
    });

    it('delivers again what was not acked, and only that, marked as redelivered', async () => {
      const order = await connected('order-service');
      const first = await connected('payment-service', false);
      const [kept, acked] = [message('order.placed'), message('order.placed')];
      await publish(order.bus, kept);
      await publish(order.bus, acked);
      await world.until('both are delivered', () => first.got.length === 2);
      first.got.find(({ messageId }) => messageId === acked.messageId)?.ack();
      await first.bus.stop();
      const second = await connected('payment-service');
      await world.until('one comes again', () => second.got.length > 0);
      await world.pause();
      expect(second.got.map(({ messageId }) => messageId)).to.deep.equal([kept.messageId]);
      expect(second.got[0]?.redelivered).to.equal(true);
    });

    it('takes a second ack, and an ack over a connection that is gone, as nothing', async () => {
      const order = await connected('order-service');
      const payment = await connected('payment-service', false);
      await publish(order.bus, message('order.placed'));
      await world.until('it is delivered', () => payment.got.length === 1);
      await world.cut(payment.bus);
      await world.until('it comes again', () => payment.got.length === 2);
      // Its number is that of the one that has come again.
      payment.got[0]?.ack();
      await world.pause();
      await world.cut(payment.bus);
      await world.until('it comes a third time', () => payment.got.length === 3);
      payment.got[2]?.ack();
      payment.got[2]?.ack();
      await publish(order.bus, message('order.placed'));
      await world.until('the next one comes', () => payment.got.length === 4);
      payment.got[2]?.ack();
      payment.got[3]?.ack();
      await world.pause();
      await world.cut(payment.bus);
      await world.until('it is connected again', () => payment.bus.status().consumer === 'connected');
      await world.pause();
      expect(payment.got.length).to.equal(4);
    });

    it('says once what became of each message when the connection ends, lost for those on their way, and comes back', async () => {
      const order = await connected('order-service');
      const changes = order.changes;
      const outcomes: PublishOutcome[][] = [];
      // Each that is confirmed is followed by another one: however long the cut takes, it finds some on their way.
      const publishOne = (): void => {
        const answers: PublishOutcome[] = [];
        outcomes.push(answers);
        order.bus.publish(message('order.placed'), (outcome) => {
          answers.push(outcome);
          if (outcome === 'confirmed') publishOne();
        });
      };
      for (let count = 0; count < 20; count += 1) publishOne();
      await world.cut(order.bus);
      const all = () => outcomes.map((answers) => answers.join(' then '));
      await world.until('those on their way are lost', () => all().filter((answer) => answer === 'lost').length === 20);
      await world.until('it can publish again', () => order.bus.canPublish());
      await world.pause();
      expect(order.changes).to.be.greaterThan(changes);
      expect(all().filter((answer) => answer !== 'lost' && answer !== 'confirmed')).to.deep.equal([]);
      expect(await publish(order.bus, message('order.placed'))).to.equal('confirmed');
    });

    it('after stopConsuming delivers nothing more, takes acks, and goes on publishing', async () => {
      const order = await connected('order-service');
      const payment = await connected('payment-service', false);
      await publish(order.bus, message('order.placed'));
      await world.until('it is delivered', () => payment.got.length === 1);
      await payment.bus.stopConsuming();
      await publish(order.bus, message('order.placed'));
      await world.pause();
      expect(payment.got.length).to.equal(1);
      payment.got[0]?.ack();
      const said = message('payment.failed', { exchange: 'payment.events' });
      expect(await publish(payment.bus, said)).to.equal('confirmed');
      await payment.bus.stop();
      const next = await connected('payment-service');
      await world.until('the other one comes', () => next.got.length > 0);
      await world.pause();
      expect(next.got.length).to.equal(1);
    });

    it('after stop is silent', async () => {
      const order = await connected('order-service');
      const payment = await connected('payment-service');
      await payment.bus.stop();
      const { changes } = payment;
      await publish(order.bus, message('order.placed'));
      await world.pause();
      expect(payment.bus.canPublish()).to.equal(false);
      expect(payment.bus.status().publisher).to.equal('stopped');
      expect(payment.got.length).to.equal(0);
      expect(payment.changes - changes).to.be.lessThan(2);
    });
  });
}
