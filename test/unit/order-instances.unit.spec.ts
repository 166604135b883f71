// What named instances of order-service make of each other's events, and who of them decides about an order.
import { expect } from 'chai';
import { cancelOrder, meetDeadline, placeOrder } from '../../order-service/commands.ts';
import { Instances } from '../../order-service/instances.ts';
import { orderService } from '../../order-service/service.ts';
import { lookNow, OrderStore } from '../../order-service/store.ts';
import type { DataOf, EventType } from '../../shared/contract/choreography.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { HandClock } from '../support/hand-clock.ts';
import { OrderInstance } from '../support/order-instance.ts';

const deadlineMs = 30_000;
const known = { isUnreachable: () => false, caughtUp: () => true };

/** An order that instance a has accepted, and what others publish about it. */
function placedAtA() {
  const clock = new HandClock();
  const a = new OrderInstance('a', { clock });
  const items = [{ productId: samples['product.updated'].productId, qty: 2 }];
  a.asked((tx) => placeOrder(a.store, tx, { userId, items, deadlineMs }));
  const placed = a.published.at(-1);
  if (!placed) throw new Error('instance a has published nothing');
  const orderId = placed.subject;
  const about = <T extends EventType>(type: T, changes: { id?: string; time?: string; source?: string } = {}) =>
    eventOf(type, { ...samples[type], orderId } as DataOf<T>, { time: isoTime(clock.nowMs()), ...changes });
  return {
    clock,
    a,
    placed,
    orderId,
    about,
    peer: (name: string, ready = true) => new OrderInstance(name, { clock, ready }),
  };
}

function orderAt(instance: OrderInstance, orderId: string) {
  const { status, reason, origin } = instance.store.order(orderId) ?? {};
  return { status, reason, origin, dueAtMs: instance.store.dueAtMs(orderId) };
}

function meet(instance: OrderInstance, orderId: string): string[] {
  return instance.asked((tx) => meetDeadline(instance.store, tx, orderId, known));
}

function problemOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof ProblemError) return { status: error.status, code: error.code };
    throw error;
  }
  return 'none';
}

