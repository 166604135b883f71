// Another process holds the lock of a service's database for half a minute. The service goes on answering, and then goes on.
import { expect } from 'chai';
import { lockDatabase } from '../../local/soak/database-lock.ts';
import { http, SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const lockMs = 30_000;
/** What a supervisor, or a customer, waits for an answer. */
const patienceMs = 5_000;

describe('payment-service, whose database another process has locked for 30 s', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  const orderIds: string[] = [];
  /** Answers by request and status, while the database was locked. */
  const seen = new Map<string, number>();

  before(async () => {
    system = await SagaSystem.start();
    await system.account('rich', 100_000_000);
    await system.product('CUP', 100, 1_000_000);
    const unlock = await lockDatabase(system.payment.databasePath);
    try {
      const untilMs = performance.now() + lockMs;
      while (performance.now() < untilMs) {
        orderIds.push(await placeOrder());
        for (const path of ['/livez', '/readyz', '/accounts/rich', '/totals']) await ask('GET', path);
        await ask('PUT', '/accounts/other');
      }
    } finally {
      await unlock();
    }
  });
  after(() => system?.stop());

  async function placeOrder(): Promise<string> {
    const { body } = await http<{ orderId: string }>('POST', `${system.order.url}/orders`, {
      ...{ userId: 'rich', deadlineMs: 600_000 },
      items: [{ productId: 'CUP', qty: 1 }],
    });
    return body.orderId;
  }

  async function ask(method: string, path: string): Promise<void> {
    const { status, headers } = await fetch(`${system.payment.url}${path}`, {
      method,
      signal: AbortSignal.timeout(patienceMs),
      ...(method === 'PUT' ? { headers: { 'content-type': 'application/json' }, body: '{"balance":1}' } : {}),
    });
    const retry = headers.get('retry-after') === null ? '' : ' with Retry-After';
    const what = `${method} ${path}: ${status}${retry}`;
    seen.set(what, (seen.get(what) ?? 0) + 1);
  }

  it('answers probes and reads in time, and refuses changes with 503 and when to try again', () => {
    expect([...seen.keys()].sort()).to.deep.equal([
      'GET /accounts/rich: 200',
      'GET /livez: 200',
      'GET /readyz: 200',
      'GET /readyz: 503',
      'GET /totals: 200',
      'PUT /accounts/other: 503 with Retry-After',
    ]);
  });

  it('goes on by itself once the lock is gone: all orders that were placed meanwhile are confirmed', async () => {
    await eventually(
      'payment-service to be ready',
      () => http('GET', `${system.payment.url}/readyz`),
      ({ status }) => status === 200,
    );
    for (const orderId of orderIds)
      await eventually(
        `order ${orderId} to be confirmed`,
        () => http<{ status: string }>('GET', `${system.order.url}/orders/${orderId}`),
        ({ body }) => body.status === 'confirmed',
      );
    expect(orderIds).to.not.deep.equal([]);
  });
});
