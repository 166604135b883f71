// Cancellation at every step boundary, over HTTP, with real processes and a real RabbitMQ. Services that are stopped or
// frozen hold the saga at the boundary.
import { expect } from 'chai';
import { http, type OrderView, SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

describe('P7 Any order: cancellation at every step', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  const line = [{ productId: 'CUP', qty: 1 }];
  const shortLine = [{ productId: 'CUP', qty: 1_000 }];

  before(async () => {
    system = await SagaSystem.start({ ORDER_DEADLINE_MS: '600000' });
    await system.account('rich', 1_000_000);
    await system.product('CUP', 100, 50);
  });
  after(() => system?.stop());

  async function expectUntouched(orderId: string, before: { money: number; stock: number }): Promise<OrderView> {
    const ended = await system.ended(orderId);
    await system.expectBalanced();
    expect(ended.status).to.equal('cancelled');
    expect(await system.balance('rich')).to.equal(before.money);
    expect(await system.stock('CUP')).to.equal(before.stock);
    return ended;
  }

  async function now(): Promise<{ money: number; stock: number }> {
    return { money: await system.balance('rich'), stock: await system.stock('CUP') };
  }

  it('while payment-service is away: it is fenced off, and the order that it finds later takes nothing', async () => {
    const before = await now();
    await system.payment.stop();
    const { orderId } = await system.place('rich', line);
    const answer = await system.cancel(orderId);
    expect([answer.status, answer.body.status]).to.deep.equal([202, 'cancelling']);
    await system.knows(orderId, 'inventory.voided');
    const waiting = await system.view(orderId);
    expect(waiting.waitsFor.map(({ service, events }) => [service, events])).to.deep.equal([
      ['payment-service', ['payment.failed', 'payment.refunded', 'payment.voided']],
    ]);
    const again = await system.cancel(orderId);
    expect([again.status, again.body.status]).to.deep.equal([202, 'cancelling']);
    await system.payment.start();
    const ended = await expectUntouched(orderId, before);
    expect(ended.reason).to.equal('customer');
    const after = await system.cancel(orderId);
    expect([after.status, after.body.status]).to.deep.equal([202, 'cancelled']);
  });

  it('while inventory-service is away and the money is taken: it is given back', async () => {
    const before = await now();
    await system.inventory.stop();
    const { orderId } = await system.place('rich', line);
    await system.knows(orderId, 'payment.completed');
    expect(await system.balance('rich')).to.equal(before.money - 100);
    expect((await system.cancel(orderId)).status).to.equal(202);
    await system.knows(orderId, 'payment.refunded');
    expect((await system.view(orderId)).waitsFor.map(({ service }) => service)).to.deep.equal(['inventory-service']);
    await system.inventory.start();
    await expectUntouched(orderId, before);
    // It found both in its queue: what it set aside for the first it gave back for the second.
    const { body } = await http('GET', `${system.inventory.url}/reservations/${orderId}`);
    expect(body).to.include({ status: 'released' });
  });

  it('while both are away', async () => {
    const before = await now();
    await Promise.all([system.payment.stop(), system.inventory.stop()]);
    const { orderId } = await system.place('rich', line);
    expect((await system.cancel(orderId)).status).to.equal(202);
    expect((await system.view(orderId)).waitsFor).to.have.length(2);
    await Promise.all([system.payment.start(), system.inventory.start()]);
    await expectUntouched(orderId, before);
  });

  it('after stock was set aside and before order-service knew of it: both are given back', async () => {
    const before = await now();
    // Frozen, not stopped: the order waits in its queue while the others go on, and a cancel waits in its socket.
    const { orderId } = await holdOrderService(line);
    await eventually(
      'the reservation',
      () => http('GET', `${system.inventory.url}/reservations/${orderId}`),
      ({ body }) => body['status'] === 'reserved',
    );
    const cancelled = system.cancel(orderId);
    system.order.signal('SIGCONT');
    const { status } = await cancelled;
    const ended = await system.ended(orderId);
    await system.expectBalanced();
    // Whichever came first in order-service: the success, or the cancel.
    if (status === 409) {
      expect(ended.status).to.equal('confirmed');
      expect(await now()).to.deep.equal({ money: before.money - 100, stock: before.stock - 1 });
    } else {
      expect([status, ended.status]).to.deep.equal([202, 'cancelled']);
      expect(await now()).to.deep.equal(before);
    }
  });

  it('while the refund after refused stock is still to come: the same answer, one refund', async () => {
    const before = await now();
    await system.inventory.stop();
    const { orderId } = await system.place(
      'rich',
      shortLine.map((item) => ({ ...item, qty: 999 })),
    );
    await system.knows(orderId, 'payment.completed');
    await system.payment.stop();
    await system.inventory.start();
    await system.knows(orderId, 'inventory.rejected');
    const answer = await system.cancel(orderId);
    expect([answer.status, answer.body.status, answer.body.reason]).to.deep.equal([202, 'cancelling', 'out_of_stock']);
    await system.payment.start();
    await expectUntouched(orderId, before);
    const { body } = await http<{ entries: { kind: string; orderId?: string }[] }>(
      'GET',
      `${system.payment.url}/accounts/rich?limit=100`,
    );
    expect(body.entries.filter((entry) => entry.orderId === orderId).map(({ kind }) => kind)).to.deep.equal([
      'refund',
      'charge',
    ]);
  });

  it('of a confirmed order: 409', async () => {
    const { orderId } = await system.place('rich', line, { prefer: 'wait=20' });
    const answer = await system.cancel(orderId);
    expect([answer.status, answer.body]).to.deep.include(409);
    expect(answer.body).to.include({ type: 'urn:problem:order-confirmed', orderStatus: 'confirmed' });
    expect((await system.view(orderId)).status).to.equal('confirmed');
  });

  it('of an unknown order: 404', async () => {
    expect((await system.cancel('01900000-0000-7000-8000-000000000000')).status).to.equal(404);
  });

  it('of a refused order: it stays cancelled for its own reason', async () => {
    const order = await system.place('nobody', line, { prefer: 'wait=20' });
    const answer = await system.cancel(order.orderId);
    expect([answer.status, answer.body.status, answer.body.reason]).to.deep.equal([
      202,
      'cancelled',
      'no_such_account',
    ]);
  });

  it('waits for the outcome when asked to', async () => {
    await system.inventory.stop();
    const { orderId } = await system.place('rich', line);
    const asked = http<OrderView>('POST', `${system.order.url}/orders/${orderId}/cancel`, undefined, {
      prefer: 'wait=25',
    });
    await system.knows(orderId, 'order.withdrawn');
    await system.inventory.start();
    const answer = await asked;
    expect([answer.status, answer.body.status]).to.deep.equal([200, 'cancelled']);
  });

  it('at any moment, a hundred times: each order ends as the answer said, and the totals balance', async () => {
    await system.product('CUP', 100, 1_000);
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const { orderId } = await system.place('rich', line);
        // Spread over the few milliseconds that a saga takes, by turns of the event loop rather than by time.
        for (let turn = 0; turn < index % 20; turn += 1) await system.view(orderId);
        return { orderId, status: (await system.cancel(orderId)).status };
      }),
    );
    for (const { orderId, status } of results) {
      expect((await system.ended(orderId)).status).to.equal(status === 409 ? 'confirmed' : 'cancelled');
    }
    await system.expectBalanced();
  });

  /** Places an order and freezes order-service once its event is out and before the outcome reaches it. */
  async function holdOrderService(items: typeof line): Promise<OrderView> {
    await system.inventory.stop();
    const placed = await system.place('rich', items);
    await eventually(
      'the payment',
      () => http('GET', `${system.payment.url}/payments/${placed.orderId}`),
      ({ body }) => body['status'] === 'completed',
    );
    system.order.signal('SIGSTOP');
    await system.inventory.start();
    return placed;
  }
});