describe('an order of another instance', () => {
  const origin = 'order-service.a';

  it('is listed, shown as pending, and never due here', () => {
    const { placed, orderId, clock, peer } = placedAtA();
    const b = peer('b');
    expect([b.when(placed), b.when(placed)]).to.deep.equal(['noted', 'noted']);
    expect(orderAt(b, orderId)).to.deep.equal({ status: 'pending', reason: undefined, origin, dueAtMs: undefined });
    expect(b.store.order(orderId)).to.include({
      total: 3000,
      placedAtMs: clock.nowMs(),
      deadlineAtMs: clock.nowMs() + deadlineMs,
    });
    expect(b.store.ordersOf(userId, 10)?.map((order) => order.orderId)).to.deep.equal([orderId]);
    expect(b.store.nextDueAtMs()).to.equal(undefined);
  });

  it('ends only as its decider says, whatever else is known of it', () => {
    const { placed, orderId, about, peer } = placedAtA();
    const [confirming, cancelling] = [peer('b'), peer('c')];
    for (const instance of [confirming, cancelling]) instance.when(placed);
    expect(confirming.when(about('inventory.reserved'))).to.equal('noted');
    expect(orderAt(confirming, orderId).status).to.equal('pending');
    confirming.when(about('order.confirmed', { source: origin }));
    expect(orderAt(confirming, orderId).status).to.equal('confirmed');
    expect(cancelling.when(about('payment.failed'))).to.equal('noted');
    expect(orderAt(cancelling, orderId)).to.include({ status: 'cancelling', reason: 'insufficient_funds' });
    cancelling.when(about('order.cancelled', { source: origin }));
    expect(orderAt(cancelling, orderId)).to.include({ status: 'cancelled', dueAtMs: undefined });
    expect([...confirming.published, ...cancelling.published]).to.deep.equal([]);
  });

  it('may become known after what happened to it: that counts from then on', () => {
    const { placed, orderId, about, peer } = placedAtA();
    const b = peer('b');
    const early = ['payment.completed', 'inventory.reserved', 'order.confirmed'] as const;
    expect(
      early.map((type) => b.when(about(type, type === 'order.confirmed' ? { source: origin } : {}))),
    ).to.deep.equal(['waits', 'waits', 'waits']);
    expect(b.store.order(orderId)).to.equal(undefined);
    b.when(placed);
    expect(orderAt(b, orderId).status).to.equal('confirmed');
  });

  it('is not known again once it was deleted, whatever comes', () => {
    const { placed, orderId, about, peer } = placedAtA();
    const b = peer('b');
    b.when(placed);
    b.when(about('order.confirmed', { source: origin }));
    b.db.transaction(() => b.parts.deleteOrders?.([orderId], b.clock.nowMs()))();
    const late = [
      'payment.completed',
      'inventory.reserved',
      'inventory.rejected',
      'order.withdrawn',
      'order.cancel-requested',
    ] as const;
    expect([b.when(placed), ...late.map((type) => b.when(about(type)))]).to.deep.equal(Array(6).fill('noted'));
    expect(b.when(about('payment.failed'))).to.equal('ended');
    expect(b.store.order(orderId)).to.equal(undefined);
    expect(b.store.facts(orderId)).to.deep.equal([]);
  });

  it('is cancelled by asking its decider, at most once a second, and as long as it is pending', () => {
    const { clock, placed, orderId, about, peer } = placedAtA();
    const b = peer('b');
    b.when(placed);
    const cancel = () => b.asked((tx) => cancelOrder(b.store, tx, orderId));
    expect(cancel()).to.deep.equal(['order.cancel-requested']);
    expect(b.published.at(-1)?.data).to.deep.equal({ orderId, userId });
    expect(orderAt(b, orderId).status).to.equal('pending');
    clock.advance(999);
    expect(cancel()).to.deep.equal([]);
    clock.advance(1);
    expect(cancel()).to.deep.equal(['order.cancel-requested']);
    clock.advance(5_000);
    b.when(about('inventory.rejected'));
    expect(cancel(), 'it is being cancelled').to.deep.equal([]);
  });

  it('cannot be cancelled once it is confirmed', () => {
    const { placed, orderId, about, peer } = placedAtA();
    const b = peer('b');
    b.when(placed);
    b.when(about('order.confirmed', { source: origin }));
    const refusal = problemOf(() => b.asked((tx) => cancelOrder(b.store, tx, orderId)));
    expect(refusal).to.deep.equal({ status: 409, code: 'order-confirmed' });
  });
});

