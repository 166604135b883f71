// What is due is done at its time, by the service's own clock, each thing on its own.
import { expect } from 'chai';
import { orderService } from '../../order-service/service.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples, userId } from '../support/events.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';

const placed = samples['order.placed'];

describe('the deadline timer', () => {
  function startOrders() {
    const clock = new HandClock();
    const bus = new FakeBus();
    const db = openDatabase(':memory:', orderService.migrations);
    const errors: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void errors.push(fields) };
    const node = new ServiceNode(orderService, { db, bus, clock, log });
    node.start();
    const { store } = node.parts;
    const place = (afterMs: number) => {
      const placedAtMs = clock.nowMs();
      const { items, total } = placed;
      const orderId = clock.newId();
      node.submit(
        (tx) => {
          const deadlineAtMs = placedAtMs + afterMs;
          store.insert({ orderId, userId, items, total, placedAtMs, deadlineAtMs }, tx.steadyMs + afterMs);
          tx.publish({ type: 'order.placed', data: { ...placed, orderId } });
        },
        node.newCause(),
        () => {},
      );
      clock.turn();
      return Object.assign(() => store.order(orderId)?.status, { orderId });
    };
    return { clock, node, db, bus, errors, place };
  }

  it('wakes up in the millisecond of the deadline, and not one earlier', () => {
    const { clock, place } = startOrders();
    const status = place(30_000);
    clock.advance(29_999);
    expect(status()).to.equal('pending');
    clock.advance(1);
    expect(status()).to.equal('cancelling');
  });

  it('wakes up for an order whose deadline is earlier than that of one placed before', () => {
    const { clock, place } = startOrders();
    const late = place(30_000);
    const early = place(1_000);
    clock.advance(1_000);
    expect([late(), early()]).to.deep.equal(['pending', 'cancelling']);
    clock.advance(29_000);
    expect(late()).to.equal('cancelling');
  });

  it('meets the deadlines of 250 orders of the same millisecond', () => {
    const { clock, place } = startOrders();
    const all = Array.from({ length: 250 }, () => place(1_000));
    clock.advance(1_000);
    expect(all.filter((status) => status() === 'cancelling')).to.have.lengthOf(250);
  });

  for (const [how, ms] of [
    ['forwards', 3_600_000],
    ['back', -3_600_000],
  ] as const)
    it(`keeps to 30 seconds, before and after, when the wall clock jumps ${how} by an hour`, () => {
      const { clock, place } = startOrders();
      const early = place(30_000);
      clock.advance(10_000);
      clock.jump(ms);
      const late = place(30_000);
      clock.advance(19_999);
      expect([early(), late()]).to.deep.equal(['pending', 'pending']);
      clock.advance(1);
      expect([early(), late()]).to.deep.equal(['cancelling', 'pending']);
      clock.advance(9_999);
      expect(late()).to.equal('pending');
      clock.advance(1);
      expect(late()).to.equal('cancelling');
    });

  it('tries again, later and later, while the database cannot be written', () => {
    const { clock, place, db } = startOrders();
    const status = place(1_000);
    db.pragma('query_only = 1');
    clock.advance(10_000);
    db.pragma('query_only = 0');
    expect(status()).to.equal('pending');
    clock.advance(8_000);
    expect(status()).to.equal('cancelling');
  });

  it('looks at the start at what fell due while the process was away', () => {
    const clock = new HandClock();
    const db = openDatabase(':memory:', orderService.migrations);
    const { store } = new ServiceNode(orderService, { db, bus: new FakeBus(), clock, log: silentLog }).parts;
    const { orderId, items, total } = placed;
    store.insert({ orderId, userId, items, total, placedAtMs: 0, deadlineAtMs: clock.nowMs() - 1 });
    const node = new ServiceNode(orderService, { db, bus: new FakeBus(), clock, log: silentLog });
    node.start();
    clock.advance(0);
    expect(store.order(orderId)?.status).to.equal('cancelling');
  });

  it('meets the deadlines of 99 orders at once though that of one fails, and of that one later and later', () => {
    const { clock, place, db, errors } = startOrders();
    const all = Array.from({ length: 100 }, () => place(1_000));
    const [first] = all;
    db.exec(`CREATE TRIGGER broken BEFORE UPDATE ON orders WHEN new.order_id = '${first?.orderId}'
             BEGIN SELECT raise(ABORT, 'broken'); END`);
    clock.advance(1_000);
    expect(all.filter((status) => status() === 'cancelling')).to.have.lengthOf(99);
    expect(first?.()).to.equal('pending');
    const attempts = () => errors.length;
    expect(attempts()).to.equal(1);
    clock.advance(10_000);
    expect(attempts(), 'after 1, 2 and 4 seconds more').to.equal(4);
    db.exec('DROP TRIGGER broken');
    clock.advance(8_000);
    expect(first?.()).to.equal('cancelling');
  });

  it('does not spin when something stays due after it was met: it is tried later and later', () => {
    let met = 0;
    const definition: typeof orderService = {
      ...orderService,
      build: (db) => ({
        ...orderService.build(db),
        deadlines: {
          nextAtMs: () => 0,
          due: () => ['stuck'],
          meet: () => {
            met += 1;
          },
        },
      }),
    };
    const clock = new HandClock();
    const db = openDatabase(':memory:', orderService.migrations);
    const node = new ServiceNode(definition, { db, bus: new FakeBus(), clock, log: silentLog });
    node.start();
    clock.advance(10_000);
    expect(met, 'twice at once, then after 1, 2 and 4 seconds more').to.equal(5);
    node.stop();
  });

  it('meets new deadlines within a second while one fails, also when 100 older ones fail', () => {
    const { clock, place, db } = startOrders();
    const broken = Array.from({ length: 101 }, () => place(1_000));
    const last = broken.at(-1)?.orderId ?? '';
    db.exec(`CREATE TRIGGER broken BEFORE UPDATE ON orders WHEN new.order_id <= '${last}'
             BEGIN SELECT raise(ABORT, 'broken'); END`);
    clock.advance(5_000);
    const good = place(1_000);
    clock.advance(2_000);
    expect(good()).to.equal('cancelling');
    expect(broken.filter((status) => status() === 'pending')).to.have.lengthOf(101);
  });

  it('is exact again once the order whose deadline failed has ended in another way', () => {
    const { clock, place, db, bus } = startOrders();
    const broken = place(1_000);
    db.exec(
      "CREATE TRIGGER broken BEFORE INSERT ON facts WHEN new.type = 'order.withdrawn' BEGIN SELECT raise(ABORT, 'x'); END",
    );
    clock.advance(1_000);
    bus.deliverEvent(eventOf('inventory.reserved', { ...samples['inventory.reserved'], orderId: broken.orderId }));
    clock.turn();
    expect(broken()).to.equal('confirmed');
    db.exec('DROP TRIGGER broken');
    // The next look at the deadlines notices.
    clock.advance(1_000);
    const [soon, later] = [place(300), place(500)];
    clock.advance(499);
    expect([soon(), later()]).to.deep.equal(['cancelling', 'pending']);
    clock.advance(1);
    expect(later()).to.equal('cancelling');
  });

  it('asks again when answers are missing after 10 seconds, and again after 20 more, until they are there', () => {
    const { clock, place, bus, node, errors } = startOrders();
    const status = place(1_000);
    const { orderId } = status;
    const withdrawals = () =>
      bus.published
        .filter(({ message }) => message.routingKey === 'order.withdrawn')
        .map(({ message }) => JSON.parse(message.body.toString()).data.attempt);
    clock.advance(1_000);
    expect(withdrawals()).to.deep.equal([undefined]);
    clock.advance(9_999);
    expect(withdrawals()).to.deep.equal([undefined]);
    clock.advance(1);
    expect(withdrawals()).to.deep.equal([undefined, 2]);
    clock.advance(20_000);
    expect(withdrawals()).to.deep.equal([undefined, 2, 3]);
    bus.deliverEvent(eventOf('payment.voided', { orderId }));
    bus.deliverEvent(eventOf('inventory.voided', { orderId }));
    clock.advance(3_600_000);
    expect(status()).to.equal('cancelled');
    expect(withdrawals()).to.deep.equal([undefined, 2, 3]);
    expect(node.handler.tally.deadLettered).to.equal(0);
    expect(errors, 'asking again is no fault').to.deep.equal([]);
  });
});
