// The example of a service after the saga: its contract, and what it does.
import { expect } from 'chai';
import { choreography } from '../../examples/shipping/choreography.ts';
import { shippingService } from '../../examples/shipping/shipping-service/service.ts';
import { checkChoreography } from '../../shared/contract/checks/all-checks.ts';
import { topologyFor } from '../../shared/contract/topology.ts';
import { ContractNode } from '../support/contract-node.ts';

const orderId = '01900000-0000-7000-8000-00000000a11c';
const confirmed = { orderId, userId: 'ann', total: 3000 };
const dispatched = { type: 'shipment.dispatched', data: { orderId, userId: 'ann' } };

describe('the contract with shipping-service', () => {
  it('passes the static checks', () => {
    expect(checkChoreography(choreography)).to.deep.equal([]);
  });

  it('gives shipping-service its queues and their bindings, and nothing else', () => {
    const { exchanges, queues, bindings } = topologyFor('shipping-service', choreography);
    expect(exchanges.map(({ name }) => name)).to.deep.equal(['order.events', 'shipping.events', 'dead-letters']);
    expect(queues.map(({ name }) => name)).to.deep.equal(['shipping-service', 'shipping-service.dead-letters']);
    expect(bindings.map(({ exchange, routingKey }) => `${exchange} ${routingKey}`)).to.deep.equal([
      'order.events order.confirmed',
      'dead-letters shipping-service.dead-letters',
    ]);
  });

  it('makes order-service declare these queues, too: no confirmed order is lost before shipping-service first starts', () => {
    const names = topologyFor('order-service', choreography).queues.map(({ name }) => name);
    expect(names).to.include.members(['shipping-service', 'shipping-service.dead-letters']);
  });
});

describe('shipping-service', () => {
  it('ships a confirmed order, and publishes that it has', () => {
    const node = new ContractNode(shippingService);
    expect(node.consume('order.confirmed', confirmed)).to.deep.equal(dispatched);
    expect(node.parts.store.shipment(orderId)).to.include({ orderId, userId: 'ann' });
  });

  it('ships an order once when its confirmation is delivered twice', () => {
    const node = new ContractNode(shippingService);
    const event = node.eventOf('order.confirmed', confirmed);
    expect(node.deliver(event)).to.deep.equal(dispatched);
    expect(node.deliver(event)).to.equal('duplicate');
  });

  it('dead-letters a second confirmation under another id, which contradicts the first', () => {
    const node = new ContractNode(shippingService);
    node.consume('order.confirmed', confirmed);
    expect(node.consume('order.confirmed', confirmed)).to.equal('contradictory');
  });
});