describe('the instance that decides about an order', () => {
  it('withdraws it when a customer has cancelled at another, once, and asks again after 10 seconds', () => {
    const { a, orderId, about, clock } = placedAtA();
    const requested = () => about('order.cancel-requested', { source: 'order-service.b' });
    expect(a.when(requested())).to.equal('order.withdrawn');
    expect(a.published.at(-1)?.data).to.deep.equal({ orderId, userId, reason: 'customer' });
    expect(orderAt(a, orderId)).to.include({ status: 'cancelling', reason: 'customer' });
    expect([orderAt(a, orderId).dueAtMs, a.store.asks(orderId)]).to.deep.equal([clock.nowMs() + 10_000, 1]);
    expect(a.when(requested())).to.equal('noted');
  });

  it('keeps a wish to cancel that comes before the order', () => {
    const { about, peer, placed, orderId } = placedAtA();
    const b = peer('b');
    expect(b.when(about('order.cancel-requested', { source: 'order-service.c' }))).to.equal('waits');
    b.when(placed);
    expect(orderAt(b, orderId).status).to.equal('pending');
  });

  it('leaves a wish to cancel to the instance that decides about the order', () => {
    const { about, peer, placed, orderId } = placedAtA();
    const b = peer('b');
    b.when(placed);
    expect(b.when(about('order.cancel-requested', { source: 'order-service.c' }))).to.equal('noted');
    expect(orderAt(b, orderId)).to.include({ status: 'pending', dueAtMs: undefined });
  });

  it('looks at such a wish when it has caught up, and not before', () => {
    const { about, placed, orderId, peer } = placedAtA();
    const again = peer('a', false);
    again.when(placed);
    again.store.setDue(orderId, 99, 0);
    expect(again.when(about('order.cancel-requested', { source: 'order-service.b' }))).to.equal('noted');
    expect(orderAt(again, orderId).dueAtMs).to.equal(lookNow);
    again.store.instances.ready = true;
    expect(meet(again, orderId)).to.deep.equal(['order.withdrawn']);
    expect(orderAt(again, orderId)).to.include({ status: 'cancelling', reason: 'customer' });
  });

  it('gets its order back after its database was lost, and ends it with the event that it would have published', () => {
    const { about, placed, orderId, peer } = placedAtA();
    const again = peer('a');
    const reserved = about('inventory.reserved');
    expect(again.when(about('payment.completed'))).to.equal('waits');
    expect(again.when(reserved)).to.equal('waits');
    expect(again.when(placed)).to.equal('noted');
    expect(orderAt(again, orderId)).to.include({ status: 'pending', dueAtMs: lookNow });
    expect(meet(again, orderId)).to.deep.equal(['order.confirmed']);
    expect(again.published.at(-1)?.id).to.equal(causedEventId(reserved.id, 'order-service', 'order.confirmed'));
    expect(orderAt(again, orderId)).to.include({ status: 'confirmed', dueAtMs: undefined });
  });

  it('looks at such an order as soon as it has it back, also when nothing else is known of it', () => {
    const { placed, orderId, peer } = placedAtA();
    const again = peer('a');
    again.when(placed);
    expect(orderAt(again, orderId)).to.include({ status: 'pending', dueAtMs: lookNow });
  });

  it('cancels such an order with the reason of the failure, by the last one that is known', () => {
    const { about, clock, placed, orderId, peer } = placedAtA();
    const again = peer('a');
    again.when(about('inventory.rejected'));
    clock.advance(1);
    const refunded = about('payment.refunded');
    again.when(refunded);
    again.when(placed);
    expect(meet(again, orderId)).to.deep.equal(['order.cancelled']);
    expect(again.published.at(-1)?.data).to.deep.equal({ orderId, userId, reason: 'out_of_stock' });
    expect(again.published.at(-1)?.id).to.equal(causedEventId(refunded.id, 'order-service', 'order.cancelled'));
  });

  it('looks at an order whose last fact came before it was ready, once it is', () => {
    const { about, placed, orderId, peer } = placedAtA();
    const again = peer('a', false);
    again.when(placed);
    again.store.setDue(orderId, 99, 0);
    expect(again.when(about('inventory.reserved'))).to.equal('noted');
    expect(orderAt(again, orderId)).to.include({ status: 'pending', dueAtMs: lookNow });
  });

  it('ends it once: one that has ended since it was found to be due is left as it is', () => {
    const { a, about, orderId } = placedAtA();
    a.when(about('payment.completed'));
    expect(a.when(about('inventory.reserved'))).to.equal('order.confirmed');
    expect(meet(a, orderId)).to.deep.equal([]);
    expect(orderAt(a, orderId)).to.include({ status: 'confirmed', dueAtMs: undefined });
  });

  it('notes its own withdrawal in the transaction that publishes it', () => {
    const { a, orderId } = placedAtA();
    expect(a.asked((tx) => cancelOrder(a.store, tx, orderId))).to.deep.equal(['order.withdrawn']);
    expect(orderAt(a, orderId)).to.include({ status: 'cancelling', reason: 'customer' });
  });
});

