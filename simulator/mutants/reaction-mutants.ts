// What services do about events.
import type { InventoryParts } from '../../inventory-service/service.ts';
import type { OrderStatus } from '../../order-service/order.ts';
import type { OrderParts } from '../../order-service/service.ts';
import type { PaymentParts } from '../../payment-service/service.ts';
import { type AnyEvent, emit } from '../../shared/contract/choreography.ts';
import type { Moment } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { type Mutant, planted } from './mutant.ts';
import { type React, reaction, sql } from './planting.ts';

/** Payment-service refuses an order that it could charge. */
function refusing(when: (balance: number, total: number, orderId: string) => boolean) {
  return reaction<PaymentParts>('payment-service', 'order.placed', (real, { store }) => (event, at) => {
    if (event.type !== 'order.placed') return real(event, at);
    const { orderId, userId, total: amount, items } = event.data;
    const account = store.account(userId);
    const affordable = account && !account.blocked && account.balance >= amount && !store.payment(orderId);
    if (!affordable || !when(account.balance, amount, orderId)) return real(event, at);
    const reason = 'insufficient_funds';
    store.putPayment({ status: 'failed', orderId, userId, amount, reason }, at.nowMs);
    return emit('payment.failed', { orderId, userId, amount, items, reason });
  });
}

