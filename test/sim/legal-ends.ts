// How one order may end in each service, once it has handled its whole history.
import { expect } from 'chai';
import { statusOf } from '../../order-service/order.ts';
import type { PerSagaService } from '../../services.ts';
import type { EventType } from '../../shared/contract/choreography.ts';
import { hasEnded } from '../../simulator/environment/saga-event.ts';
import type { History } from './histories.ts';
import type { LoneService } from './lone-service.ts';

/** Returns how the order ended. @throws AssertionError when that is not legal */
export const endOf: PerSagaService<(service: LoneService, history: History) => string> = {
  'order-service': ({ host, orderId }, history) => {
    const text = history.join(', ');
    const { db } = host.database;
    const status = db.prepare<[string], string>('SELECT status FROM orders WHERE order_id = ?').pluck().get(orderId);
    const facts = db.prepare<[], EventType>('SELECT type FROM facts').pluck().all();
    expect(status, text).to.equal(statusOf(new Set(facts)));
    expect(hasEnded(status ?? ''), `${text}: ${status} is an end`).to.equal(true);
    return status ?? '';
  },
  'payment-service': ({ host }, history) => {
    const text = history.join(', ');
    const { db } = host.database;
    const status = db.prepare<[], string>('SELECT status FROM payments').pluck().get() ?? 'none';
    const balance = db.prepare<[], number>('SELECT balance FROM accounts').pluck().get();
    const compensated = history.includes('order.withdrawn') || history.includes('inventory.rejected');
    if (compensated) expect(balance, text).to.equal(10);
    expect(balance, `${text}: ${status}`).to.equal(status === 'completed' ? 0 : 10);
    return status;
  },
  'inventory-service': ({ host }, history) => {
    const text = history.join(', ');
    const { db } = host.database;
    const status = db.prepare<[], string>('SELECT status FROM reservations').pluck().get() ?? 'none';
    const stock = db.prepare<[], number>('SELECT stock FROM products').pluck().get();
    if (history.includes('order.withdrawn')) expect(stock, text).to.equal(1);
    expect(stock, `${text}: ${status}`).to.equal(status === 'reserved' ? 0 : 1);
    return status;
  },
};
