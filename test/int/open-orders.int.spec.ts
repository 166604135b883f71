// Counting orders for the metrics: the open ones step by step, those that have ended by a trigger.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { keptMsMax, OpenOrders, stepOrders } from '../../order-service/open-orders.ts';
import type { OrderStatus } from '../../order-service/order.ts';
import { OrderStatistics } from '../../order-service/order-statistics.ts';
import { orderService } from '../../order-service/service.ts';
import { OrderStore } from '../../order-service/store.ts';
import type { EventType } from '../../shared/contract/choreography.ts';
import { type Database, openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import { eventOf } from '../support/events.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';

/** Between two steps, with something to spare. */
const pauseMs = 100;
const pending: readonly EventType[] = ['order.placed'];

/** Orders of which these facts are known. */
function insert(db: Database, facts: readonly EventType[], count = 1, status: OrderStatus = 'pending'): string[] {
  const store = new OrderStore(db);
  return Array.from({ length: count }, (_, n) => {
    const orderId = uuidv7();
    store.insert({ orderId, userId: 'ann', items: [], total: 1, placedAtMs: 1_000 + n, deadlineAtMs: 2_000 });
    for (const type of facts) store.addFact(eventOf(type, undefined, { subject: orderId }));
    if (status !== 'pending') store.setStatus(orderId, status, undefined);
    return orderId;
  });
}

describe('open orders', () => {
  let db: Database;
  let clock: HandClock;
  let open: OpenOrders;
  beforeEach(() => {
    db = openDatabase(':memory:', orderService.migrations);
    clock = new HandClock();
    open = new OpenOrders(new OrderStatistics(db), clock);
  });
  afterEach(() => db.close());

  it('are counted at once, as long as one step is enough', () => {
    insert(db, pending, stepOrders - 2);
    insert(db, ['order.placed', 'payment.completed']);
    insert(db, ['order.placed', 'inventory.reserved', 'payment.completed'], 1, 'confirmed');
    expect(open.count()).to.deep.equal({
      byStatus: { pending: stepOrders - 1, cancelling: 0 },
      byService: {
        'payment-service': { orders: stepOrders - 2, oldestPlacedAtMs: 1_000 },
        'inventory-service': { orders: 1, oldestPlacedAtMs: 1_000 },
      },
    });
  });

  it('are counted in steps where there are more, and not known before the last one', () => {
    insert(db, pending, 2 * stepOrders + 1);
    insert(db, ['order.placed', 'order.withdrawn'], 1, 'cancelling');
    expect(open.count()).to.equal(undefined);
    clock.turn();
    expect(open.count(), 'after the first step').to.equal(undefined);
    clock.advance(pauseMs);
    const { byStatus, byService } = open.count() ?? {};
    expect(byStatus).to.deep.equal({ pending: 2 * stepOrders + 1, cancelling: 1 });
    expect(byService?.['payment-service']?.orders).to.equal(2 * stepOrders + 2);
    expect(byService?.['inventory-service']?.orders).to.equal(1);
  });

  it('are as they were at the last count, while the next one goes on', () => {
    insert(db, pending, stepOrders + 1);
    open.count();
    clock.advance(pauseMs);
    insert(db, pending, 5);
    expect(open.count()?.byStatus.pending, 'the count of before').to.equal(stepOrders + 1);
    clock.advance(pauseMs);
    expect(open.count()?.byStatus.pending).to.equal(stepOrders + 6);
  });

  it('are not known while they are counted after a minute in which nobody has asked', () => {
    open.count();
    insert(db, pending, stepOrders + 1);
    clock.advance(keptMsMax);
    expect(open.count()?.byStatus.pending, 'after a minute').to.equal(0);
    clock.advance(pauseMs);
    expect(open.count()?.byStatus.pending).to.equal(stepOrders + 1);
    clock.advance(pauseMs);
    clock.advance(keptMsMax);
    expect(open.count(), 'after more than a minute').to.equal(undefined);
    clock.advance(pauseMs);
    expect(open.count()?.byStatus.pending).to.equal(stepOrders + 1);
  });

  it('are not known after a count that the database has stopped, and are counted again', () => {
    insert(db, pending, stepOrders + 1);
    const statistics = new OrderStatistics(db);
    const faulty = new OpenOrders(statistics, clock);
    faulty.count();
    const { open: read } = statistics;
    statistics.open = () => {
      throw new TransientError('database is locked');
    };
    clock.advance(pauseMs);
    expect(() => faulty.count()).to.throw(TransientError);
    statistics.open = read;
    expect(faulty.count()).to.equal(undefined);
    clock.advance(pauseMs);
    expect(faulty.count()?.byStatus.pending).to.equal(stepOrders + 1);
  });
});

describe('orders that have ended', () => {
  afterEach(removeDatabases);
  const ended = (db: Database): Record<string, number> =>
    Object.fromEntries(new OrderStatistics(db).ended().map(({ status, orders }) => [status, orders]));

  it('are counted when their status changes, once each, and no more when they are deleted', () => {
    const db = openDatabase(':memory:', orderService.migrations);
    const store = new OrderStore(db);
    insert(db, pending, 3);
    insert(db, pending, 2, 'cancelling');
    const [first = ''] = insert(db, pending, 4, 'confirmed');
    const [cancelled = ''] = insert(db, pending, 1, 'cancelled');
    store.setStatus(cancelled, 'cancelled', 'customer');
    expect(ended(db)).to.deep.equal({ confirmed: 4, cancelled: 1 });
    db.prepare('DELETE FROM orders WHERE order_id = ?').run(first);
    expect(ended(db)).to.deep.equal({ confirmed: 3, cancelled: 1 });
    db.close();
  });

  it('are counted once when a database from before is opened', () => {
    const path = newDatabasePath();
    const before = openDatabase(path, orderService.migrations.slice(0, 6));
    for (const [id, status] of ['pending', 'pending', 'cancelled', 'cancelled', 'cancelled'].entries()) {
      before
        .prepare(
          `INSERT INTO orders (order_id, user_id, status, items, total, placed_at_ms, deadline_at_ms)
           VALUES (?, 'ann', ?, '[]', 1, 1, 1)`,
        )
        .run(String(id), status);
    }
    before.close();
    const db = openDatabase(path, orderService.migrations);
    expect(ended(db)).to.deep.equal({ confirmed: 0, cancelled: 3 });
    db.close();
  });
});