describe('an order that is placed', () => {
  const items = [{ productId: samples['product.updated'].productId, qty: 2 }];

  it('comes with the hashes of its key, so that every instance knows it by them', () => {
    const a = new OrderInstance('a');
    const idempotency = { key: 'ab'.repeat(32), request: 'cd'.repeat(32) };
    const answers: unknown[] = [];
    a.asked((tx) => answers.push(placeOrder(a.store, tx, { userId, items, deadlineMs, idempotency })));
    const [placed] = a.published;
    expect(placed?.data).to.deep.include({ idempotency, total: 3000 });
    const orderId = placed?.subject;
    expect(answers).to.deep.equal([a.store.order(orderId ?? '')]);
    expect(a.store.orderWithKey(idempotency.key, a.clock.nowMs())).to.deep.equal({
      orderId,
      request: idempotency.request,
    });
  });

  it('is refused for now when its price cannot be had', () => {
    const a = new OrderInstance('a');
    const place = () => a.asked((tx) => placeOrder(a.store, tx, { userId, items, deadlineMs }, () => 'unavailable'));
    expect(problemOf(place)).to.deep.equal({ status: 503, code: 'catalogue-unavailable' });
    expect(place).to.throw(items[0]?.productId);
    expect(a.published).to.deep.equal([]);
  });

  it('asks again for its cancellation as long as one of those that it waits for can be reached', () => {
    const { a, orderId, clock, about } = placedAtA();
    const meetWithout = (...away: readonly string[]) =>
      a.asked((tx) =>
        meetDeadline(a.store, tx, orderId, {
          isUnreachable: (service) => away.includes(service),
          caughtUp: () => true,
        }),
      );
    a.asked((tx) => cancelOrder(a.store, tx, orderId));
    clock.advance(10_000);
    expect(meetWithout('payment-service')).to.deep.equal(['order.withdrawn']);
    clock.advance(20_000);
    expect(meetWithout('payment-service', 'inventory-service')).to.deep.equal([]);
    a.when(about('inventory.voided'));
    clock.advance(40_000);
    expect(meetWithout('inventory-service')).to.deep.equal(['order.withdrawn']);
  });
});

describe('an instance that adopts another', () => {
  const adopted = (by: string, atMs: number, id?: string): CloudEvent =>
    eventOf(
      'instance.adopted',
      { instance: 'order-service.a', by: `order-service.${by}` },
      { source: `order-service.${by}`, time: isoTime(atMs), ...(id ? { id } : {}) },
    );

  it('looks at all open orders of that one, and withdraws them at their deadlines', () => {
    const { placed, orderId, clock, peer } = placedAtA();
    const [b, c] = [peer('b'), peer('c')];
    for (const instance of [b, c]) {
      instance.when(placed);
      expect(instance.when(adopted('b', clock.nowMs()))).to.equal('noted');
    }
    expect(orderAt(b, orderId).dueAtMs).to.equal(lookNow);
    expect(orderAt(c, orderId).dueAtMs, 'of the one that has not adopted it').to.equal(undefined);
    expect(meet(b, orderId)).to.deep.equal([]);
    expect(orderAt(b, orderId).dueAtMs).to.equal(clock.nowMs() + deadlineMs);
    clock.advance(deadlineMs);
    expect(meet(b, orderId)).to.deep.equal(['order.withdrawn']);
    expect(orderAt(b, orderId)).to.include({ status: 'cancelling', reason: 'deadline' });
  });

  it('withdraws at once what is overdue, and what a customer had asked the other one to cancel', () => {
    const { placed, orderId, about, clock, peer } = placedAtA();
    const [wished, overdue] = [peer('b'), peer('b')];
    wished.when(placed);
    wished.when(about('order.cancel-requested', { source: 'order-service.c' }));
    wished.when(adopted('b', clock.nowMs()));
    expect(meet(wished, orderId)).to.deep.equal(['order.withdrawn']);
    expect(orderAt(wished, orderId).reason).to.equal('customer');
    clock.advance(deadlineMs);
    overdue.when(adopted('b', clock.nowMs()));
    overdue.when(placed);
    expect(meet(overdue, orderId)).to.deep.equal(['order.withdrawn']);
    expect(orderAt(overdue, orderId).reason).to.equal('deadline');
  });

  it('decides no more when another had adopted it earlier, whichever is known first', () => {
    const { placed, orderId, clock, peer } = placedAtA();
    const b = peer('b');
    b.when(placed);
    b.when(adopted('b', clock.nowMs() + 5));
    expect(b.store.instances.decides('order-service.a')).to.equal(true);
    b.when(adopted('c', clock.nowMs()));
    expect(b.store.instances.decides('order-service.a')).to.equal(false);
    b.when(adopted('b', clock.nowMs() + 5));
    expect(b.store.instances.deciderOf('order-service.a')).to.equal('order-service.c');
    clock.advance(deadlineMs);
    expect(meet(b, orderId)).to.deep.equal([]);
    expect(orderAt(b, orderId)).to.include({ status: 'pending', dueAtMs: undefined });
  });

  it('decides about what that one had adopted, too', () => {
    const b = new OrderInstance('b');
    const { instances } = b.store;
    const note = (instance: string, by: string) =>
      instances.noteAdoption({
        instance: `order-service.${instance}`,
        by: `order-service.${by}`,
        eventId: by,
        time: '1',
      });
    expect([note('x', 'y'), note('x', 'y'), note('y', 'b')]).to.deep.equal([true, false, true]);
    expect(instances.deciderOf('order-service.x')).to.equal('order-service.b');
    expect(instances.originsDecidedBy('order-service.b')).to.have.members([
      'order-service.b',
      'order-service.x',
      'order-service.y',
    ]);
    expect(instances.originsDecidedBy('order-service.y')).to.deep.equal([]);
    expect(instances.deciderOf(), 'of orders from before there were names').to.equal('order-service');
    expect(instances.adoptedBy).to.equal(undefined);
    note('b', 'z');
    expect(instances.adoptedBy).to.equal('order-service.z');
    // Two that have adopted each other: there is an answer all the same.
    note('z', 'b');
    expect(['order-service.b', 'order-service.z']).to.include(instances.deciderOf('order-service.b'));
  });
});

