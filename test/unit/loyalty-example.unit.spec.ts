// The example of a service inside the saga: its contract, and what it does in every order of arrival.
import { expect } from 'chai';
import { choreography } from '../../examples/loyalty/choreography.ts';
import { pointsMax } from '../../examples/loyalty/loyalty-service/credit.ts';
import { loyaltyService } from '../../examples/loyalty/loyalty-service/service.ts';
import { checkChoreography } from '../../shared/contract/checks/all-checks.ts';
import { topologyFor } from '../../shared/contract/topology.ts';
import { ContractNode } from '../support/contract-node.ts';

const orderId = '01900000-0000-7000-8000-00000000a11c';
const otherOrderId = '01900000-0000-7000-8000-00000000a11d';
const userId = 'ann';
const items = [{ productId: 'CATALOG-001', qty: 2, unitPrice: 1500 }];
const paid = { orderId, userId, amount: 3000, items };
const rejected = { orderId, shortages: [{ productId: 'CATALOG-001', wanted: 2, available: 1 }] };
const withdrawn = { orderId, userId, reason: 'customer' } as const;
const askedAgain = { ...withdrawn, attempt: 2 };

const credited = { type: 'points.credited', data: { orderId, userId, points: 30, items } };
const refused = { type: 'points.refused', data: { orderId, userId, reason: 'points_limit_reached' } };
const takenBack = (because: string) => ({ type: 'points.taken-back', data: { orderId, userId, points: 30, because } });
const voided = { type: 'points.voided', data: { orderId } };

/** Loyalty-service when the user can have exactly so many points more. */
function withRoomFor(points: number) {
  const node = new ContractNode(loyaltyService);
  node.parts.store.putCredit({ status: 'credited', orderId: otherOrderId, userId, points: pointsMax - points });
  return node;
}

describe('the contract with loyalty-service', () => {
  it('passes the static checks', () => {
    expect(checkChoreography(choreography)).to.deep.equal([]);
  });

  it('moves inventory-service from the payment to the points', () => {
    const bindings = topologyFor('inventory-service', choreography).bindings.filter(
      ({ queue }) => queue === 'inventory-service',
    );
    expect(bindings.map(({ routingKey }) => routingKey)).to.have.members([
      'points.credited',
      'order.withdrawn',
      'instance.adopted',
    ]);
  });
});

describe('loyalty-service on payment.completed', () => {
  it('credits one point for 100 minor units, and passes the items on', () => {
    const node = new ContractNode(loyaltyService);
    expect(node.consume('payment.completed', paid)).to.deep.equal(credited);
    expect(node.parts.store.pointsOf(userId)).to.equal(30);
  });

  it('credits when the user reaches the limit exactly', () => {
    expect(withRoomFor(30).consume('payment.completed', paid)).to.deep.equal(credited);
  });

  it('refuses when the user would be one point above the limit, and credits nothing', () => {
    const node = withRoomFor(29);
    expect(node.consume('payment.completed', paid)).to.deep.equal(refused);
    expect(node.parts.store.pointsOf(userId)).to.equal(pointsMax - 29);
  });

  it('credits nothing when the withdrawal came first', () => {
    const node = new ContractNode(loyaltyService);
    expect(node.consume('order.withdrawn', withdrawn)).to.deep.equal(voided);
    expect(node.consume('payment.completed', paid)).to.equal('fenced');
    expect(node.parts.store.pointsOf(userId)).to.equal(0);
  });

  it('handles it once when it is delivered twice, and dead-letters a second one under another id', () => {
    const node = new ContractNode(loyaltyService);
    const event = node.eventOf('payment.completed', paid);
    node.deliver(event);
    expect(node.deliver(event)).to.equal('duplicate');
    expect(node.consume('payment.completed', paid)).to.equal('contradictory');
    expect(node.parts.store.pointsOf(userId)).to.equal(30);
  });
});

describe('loyalty-service takes the points back', () => {
  it('when the stock is refused, and a withdrawal that comes later finds them taken back', () => {
    const node = new ContractNode(loyaltyService);
    node.consume('payment.completed', paid);
    expect(node.consume('inventory.rejected', rejected)).to.deep.equal(takenBack('inventory.rejected'));
    expect(node.consume('order.withdrawn', withdrawn)).to.equal('compensated');
    expect(node.parts.store.pointsOf(userId)).to.equal(0);
  });

  it('when the order is withdrawn, and a refusal of stock that comes later finds them taken back', () => {
    const node = new ContractNode(loyaltyService);
    node.consume('payment.completed', paid);
    expect(node.consume('order.withdrawn', withdrawn)).to.deep.equal(takenBack('order.withdrawn'));
    expect(node.consume('inventory.rejected', rejected)).to.equal('compensated');
    expect(node.parts.store.pointsOf(userId)).to.equal(0);
  });

  it('never, when it has refused them: a withdrawal finds nothing to take back', () => {
    const node = withRoomFor(29);
    node.consume('payment.completed', paid);
    expect(node.consume('order.withdrawn', withdrawn)).to.equal('compensated');
  });

  it('never, when stock is refused for an order whose points it does not know: that is dead-lettered', () => {
    expect(new ContractNode(loyaltyService).consume('inventory.rejected', rejected)).to.equal('contradictory');
  });
});

describe('loyalty-service, asked again for an answer that was lost', () => {
  it('answers again that the points are taken back', () => {
    const node = new ContractNode(loyaltyService);
    node.consume('payment.completed', paid);
    node.consume('inventory.rejected', rejected);
    expect(node.consume('order.withdrawn', askedAgain)).to.deep.equal(takenBack('order.withdrawn'));
    expect(node.parts.store.pointsOf(userId)).to.equal(0);
  });

  it('answers that there are none when it has refused them, or was withdrawn before', () => {
    const refusing = withRoomFor(29);
    refusing.consume('payment.completed', paid);
    expect(refusing.consume('order.withdrawn', askedAgain)).to.deep.equal(voided);
    const fenced = new ContractNode(loyaltyService);
    fenced.consume('order.withdrawn', withdrawn);
    expect(fenced.consume('order.withdrawn', askedAgain)).to.deep.equal(voided);
  });
});
