// `npm run audit` against real services: all agree after mixed orders, also while more come; what was changed by hand is named.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import type { ServiceProcess } from '../../local/service-process.ts';
import { SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);

describe('npm run audit', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  /** By the users that placed them. */
  const orders: Record<string, string[]> = { rich: [], poor: [], nobody: [] };

  before(async () => {
    system = await SagaSystem.start();
    await system.account('rich', 1_000_000);
    await system.account('poor', 1);
    await system.product('PEN', 2, 1_000);
    await system.product('RARE', 3, 5);
  });
  after(() => system?.stop());

  const audit = async (...options: string[]): Promise<{ exitCode: number; output: string; errors: string }> => {
    const file = fileURLToPath(new URL('../../tools/audit.js', import.meta.url));
    const urls = system.services.map(({ service, url }) => `--url=${service}=${url}`);
    return run(process.execPath, [file, ...urls, '--settle=3', ...options]).then(
      ({ stdout, stderr }) => ({ exitCode: 0, output: stdout, errors: stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
        exitCode: code,
        output: stdout,
        errors: stderr,
      }),
    );
  };

  /** Changes a database by hand while its service is stopped. */
  const tamper = async (service: ServiceProcess, sql: string, ...values: unknown[]): Promise<void> => {
    await service.stop();
    const db = new Sqlite(service.databasePath);
    const { changes } = db.prepare(sql).run(...values);
    db.close();
    expect(changes, sql).to.equal(1);
    await service.start();
  };

  it('P5 says that all agree after 200 mixed orders, and exits with 0', async () => {
    const users = ['rich', 'rich', 'poor', 'nobody'];
    await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const userId = users[n % users.length] ?? '';
        const items = [{ productId: n % 5 === 0 ? 'RARE' : 'PEN', qty: 1 }];
        const { orderId } = await system.place(userId, items);
        orders[userId]?.push(orderId);
        if (n % 7 === 0) await system.cancel(orderId);
      }),
    );
    await system.quiet();
    const { exitCode, output, errors } = await audit();
    expect(exitCode, output + errors).to.equal(0);
    expect(output).to.include('Read 200 orders, 200 payments,').and.to.include('2 products');
    expect(output).to.include('All agree.').and.not.to.include('Not compared');
  });

  it('P5 says that all agree while orders keep coming', async () => {
    let placing = true;
    let placed = 0;
    const place = async (): Promise<void> => {
      while (placing) {
        await system.place('rich', [{ productId: 'PEN', qty: 1 }]);
        placed += 1;
      }
    };
    const stream = Promise.all([place(), place()]);
    await eventually('the first orders', () => placed > 10);
    const before = placed;
    const { exitCode, output, errors } = await audit();
    const meanwhile = placed - before;
    placing = false;
    await stream;
    await system.quiet();
    expect(exitCode, output + errors).to.equal(0);
    expect(meanwhile, 'orders placed during the audit').to.be.above(0);
  });

  it('P2 --repair ends an order that is stuck: without it the audit exits with 1, afterwards with 0', async () => {
    const [orderId = ''] = orders['nobody'] ?? [];
    await system.order.stop();
    const db = new Sqlite(system.order.databasePath);
    // As if the answer of payment-service had never come, and asking again were not due for a long time.
    db.prepare(`DELETE FROM facts WHERE order_id = ? AND type IN ('payment.failed', 'payment.voided')`).run(orderId);
    db.prepare(
      `INSERT OR IGNORE INTO facts (order_id, type, event_id, source, time, causation_id, data)
       SELECT order_id, 'order.withdrawn', 'by hand', source, time, causation_id, '{"reason":"customer"}'
       FROM facts WHERE order_id = ? AND type = 'order.placed'`,
    ).run(orderId);
    db.prepare(`UPDATE orders SET status = 'cancelling', due_at_ms = 4000000000000, asks = 0 WHERE order_id = ?`).run(
      orderId,
    );
    db.close();
    await system.order.start();

    const found = await audit('--grace=0');
    expect(found.exitCode, found.output + found.errors).to.equal(1);
    expect(found.output).to.include(`order ${orderId}`).and.to.include('P2 stuck: The order has been cancelling for');
    expect(found.output).to.include('--repair can do something about 1 of them.');
    expect(await system.view(orderId)).to.include({ status: 'cancelling' });

    const repaired = await audit('--grace=0', '--repair');
    expect(repaired.exitCode, repaired.output + repaired.errors).to.equal(0);
    expect(repaired.output).to.include(`repair: order ${orderId}: asked the other services again`);
    expect(repaired.output.trim().endsWith('All agree.'), repaired.output).to.equal(true);
    expect(await system.view(orderId)).to.include({ status: 'cancelled' });
  });

  it('P3 names the order whose payment was changed by hand, and exits with 1', async () => {
    const confirmed = await Promise.all((orders['rich'] ?? []).map((orderId) => system.view(orderId)));
    const { orderId = '', total = 0 } = confirmed.find(({ status }) => status === 'confirmed') ?? {};
    await tamper(system.payment, `UPDATE payments SET status = 'refunded' WHERE order_id = ?`, orderId);
    const { exitCode, output } = await audit('--json');
    expect(exitCode, output).to.equal(1);
    const lines = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ kind }) => kind !== 'warning');
    expect(lines.map(({ kind, about, id }) => [kind, about, id])).to.deep.equal([
      ['disagreement', 'order', orderId],
      ['disagreement', 'totals', 'payment-service'],
      ['summary', undefined, undefined],
    ]);
    expect(lines[0]).to.have.nested.property('holds.order-service.status', 'confirmed');
    expect(lines[0]).to.have.nested.property('holds.payment-service.status', 'refunded');
    expect(lines[0]).to.have.nested.property('holds.inventory-service.status', 'reserved');
    expect(JSON.stringify(lines[0]?.['broken']))
      .to.include('confirmed-not-paid')
      .and.to.include(`take ${total} from rich`);
    expect(lines[2]).to.deep.include({ disagreements: 2, byRule: { 'confirmed-not-paid': 1, 'ledger-differs': 1 } });
  });

  it('exits with 2 when a service is away, and says which and what to do', async () => {
    await system.inventory.stop();
    const { exitCode, output, errors } = await audit();
    expect(exitCode, output + errors).to.equal(2);
    expect(errors).to.include(`inventory-service does not answer at ${system.inventory.url}`);
    expect(errors).to.include('Start the services (npm start)');
    expect(output).to.equal('');
  });
});
