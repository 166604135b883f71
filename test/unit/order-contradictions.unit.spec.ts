// What order-service makes of events that contradict what it knows, or each other.
import { expect } from 'chai';
import { type OrderParts, orderService } from '../../order-service/service.ts';
import { OrderStore } from '../../order-service/store.ts';
import type { DataOf, EventType } from '../../shared/contract/choreography.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { ContradictoryEventError } from '../../shared/runtime/messaging/reaction.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, orderId, samples, userId } from '../support/events.ts';
import { OrderInstance } from '../support/order-instance.ts';

const atMs = Date.UTC(2030, 0, 1);
const items = [
  { productId: 'INK', qty: 1, unitPrice: 1000 },
  { productId: 'PEN', qty: 2, unitPrice: 1000 },
];

/** Order-service without a name, with a pending order of these items. */
function withOrder(): OrderParts {
  const parts = orderService.build(openDatabase(':memory:', orderService.migrations));
  parts.store.insert({ orderId, userId, items, total: 3000, placedAtMs: atMs - 5, deadlineAtMs: atMs + 30_000 });
  return parts;
}

function completed(
  data: Partial<DataOf<'payment.completed'>> = {},
): CloudEvent<'payment.completed'> & { data: DataOf<'payment.completed'> } {
  return eventOf('payment.completed', { orderId, userId, amount: 3000, items, ...data });
}

describe('a payment of an order', () => {
  const at = { nowMs: atMs, now: isoTime(atMs) };

  it('may name its items in another order, and without prices', () => {
    const bare = items.map(({ productId, qty }) => ({ productId, qty }));
    for (const named of [items.toReversed(), bare])
      expect(withOrder().reactions['payment.completed'](completed({ items: named }), at)).to.equal('noted');
  });

  it('contradicts it when it names another product, another number, or fewer', () => {
    const [ink, pen] = items;
    if (!ink || !pen) expect.fail('there are two items');
    for (const named of [[ink], [ink, { ...pen, qty: 3 }], [ink, { ...pen, productId: 'CAP' }]])
      expect(() => withOrder().reactions['payment.completed'](completed({ items: named }), at)).to.throw(
        ContradictoryEventError,
      );
  });
});

describe('an event that comes again under the same id', () => {
  function known() {
    const parts = withOrder();
    const event = completed();
    parts.store.addFact(event);
    const repeated = (data: object, changes: Partial<CloudEvent> = {}) =>
      parts.repeated?.({ ...event, ...changes, data: { ...event.data, ...data } });
    return { event, parts, repeated };
  }

  it('contradicts itself when it is about another customer, other money or other goods', () => {
    const { repeated } = known();
    for (const data of [{ userId: 'bob' }, { amount: 2999 }, { items: items.slice(1) }])
      expect(() => repeated(data), JSON.stringify(data)).to.throw(ContradictoryEventError);
  });

  it('may leave something out, or name the goods in another order', () => {
    const { event, parts, repeated } = known();
    repeated({});
    repeated({ items: items.toReversed() });
    parts.repeated?.({ ...event, data: { orderId } });
  });

  it('is compared with nothing when it is another event, or none of its type is known', () => {
    const { event, repeated } = known();
    repeated({ amount: 1 }, { id: eventOf('payment.completed').id });
    repeated({ amount: 1 }, { type: 'payment.refunded' });
    repeated({ amount: 1 }, { subject: event.id });
  });
});

describe('two ends of one order', () => {
  const about = <T extends EventType>(type: T, source: string, data = samples[type]) =>
    eventOf(type, data as DataOf<T>, { source: `order-service.${source}`, time: isoTime(atMs) });

  function instance(...events: CloudEvent[]): OrderInstance {
    const reader = new OrderInstance('r');
    for (const event of [about('order.placed', 'a'), ...events]) reader.when(event);
    return reader;
  }
  const statusAt = ({ store }: OrderInstance) => store.order(orderId)?.status;
  const adopted = () => about('instance.adopted', 'b', { instance: 'order-service.a', by: 'order-service.b' });

  it('are decided by the instance that decides about the order: the one that has accepted it, or has adopted that', () => {
    const [confirmed, cancelled] = [about('order.confirmed', 'a'), about('order.cancelled', 'b')];
    for (const events of [
      [confirmed, cancelled],
      [cancelled, confirmed],
    ]) {
      expect(statusAt(instance(...events))).to.equal('confirmed');
      expect(statusAt(instance(adopted(), ...events))).to.equal('cancelled');
    }
  });

  it('are one as soon as the decider has withdrawn the order that another had confirmed', () => {
    const reader = instance(adopted(), about('order.confirmed', 'a'), about('order.withdrawn', 'b'));
    expect(statusAt(reader)).to.equal('cancelling');
  });

  it('have the reason of the withdrawal, also when that is known after what followed from it', () => {
    const reader = instance(eventOf('inventory.voided'));
    expect(reader.store.order(orderId)).to.include({ status: 'cancelling', reason: 'customer' });
    reader.when(about('order.withdrawn', 'a', { ...samples['order.withdrawn'], reason: 'deadline' }));
    expect(reader.store.order(orderId)).to.include({ status: 'cancelling', reason: 'deadline' });
    const stored = new OrderStore(reader.db, 'order-service.r').order(orderId);
    expect(stored?.reason, 'as it is stored').to.equal('deadline');
  });
});