describe('the database of an instance', () => {
  const unnamed = () => {
    const db = openDatabase(':memory:', orderService.migrations);
    return { db, store: new OrderStore(db) };
  };
  const order = (tail: number, placedAtMs: number) => ({
    orderId: `01900000-0000-7000-8000-${String(tail).padStart(12, '0')}`,
    userId,
    items: [],
    total: 0,
    placedAtMs,
    deadlineAtMs: placedAtMs,
  });

  it('is its own for ever, under its name', () => {
    const { db } = unnamed();
    new Instances(db, 'order-service.a');
    expect(new Instances(db, 'order-service.a').member).to.equal('order-service.a');
    expect(() => new Instances(db, 'order-service.b')).to.throw('INSTANCE=a');
    expect(() => new Instances(db, undefined)).to.throw('an order-service without a name');
  });

  it('of an order-service without a name keeps its orders, and lists them, when it gets one', () => {
    const { db, store } = unnamed();
    expect([store.instances.named, store.instances.ready, store.instances.decides()]).to.deep.equal([
      false,
      true,
      true,
    ]);
    store.insert(order(1, 10));
    store.insert(order(2, 20));
    const named = new OrderStore(db, 'order-service.a');
    expect(named.ordersOf(userId, 10)?.map(({ placedAtMs }) => placedAtMs)).to.deep.equal([20, 10]);
    expect(named.hasOrdersOf('order-service')).to.equal(true);
    expect(named.hasOrdersOf('order-service.a')).to.equal(false);
    const { instances } = named;
    expect(instances.hasUnnamedOrders, 'nobody decides about them').to.equal(true);
    instances.noteAdoption({ instance: 'order-service', by: 'order-service.a', eventId: 'e', time: '1' });
    expect([instances.hasUnnamedOrders, instances.decides()]).to.deep.equal([false, false]);
    instances.ready = true;
    expect(instances.decides()).to.equal(true);
    expect(new OrderInstance('b').store.instances.hasUnnamedOrders, 'of a new one').to.equal(false);
  });

  it('is complete once it has known what its peers know', () => {
    const { instances } = new OrderInstance('a').store;
    expect(instances.complete).to.equal(false);
    instances.setComplete();
    expect(instances.complete).to.equal(true);
  });
});
