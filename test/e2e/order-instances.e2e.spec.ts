// Several order-service instances as processes, behind the gateway, on a real RabbitMQ: one is killed, one loses its database,
// one joins, one is adopted, while customers order through the gateway and read each order back at any instance.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import { ProxyGateway } from '../../local/gateway/proxy-gateway.ts';
import { ServiceProcess } from '../../local/service-process.ts';
import { newVhost } from '../support/broker.ts';
import { http, type OrderView } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const users = ['ann', 'bob', 'eve'];
const productId = 'CATALOG-001';
const names = ['a', 'b', 'c'];

describe('order-service instances behind the gateway', function () {
  this.timeout(240_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'saga-instances-'));
  const instances = new Map<string, ServiceProcess>();
  const placed: string[] = [];
  let others: ServiceProcess[] = [];
  let gateway: ProxyGateway;
  let gatewayUrl: string;
  let amqpUrl: string;
  let ports: number[];

  const urlOf = (name: string) => instance(name).url;
  const instance = (name: string): ServiceProcess => {
    const found = instances.get(name);
    if (!found) throw new Error(`there is no instance ${name}`);
    return found;
  };

  /** @param known the instances that it knows by its settings */
  function define(name: string, known: readonly string[]): ServiceProcess {
    const all = ['a', 'b', 'c', 'd'];
    const env = {
      ORDER_SERVICE_URL: known.map((other) => `${other}=http://127.0.0.1:${ports[all.indexOf(other)]}`).join(','),
      PAYMENT_SERVICE_URL: `http://127.0.0.1:${ports[4]}`,
      INVENTORY_SERVICE_URL: `http://127.0.0.1:${ports[5]}`,
      RECONCILE_INTERVAL_MS: '1000',
    };
    const options = { amqpUrl, dataDir, env };
    if (name.includes('-service')) {
      return new ServiceProcess({ ...options, service: name, port: ports[name === 'payment-service' ? 4 : 5] ?? 0 });
    }
    const databaseName = `order-service.${name}`;
    const port = ports[all.indexOf(name)] ?? 0;
    const process = new ServiceProcess({ ...options, service: 'order-service', instance: name, databaseName, port });
    instances.set(name, process);
    return process;
  }

  const ready = (name: string) =>
    eventually(
      `instance ${name} to be ready`,
      () => http('GET', `${urlOf(name)}/readyz`),
      ({ status }) => status === 200,
    );

  before(async () => {
    amqpUrl = await newVhost();
    const [gatewayPort = 0, ...free] = await freePorts(7);
    ports = free;
    others = ['payment-service', 'inventory-service'].map((service) => define(service, names));
    await Promise.all([...others, ...names.map((name) => define(name, names))].map((process) => process.start()));
    await Promise.all(names.map(ready));
    const orderUrls = ['a', 'b', 'c', 'd'].map((_, index) => `http://127.0.0.1:${ports[index]}`);
    const upstreams = {
      'order-service': orderUrls,
      'payment-service': [others[0]?.url ?? ''],
      'inventory-service': [others[1]?.url ?? ''],
    };
    gateway = await ProxyGateway.start({ host: '127.0.0.1', port: gatewayPort, upstreams });
    gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
    for (const user of users)
      await http('PUT', `${gatewayUrl}/payment-service/accounts/${user}`, { balance: 100_000_000 });
    const product = { name: 'Berlin', unitPrice: 1500, stock: 100_000 };
    await http('PUT', `${gatewayUrl}/inventory-service/products/${productId}`, product);
    for (const name of names) {
      await eventually(
        `${name} to know the product`,
        () => http<{ products: unknown[] }>('GET', `${urlOf(name)}/products`),
        ({ body }) => body.products.length === 1,
      );
    }
  });

  after(async () => {
    await gateway.stop();
    await Promise.all([...instances.values(), ...others].map((process) => process.kill()));
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** Places an order through the gateway, and reads it back at the next instance, again and again. */
  async function order(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const userId = users[placed.length % users.length] ?? '';
      const body = { productId, qty: 1 };
      const headers = { 'idempotency-key': `key-${placed.length}` };
      const accepted = await eventually(
        'the gateway to accept an order',
        () => http<OrderView>('POST', `${gatewayUrl}/order-service/${userId}/orders`, body, headers),
        ({ status }) => status === 202,
      );
      const { orderId } = accepted.body;
      placed.push(orderId);
      const version = accepted.headers.get('saga-version') ?? '';
      const list = await eventually(
        'a read with the version to be answered',
        () =>
          http<{ orders: OrderView[] }>('GET', `${gatewayUrl}/order-service/${userId}/orders?limit=5`, undefined, {
            'saga-minimum-version': version,
          }),
        ({ status }) => status === 200,
      );
      expect(list.body.orders.map((view) => view.orderId)).to.include(orderId);
    }
  }

  async function everything(name: string): Promise<string> {
    const texts: string[] = [];
    const read = async (path: string): Promise<string> => {
      const response = await fetch(`${urlOf(name)}${path}`);
      const text = await response.text();
      texts.push(`${path} ${response.status} ${text}`);
      return text;
    };
    for (const path of ['/totals', '/products']) await read(path);
    for (const user of users) {
      const { orders } = JSON.parse(await read(`/${user}/orders?limit=100`)) as { orders: OrderView[] };
      for (const { orderId } of orders) await read(`/orders/${orderId}/timeline`);
    }
    return texts.join('\n');
  }

  const same = async (among: readonly string[]): Promise<string> => {
    await eventually(
      'no order to be open at any instance',
      () => Promise.all(among.map(async (name) => (await fetch(`${urlOf(name)}/totals`)).text())),
      ([first = '', ...rest]) =>
        rest.every((other) => other === first) && /"pending":{"orders":0,.*"cancelling":{"orders":0,/.test(first),
    );
    const [text = ''] = await eventually(
      'all instances to answer the same',
      () => Promise.all(among.map(everything)),
      ([first, ...rest]) => rest.every((other) => other === first),
    );
    return text;
  };

  it('lose nothing when one is killed: the gateway leaves it out, and it catches up', async () => {
    await order(12);
    await instance('b').kill();
    await order(12);
    await instance('b').start();
    await order(12);
    await same(names);
  });

  it('give an instance whose database was deleted everything back, its own orders included', async () => {
    const before = await same(names);
    await instance('c').kill();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${instance('c').databasePath}${suffix}`, { force: true });
    await order(6);
    await instance('c').start();
    expect((await http('GET', `${urlOf('c')}/readyz`)).status).to.equal(503);
    await order(6);
    await ready('c');
    const after = await same(names);
    for (const orderId of before.match(/"orderId":"[0-9a-f-]+"/g) ?? []) expect(after).to.include(orderId);
  });

  it('let another one join while they work', async () => {
    define('d', [...names, 'd']);
    await instance('d').start();
    await order(6);
    await ready('d');
    await eventually(
      'the gateway to use the new instance',
      () => gateway.ready('order-service'),
      (count) => count === 4,
    );
    await order(12);
    await same([...names, 'd']);
  });

  it('adopt the orders of one that is gone for good, and remove its queue', async () => {
    await others[1]?.kill();
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ productId, qty: 1 });
    const open = await fetch(`${urlOf('d')}/ann/orders`, { method: 'POST', headers, body });
    const { orderId } = (await open.json()) as OrderView;
    placed.push(orderId);
    await eventually(
      'a to know that the order is paid',
      () => http<{ events: { type: string }[] }>('GET', `${urlOf('a')}/orders/${orderId}/timeline`),
      ({ body: { events } }) => events.some(({ type }) => type === 'payment.completed'),
    );
    const cli = (...args: string[]) =>
      run(process.execPath, [join(import.meta.dirname, '../../tools/instances.js'), ...args, '--url', urlOf('a')], {
        env: { ...process.env, AMQP_URL: amqpUrl },
      });
    const refused = await cli('adopt', 'd', '--by', 'a').catch((error: { stderr: string }) => error);
    expect(refused.stderr).to.match(/order-service\.d runs: a process consumes from its queue/);
    await instance('d').kill();
    await eventually('the broker to notice that d is gone', () => cli('adopt', 'd', '--by', 'a'));
    await others[1]?.start();
    const totals = await same(names);
    expect(totals).to.include(orderId);
    expect((await cli('list')).stdout).to.match(/order-service\.d .* adopted by order-service\.a/);
    expect((await cli('remove', 'd')).stdout).to.match(/order-service\.d is removed from the broker/);
  });

  it('have charged each confirmed order once', async () => {
    const { body } = await http<Record<string, { orders: number; total: number }>>('GET', `${urlOf('a')}/totals`);
    expect(body['confirmed']?.orders).to.equal(new Set(placed).size);
    const payments = await http<{ charged: number; refunded: number }>('GET', `${others[0]?.url}/totals`);
    expect(payments.body.charged - payments.body.refunded).to.equal(body['confirmed']?.total);
  });
});