export const reactionMutants: readonly Mutant[] = [
  {
    name: 'no-fence-in-payment',
    bug: 'a withdrawal that comes before its order leaves no fence in payment-service',
    promise: 'P7',
    ...reaction('payment-service', 'order.withdrawn', (real, _parts, db) => {
      const removeFence = db.prepare("DELETE FROM payments WHERE order_id = ? AND status = 'voided'");
      return (event, at) => {
        const outcome = real(event, at);
        removeFence.run(event.subject);
        return outcome;
      };
    }),
  },
  {
    name: 'no-fence-in-inventory',
    bug: 'a withdrawal that comes before the payment leaves no fence in inventory-service',
    promise: 'P7',
    ...reaction('inventory-service', 'order.withdrawn', (real, _parts, db) => {
      const removeFence = db.prepare("DELETE FROM reservations WHERE order_id = ? AND status = 'voided'");
      return (event, at) => {
        const outcome = real(event, at);
        removeFence.run(event.subject);
        return outcome;
      };
    }),
  },
  {
    name: 'refund-unchecked',
    bug: 'a withdrawal refunds an order without checking that it was charged',
    promise: 'P3',
    ...reaction<PaymentParts>('payment-service', 'order.withdrawn', (real, { store }) => (event, at) => {
      const known = store.payment(event.subject);
      if (known?.status === 'failed' && store.account(known.userId)) {
        store.enter(known.userId, 'refund', known.amount, event.subject, at.nowMs);
      }
      return real(event, at);
    }),
  },
  {
    name: 'refund-twice',
    bug: 'a refusal and a withdrawal of the same order each refund it',
    promise: 'P3',
    opened: ({ db }, service) => {
      if (service === 'payment-service') db.exec('DROP INDEX ledger_once');
    },
    ...reaction<PaymentParts>('payment-service', 'inventory.rejected', (real, { store }) => (event, at) => {
      const known = store.payment(event.subject);
      if (known?.status === 'refunded') store.enter(known.userId, 'refund', known.amount, event.subject, at.nowMs);
      return real(event, at);
    }),
  },
  {
    name: 'partial-reservation',
    bug: 'the lines that are in stock stay set aside when another one is not',
    promise: 'P4',
    ...reaction<InventoryParts>('inventory-service', 'payment.completed', (real, { store }) => (event, at) => {
      const outcome = real(event, at);
      if (typeof outcome !== 'string' && outcome.type === 'inventory.rejected' && event.type === 'payment.completed') {
        const short = new Set(outcome.data.shortages.map(({ productId }) => productId));
        for (const { productId, qty } of event.data.items) {
          if (!short.has(productId)) store.move(productId, 'reserve', -qty, event.subject, at.nowMs);
        }
      }
      return outcome;
    }),
  },
  {
    name: 'stock-not-returned',
    bug: 'a reservation is marked as released, and its stock is not returned',
    promise: 'P4',
    ...reaction<InventoryParts>('inventory-service', 'order.withdrawn', (real, { store }) => (event, at) => {
      const known = store.reservation(event.subject);
      if (known?.status !== 'reserved') return real(event, at);
      store.putReservation({ ...known, status: 'released' }, at.nowMs);
      return emit('inventory.released', { orderId: known.orderId, items: [...known.items] });
    }),
  },
  {
    name: 'confirm-after-withdrawn',
    bug: 'success confirms an order that has been withdrawn',
    promise: 'P7',
    ...reaction<OrderParts>('order-service', 'inventory.reserved', (real, { store }) => (event, at) => {
      const outcome = real(event, at);
      const order = store.order(event.subject);
      if (outcome !== 'withdrawn' || order?.status !== 'cancelling') return outcome;
      store.setStatus(order.orderId, 'confirmed', undefined);
      return emit('order.confirmed', { orderId: order.orderId, userId: order.userId, total: order.total });
    }),
  },
  {
    name: 'last-event-wins',
    bug: 'the status of an order follows from the last event alone, in whatever order they come',
    promise: 'P7',
    definition: (definition) =>
      definition.name !== 'order-service'
        ? undefined
        : {
            ...definition,
            build: (db: Database) => {
              const real = definition.build(db) as unknown as OrderParts;
              const statusAfter: Record<string, OrderStatus> = {
                'payment.completed': 'pending',
                'payment.failed': 'cancelled',
                'inventory.reserved': 'confirmed',
                'inventory.rejected': 'cancelling',
                'payment.refunded': 'cancelled',
              };
              const reactions = Object.fromEntries(
                Object.entries(real.reactions).map(([type, react]) => [
                  type,
                  (event: AnyEvent, at: Moment) => {
                    const outcome = (react as React)(event, at);
                    const status = statusAfter[type];
                    if (status) real.store.setStatus(event.subject, status, undefined);
                    return outcome;
                  },
                ]),
              );
              return { ...real, reactions } as never;
            },
          },
  },
  {
    name: 'cancelled-too-early',
    bug: 'an order ends as cancelled before it has been refunded',
    promise: 'P2',
    ...reaction<OrderParts>('order-service', 'inventory.released', (real, { store }, db) => {
      const cancel = db.prepare("UPDATE orders SET status = 'cancelled' WHERE order_id = ?");
      return (event, at) => {
        const outcome = real(event, at);
        if (outcome === 'waits' && store.order(event.subject)?.status === 'cancelling') cancel.run(event.subject);
        return outcome;
      };
    }),
  },
  planted(
    'P3',
    'last-cent-refused',
    'an account with exactly what an order costs cannot pay for it',
    refusing((balance, total) => balance === total),
  ),
  planted(
    'P3',
    'affordable-order-refused',
    'now and then an order is refused that could be paid for',
    refusing((_balance, _total, orderId) => orderId.endsWith('7')),
  ),
  planted('P3', 'blocked-account-pays', 'a blocked account is charged', {
    ...reaction<PaymentParts>('payment-service', 'order.placed', (real, { store }) => (event, at) => {
      const userId = event.type === 'order.placed' ? event.data.userId : '';
      const blocked = store.account(userId)?.blocked === true;
      if (blocked) store.putAccount(userId, false);
      const outcome = real(event, at);
      if (blocked) store.putAccount(userId, true);
      return outcome;
    }),
  }),
  planted('P3', 'refund-to-somebody-else', 'a refund goes to another account', {
    ...reaction<PaymentParts>('payment-service', 'inventory.rejected', (real, { store }) => (event, at) => {
      const known = store.payment(event.subject);
      if (known?.status !== 'completed') return real(event, at);
      const { orderId, userId, amount } = known;
      store.enter('rich-1', 'refund', amount, orderId, at.nowMs);
      store.putPayment({ ...known, status: 'refunded' }, at.nowMs);
      return emit('payment.refunded', { orderId, userId, amount, because: 'inventory.rejected' });
    }),
  }),
  planted(
    'P3',
    'refunded-stays-completed',
    'a payment that is refunded keeps its status',
    sql('INSERT INTO payments', 'status = excluded.status', 'status = payments.status'),
  ),
  planted('P7', 'asked-again-unanswered', 'payment-service does not answer a withdrawal that asks again', {
    ...reaction<PaymentParts>('payment-service', 'order.withdrawn', (real, { store }) => (event, at) => {
      const known = store.payment(event.subject);
      const again = event.type === 'order.withdrawn' && event.data.attempt !== undefined;
      return again && known && known.status !== 'completed' ? 'compensated' : real(event, at);
    }),
  }),
  planted('P4', 'last-unit-refused', 'the last units of a product are never sold', {
    ...reaction<InventoryParts>('inventory-service', 'payment.completed', (real, { store }) => (event, at) => {
      if (event.type !== 'payment.completed' || store.reservation(event.subject)) return real(event, at);
      const items = event.data.items.map(({ productId, qty }) => ({ productId, qty }));
      const last = items.filter(({ productId, qty }) => store.stockOf(productId) === qty);
      if (last.length === 0) return real(event, at);
      const orderId = event.subject;
      const shortages = last.map(({ productId, qty }) => ({ productId, wanted: qty, available: qty }));
      store.putReservation({ status: 'rejected', orderId, items, shortages }, at.nowMs);
      return emit('inventory.rejected', { orderId, shortages });
    }),
  }),
  planted('P4', 'first-line-only', 'only the first line of an order is set aside', {
    ...reaction<InventoryParts>('inventory-service', 'payment.completed', (real, { store }) => (event, at) => {
      const outcome = real(event, at);
      if (typeof outcome === 'string' || outcome.type !== 'inventory.reserved') return outcome;
      for (const { productId, qty } of outcome.data.items.slice(1))
        store.move(productId, 'release', qty, event.subject, at.nowMs);
      return outcome;
    }),
  }),
  planted('P2', 'reason-forgotten', 'an order that could not be paid for counts as cancelled by its customer', {
    ...reaction<OrderParts>('order-service', 'payment.failed', (real, { store }) => (event, at) => {
      const outcome = real(event, at);
      store.setStatus(event.subject, 'cancelled', 'customer');
      return outcome;
    }),
  }),
  planted(
    'P7',
    'older-price-wins',
    'the last product.updated that comes counts, however old it is',
    sql('INSERT INTO catalogue', 'excluded.version > catalogue.version', '1'),
  ),
];
