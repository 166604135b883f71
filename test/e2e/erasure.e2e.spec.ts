// A person is erased from a running system with several order-service instances, and does not come back.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { System } from '../../local/system.ts';
import { newVhost } from '../support/broker.ts';
import { contentOf } from '../support/files.ts';
import { http, type OrderView, type Reply } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const tool = (name: string) => fileURLToPath(new URL(`../../tools/${name}.js`, import.meta.url));
const person = 'erika-mustermann';
const pseudonym = 'erased-1';

interface Body {
  readonly status?: string;
  readonly orders?: readonly unknown[];
  readonly products?: readonly unknown[];
}

describe('npm run erase, on a system with two order-service instances', function () {
  this.timeout(240_000);
  const brokerBefore = process.env['AMQP_URL'];
  let dataDir: string;
  let system: System;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'saga-erasure-'));
    process.env['AMQP_URL'] = await newVhost();
    system = await System.start({ dataDir, orders: { instances: 2 }, env: { RECONCILE_INTERVAL_MS: '1000' } });
    for (const { url } of system.processes) await answers(`${url}/readyz`, ({ status }) => status === 200);
    for (const user of [person, 'bob'])
      await http('PUT', `${system.urls['payment-service']}/accounts/${user}`, { balance: 10_000 });
    await http('PUT', `${system.urls['inventory-service']}/products/CUP`, { name: 'Cup', unitPrice: 100, stock: 50 });
    for (const url of orderUrls()) await answers(`${url}/products`, ({ body }) => body.products?.length === 1);
  });
  after(async () => {
    await system?.stop();
    if (brokerBefore === undefined) delete process.env['AMQP_URL'];
    else process.env['AMQP_URL'] = brokerBefore;
    rmSync(dataDir, { recursive: true, force: true });
  });

  const instances = () => system.processes.filter(({ service }) => service === 'order-service');
  const orderUrls = () => instances().map(({ url }) => url);

  function answers(url: string, good: (answer: Reply<Body>) => boolean) {
    return eventually(`${url} to answer as expected`, () => http<Body>('GET', url), good);
  }

  /** Places an order at one instance; resolves when it has ended at both. */
  async function order(at: number, userId: string, qty: number): Promise<string> {
    const placed = await http<OrderView>('POST', `${orderUrls()[at]}/orders`, {
      userId,
      items: [{ productId: 'CUP', qty }],
    });
    const { orderId } = placed.body;
    for (const url of orderUrls())
      await answers(
        `${url}/orders/${orderId}`,
        ({ body }) => body.status === 'confirmed' || body.status === 'cancelled',
      );
    return orderId;
  }

  function erase(): Promise<{ stdout: string }> {
    const at = Object.entries(system.urls).flatMap(([service, url]) => ['--url', `${service}=${url}`]);
    return run(process.execPath, [tool('erase'), person, '--pseudonym', pseudonym, ...at]);
  }

  /** The tables that hold this text, of all databases. */
  function tablesWith(text: string): string[] {
    return readdirSync(dataDir)
      .filter((name) => name.endsWith('.db'))
      .flatMap((name) => {
        const db = new Sqlite(join(dataDir, name), { readonly: true });
        const found = Object.entries(contentOf(db)).filter(([, rows]) => textOf(rows).includes(text));
        db.close();
        return found.map(([table]) => `${name}: ${table}`);
      });
  }

  it('changes nothing anywhere while an order of the person is open, at whatever instance that was placed', async () => {
    const [, second = ''] = orderUrls();
    await system.services['payment-service'].kill();
    const { body } = await http<OrderView>('POST', `${second}/orders`, {
      userId: person,
      items: [{ productId: 'CUP', qty: 1 }],
    });
    for (const url of orderUrls()) await answers(`${url}/orders/${body.orderId}`, ({ status }) => status === 200);
    const refused = await erase().catch((error: unknown) => error as { code: number; stderr: string });
    expect(refused).to.include({ code: 1 });
    expect(tablesWith(pseudonym)).to.deep.equal([]);
    await system.services['payment-service'].start();
    for (const url of orderUrls())
      await answers(`${url}/orders/${body.orderId}`, ({ body: order }) => order.status === 'confirmed');
  });

  it('leaves the person in no table of any service, and the books as they were', async () => {
    await order(0, person, 2);
    await order(1, person, 3);
    await order(0, person, 90);
    await order(1, 'bob', 1);
    const before = await totals();
    expect(tablesWith(person)).to.not.deep.equal([]);
    await erase();
    expect(tablesWith(person)).to.deep.equal([]);
    expect(await totals()).to.deep.equal(before);
    for (const url of orderUrls()) {
      const listed = await http<{ orders: unknown[] }>('GET', `${url}/orders?userId=${pseudonym}`);
      expect(listed.body.orders).to.have.lengthOf(4);
    }
  });

  it('keeps the person out of the new database of an instance that has lost its own, and the audit finds nothing', async () => {
    const [, second] = instances();
    await second?.kill();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${second?.databasePath}${suffix}`, { force: true });
    await second?.start();
    await answers(`${second?.url}/readyz`, ({ status }) => status === 200);
    await answers(`${second?.url}/orders?userId=${pseudonym}`, ({ body }) => body.orders?.length === 4);
    expect(tablesWith(person)).to.deep.equal([]);
    const at = Object.entries(system.urls).flatMap(([service, url]) => ['--url', `${service}=${url}`]);
    await run(process.execPath, [tool('audit'), ...at]);
  });

  async function totals(): Promise<unknown> {
    return Promise.all(Object.values(system.urls).map(async (url) => (await http('GET', `${url}/totals`)).body));
  }
});

/** Blobs hold text, too: the bodies of events. */
function textOf(rows: readonly unknown[]): string {
  return JSON.stringify(rows, (_key, value: unknown) => {
    const bytes = value as { type?: unknown; data?: unknown };
    return bytes?.type === 'Buffer' ? Buffer.from(bytes.data as number[]).toString('latin1') : value;
  });
}
