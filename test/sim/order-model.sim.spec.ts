// What the model of order-service makes of events that came twice, after a database was put back.
import { expect } from 'chai';
import type { DataOf } from '../../shared/contract/choreography.ts';
import { OrderModel } from '../../simulator/model/order-model.ts';
import { eventOf, samples } from '../support/events.ts';

const at = { nowMs: 1_000, atMs: 1_000, steadyMs: 1_000 };

describe('the model of order-service', () => {
  /** An order that is known from its payment, and what payment-service said of its refund, one millisecond after the other. */
  function askedAgain(...because: readonly DataOf<'payment.refunded'>['because'][]): unknown {
    const model = new OrderModel();
    const paid = eventOf('payment.completed', samples['payment.completed']);
    model.react(
      { ...paid, data: { ...paid.data, items: [{ productId: 'p', qty: 1, unitPrice: paid.data.amount }] } },
      at,
    );
    because.forEach((reason, index) => {
      const time = `2030-01-01T00:00:00.00${index}Z`;
      model.react({ ...eventOf('payment.refunded', { ...samples['payment.refunded'], because: reason }), time }, at);
    });
    const later = { nowMs: 9e15, atMs: 9e15, steadyMs: 9e15 };
    const [emitted] = model.deadline(paid.subject, later, { away: [], caughtUp: true }).emits;
    return (emitted?.data as { readonly reason?: string } | undefined)?.reason;
  }

  it('goes by the earlier of two refunds, as the service does', () => {
    expect(askedAgain('order.withdrawn', 'inventory.rejected')).to.equal('customer');
    expect(askedAgain('inventory.rejected', 'order.withdrawn')).to.equal('deadline');
  });
});
