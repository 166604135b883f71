// The Idempotency-Key of an order, as instances tell each other: hashes, so that nobody's keys are in events.
import { expect } from 'chai';
import { hashesOf, placedBefore } from '../../order-service/idempotency.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { eventOf, orderId, samples, userId } from '../support/events.ts';
import { OrderInstance } from '../support/order-instance.ts';

const request = { items: [{ productId: 'PEN', qty: 1 }] };
const at = { nowMs: 0, now: '1970-01-01T00:00:00.000Z' };

describe('the hashes of a key', () => {
  it('differ for another key, another customer and another request, and are no plain text', () => {
    const own = hashesOf('ann', 'key-1', request);
    expect(hashesOf('ann', 'key-1', { ...request })).to.deep.equal(own);
    expect(hashesOf('bob', 'key-1', request))
      .to.deep.include({ request: own.request })
      .and.not.deep.include(own);
    expect(hashesOf('ann', 'key-2', request).key).to.not.equal(own.key);
    const other = hashesOf('ann', 'key-1', { items: [] });
    expect([other.key === own.key, other.request === own.request]).to.deep.equal([true, false]);
    for (const hash of [own.key, own.request]) expect(hash).to.match(/^[0-9a-f]{64}$/);
  });

  it('are those of earlier versions: instances of both may run side by side', () => {
    expect(hashesOf('ann', 'key-1', request)).to.deep.equal({
      key: '602be2fabfbd22736faba672d2b756569ed3b9b6e902c898e020e49e49de161f',
      request: '45731b08ac6ff63c558ac1a545daca2f5af6644529583c6203430cc71e5e87c9',
    });
  });

  it('name the order that was placed with the key at another instance, and refuse another request', () => {
    const instance = new OrderInstance('a');
    const idempotency = hashesOf(userId, 'key-1', request);
    expect(placedBefore(instance.store, at, idempotency)).to.equal(undefined);
    const nowMs = instance.clock.nowMs();
    const placed = eventOf('order.placed', { ...samples['order.placed'], idempotency }, { source: 'order-service.b' });
    instance.when(placed);
    expect(placedBefore(instance.store, { ...at, nowMs }, idempotency)?.orderId).to.equal(orderId);
    const other = { ...idempotency, request: hashesOf(userId, 'key-1', {}).request };
    const ask = () => placedBefore(instance.store, { ...at, nowMs }, other);
    expect(ask).to.throw(ProblemError).with.property('code', 'idempotency-key-reused');
    expect(ask).to.throw(ProblemError).with.property('status', 422);
  });
});
