// Pins every name and argument at the broker, literally: a rename orphans the messages under the old name, and other
// arguments are refused by the broker. Who changes one of these needs a migration, not a new expectation.
import { expect } from 'chai';
import { choreography } from '../../shared/contract/choreography.ts';
import type { Choreography } from '../../shared/contract/language.ts';
import { ownPart, type Topology, topologyFor, wholeTopology } from '../../shared/contract/topology.ts';

const exchanges = [
  { name: 'order.events', type: 'topic' },
  { name: 'payment.events', type: 'topic' },
  { name: 'inventory.events', type: 'topic' },
  { name: 'dead-letters', type: 'direct' },
];

const queues = [
  {
    name: 'order-service',
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': 1000000,
      'x-dead-letter-exchange': 'dead-letters',
      'x-dead-letter-routing-key': 'order-service.dead-letters',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    },
  },
  {
    name: 'order-service.dead-letters',
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 1000000 },
  },
  {
    name: 'payment-service',
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': 1000000,
      'x-dead-letter-exchange': 'dead-letters',
      'x-dead-letter-routing-key': 'payment-service.dead-letters',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    },
  },
  {
    name: 'payment-service.dead-letters',
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 1000000 },
  },
  {
    name: 'inventory-service',
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': 1000000,
      'x-dead-letter-exchange': 'dead-letters',
      'x-dead-letter-routing-key': 'inventory-service.dead-letters',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    },
  },
  {
    name: 'inventory-service.dead-letters',
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 1000000 },
  },
];

// exchange, routing key, queue
const bindings = [
  'order.events order.placed payment-service',
  'payment.events payment.completed inventory-service',
  'payment.events payment.completed order-service',
  'inventory.events inventory.reserved order-service',
  'payment.events payment.failed order-service',
  'inventory.events inventory.rejected payment-service',
  'inventory.events inventory.rejected order-service',
  'order.events order.withdrawn payment-service',
  'order.events order.withdrawn inventory-service',
  'payment.events payment.refunded order-service',
  'payment.events payment.voided order-service',
  'inventory.events inventory.released order-service',
  'inventory.events inventory.voided order-service',
  'inventory.events product.updated order-service',
  'order.events instance.adopted payment-service',
  'order.events instance.adopted inventory-service',
  'dead-letters order-service.dead-letters order-service.dead-letters',
  'dead-letters payment-service.dead-letters payment-service.dead-letters',
  'dead-letters inventory-service.dead-letters inventory-service.dead-letters',
];

function bindingLines(topology: Topology): string[] {
  return topology.bindings.map(({ exchange, routingKey, queue }) => `${exchange} ${routingKey} ${queue}`);
}

describe('the topology at the broker', () => {
  it('has exactly these exchanges', () => expect(wholeTopology(choreography).exchanges).to.deep.equal(exchanges));
  it('has exactly these queues, with exactly these arguments', () =>
    expect(wholeTopology(choreography).queues).to.deep.equal(queues));
  it('has exactly these bindings', () => expect(bindingLines(wholeTopology(choreography))).to.deep.equal(bindings));

  for (const service of ['order-service', 'payment-service', 'inventory-service']) {
    // Each of the three subscribes to both others, or they to it: so each declares all of it, and may start first.
    it(`${service} declares all of it, so that it may start before the others`, () => {
      const topology = topologyFor(service, choreography);
      expect(topology.exchanges).to.deep.equal(exchanges);
      expect(topology.queues).to.deep.equal(queues);
      expect(bindingLines(topology)).to.deep.equal(bindings);
    });
  }

  it('a part of it is what payment-service consumes from', () => {
    const own = ownPart(topologyFor('payment-service', choreography), 'payment-service');
    expect(own.exchanges.map(({ name }) => name)).to.deep.equal([
      'order.events',
      'payment.events',
      'inventory.events',
      'dead-letters',
    ]);
    expect(own.queues).to.deep.equal(queues.slice(2, 4));
    expect(bindingLines(own)).to.deep.equal(bindings.filter((line) => /payment-service(\.dead-letters)?$/.test(line)));
  });

  describe('with a service that only subscribes to the end', () => {
    const contract: Choreography = {
      ...choreography,
      events: {
        ...choreography.events,
        'order.confirmed': { ...choreography.events['order.confirmed'], reactions: { 'shipping-service': ['noted'] } },
      },
    };
    const added = [
      'order.events order.confirmed shipping-service',
      'dead-letters shipping-service.dead-letters shipping-service.dead-letters',
    ];

    it('that service declares its own queues, and what it takes to fill them', () => {
      const topology = topologyFor('shipping-service', contract);
      expect(topology.exchanges.map(({ name }) => name)).to.deep.equal([
        'order.events',
        'shipping.events',
        'dead-letters',
      ]);
      expect(topology.queues.map(({ name }) => name)).to.deep.equal([
        'shipping-service',
        'shipping-service.dead-letters',
      ]);
      expect(bindingLines(topology)).to.deep.equal(added);
    });
    it('the service that it subscribes to declares its queue too, so nothing is lost before it has ever started', () => {
      const topology = topologyFor('order-service', contract);
      expect(topology.queues.map(({ name }) => name)).to.include.members([
        'shipping-service',
        'shipping-service.dead-letters',
      ]);
      expect(bindingLines(topology)).to.have.members([...bindings, ...added]);
    });
    it('the others leave it alone', () => {
      const topology = topologyFor('payment-service', contract);
      expect(topology.queues.map(({ name }) => name)).to.not.include('shipping-service');
      expect(bindingLines(topology)).to.have.members(bindings);
    });
  });
});
