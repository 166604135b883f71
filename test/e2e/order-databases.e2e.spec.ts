// The other two cures for split databases, as processes behind the gateway on a real RabbitMQ: several order-services on one
// database file, and a read database of its own that is fed through the queue.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import type { OrderDeployment } from '../../local/order-processes.ts';
import type { ServiceProcess } from '../../local/service-process.ts';
import { System } from '../../local/system.ts';
import { newVhost } from '../support/broker.ts';
import { http, type OrderView } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const productId = 'CATALOG-001';

class Deployed {
  readonly system: System;
  readonly dataDir: string;
  readonly lines: string[];

  private constructor(system: System, dataDir: string, lines: string[]) {
    this.system = system;
    this.dataDir = dataDir;
    this.lines = lines;
  }

  static async start(orders: OrderDeployment): Promise<Deployed> {
    const dataDir = mkdtempSync(join(tmpdir(), 'saga-databases-'));
    const [orderPort = 0, payment = 0, inventory = 0, gatewayPort = 0] = await freePorts(4);
    const lines: string[] = [];
    process.env['AMQP_URL'] = await newVhost();
    const system = await System.start({
      dataDir,
      ports: { 'order-service': orderPort, 'payment-service': payment, 'inventory-service': inventory },
      orders,
      gatewayPort,
      env: { RECONCILE_INTERVAL_MS: '1000' },
      onLine: (_, line) => lines.push(line),
    }).finally(() => delete process.env['AMQP_URL']);
    const deployed = new Deployed(system, dataDir, lines);
    await deployed.#supply();
    return deployed;
  }

  /** The processes of order-service. */
  get orders(): ServiceProcess[] {
    return this.system.processes.filter(({ service }) => service === 'order-service');
  }

  get url(): string {
    return `${this.system.gateway?.url}/order-service`;
  }

  async #supply(): Promise<void> {
    await http('PUT', `${this.system.urls['payment-service']}/accounts/ann`, { balance: 100_000_000 });
    const product = { name: 'Berlin', unitPrice: 1500, stock: 100_000 };
    await http('PUT', `${this.system.urls['inventory-service']}/products/${productId}`, product);
    for (const { name, url } of this.orders) {
      await eventually(
        `${name} to know the product`,
        () => http<{ products: unknown[] }>('GET', `${url}/products`),
        ({ body }) => body.products?.length === 1,
      );
    }
    await eventually(
      'the gateway to answer reads',
      () => http('GET', `${this.url}/ann/orders`),
      ({ status }) => status === 200,
    );
  }

  /** Places orders through the gateway. */
  async place(count: number, headers: Record<string, string> = {}) {
    const placed: { readonly orderId: string; readonly version: string }[] = [];
    for (let n = 0; n < count; n += 1) {
      const key = { 'idempotency-key': `key-${performance.now()}-${n}` };
      const answer = await eventually(
        'the gateway to accept an order',
        () => http<OrderView>('POST', `${this.url}/ann/orders`, { productId, qty: 1 }, { ...key, ...headers }),
        ({ status }) => status === 202 || status === 200,
      );
      placed.push({ orderId: answer.body.orderId, version: answer.headers.get('saga-version') ?? '' });
    }
    return placed;
  }

  async list(headers: Record<string, string> = {}): Promise<{ status: number; ids: string[] }> {
    const { status, body } = await http<{ orders?: OrderView[] }>(
      'GET',
      `${this.url}/ann/orders?limit=100`,
      undefined,
      headers,
    );
    return { status, ids: (body.orders ?? []).map(({ orderId }) => orderId) };
  }

  confirmed(count: number): Promise<unknown> {
    return eventually(
      `${count} orders to be confirmed`,
      () => http<Record<string, { orders: number }>>('GET', `${this.url}/totals`),
      ({ body }) => body['confirmed']?.orders === count,
    );
  }

  async stop(): Promise<void> {
    await this.system.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

describe('several order-services on one database', function () {
  this.timeout(240_000);
  let deployed: Deployed;
  before(async () => {
    deployed = await Deployed.start({ instances: 3, sharedDatabase: true });
  });
  after(() => deployed?.stop());

  it('answer every list with what was accepted before, whoever accepted it and whoever is asked', async () => {
    const known: string[] = [];
    for (let n = 0; n < 9; n += 1) {
      known.unshift(...(await deployed.place(1)).map(({ orderId }) => orderId));
      expect((await deployed.list()).ids).to.deep.equal(known);
    }
    await deployed.confirmed(9);
  });

  it('take part in handling the events of one queue', async () => {
    await deployed.place(30);
    await deployed.confirmed(39);
    for (const { name, url } of deployed.orders) {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const handled = [...metrics.matchAll(/^saga_events_handled_total\{.*\} (\d+)$/gm)].map(([, count]) =>
        Number(count),
      );
      expect(Math.max(0, ...handled), `events that ${name} has handled`).to.be.above(0);
    }
  });

  it('end a wait for an outcome that another one of them has committed', async () => {
    const headers = { prefer: 'wait=20' };
    const answers = await Promise.all(
      Array.from({ length: 9 }, () =>
        http<OrderView>('POST', `${deployed.url}/ann/orders`, { productId, qty: 1 }, headers),
      ),
    );
    expect(answers.map(({ body }) => body.status)).to.deep.equal(Array(9).fill('confirmed'));
  });

  it('lose nothing when one of them is killed', async () => {
    await deployed.orders[1]?.kill();
    const placed = await deployed.place(12);
    const { ids } = await deployed.list();
    expect(ids).to.include.members(placed.map(({ orderId }) => orderId));
    await deployed.orders[1]?.start();
    await deployed.place(6);
    await deployed.confirmed(66);
  });
});

describe('split databases', function () {
  this.timeout(240_000);
  let deployed: Deployed;
  before(async () => {
    deployed = await Deployed.start({ instances: 2, splitDatabases: true });
  });
  after(() => deployed?.stop());

  it('are the problem: each process lists the orders that it has accepted itself, also when all is quiet', async () => {
    const listAt = async ({ url }: ServiceProcess) => {
      const { body } = await http<{ orders: OrderView[] }>('GET', `${url}/ann/orders`);
      return body.orders;
    };
    const lists = () => Promise.all(deployed.orders.map(listAt));
    // The gateway leaves out a process that is not ready at that moment.
    const placed: string[] = [];
    await eventually(
      'each of them to have accepted an order',
      async () => {
        placed.push(...(await deployed.place(2)).map(({ orderId }) => orderId));
        return lists();
      },
      (all) => all.every(({ length }) => length > 0),
    );
    const ended = await eventually(
      'every order to be confirmed where it was accepted',
      lists,
      (all) => all.flat().every(({ status }) => status === 'confirmed') && all.flat().length === placed.length,
    );
    expect(ended.flat().map(({ orderId }) => orderId)).to.have.members(placed);
    await eventually(
      'the gateway to answer the same question in two ways',
      async () => [(await deployed.list()).ids, (await deployed.list()).ids] as const,
      ([one, other]) => one.join() !== other.join(),
    );
  });
});

describe('a read database', function () {
  this.timeout(240_000);
  let deployed: Deployed;
  before(async () => {
    deployed = await Deployed.start({ instances: 1, readDatabase: true });
  });
  after(() => deployed?.stop());

  const readSide = (): ServiceProcess => {
    const found = deployed.orders.find(({ instance }) => instance === 'reads');
    if (!found) throw new Error('there is no read side');
    return found;
  };

  it('answers the GETs of the gateway, and gets what the write side has accepted', async () => {
    const placed = await deployed.place(6);
    const version = placed.at(-1)?.version ?? '';
    const { ids } = await deployed.list({ 'saga-minimum-version': version });
    expect(ids).to.include(placed.at(-1)?.orderId);
    await deployed.confirmed(6);
    await deployed.orders[0]?.kill();
    expect((await deployed.list()).ids).to.have.length(6);
    await deployed.orders[0]?.start();
  });

  it('accepts nothing: 405 with Allow', async () => {
    const order = { productId, qty: 1 };
    const id = '00000000-0000-7000-8000-000000000000';
    for (const [path, body] of [
      ['/ann/orders', order],
      [`/orders/${id}/cancel`, undefined],
      ['/instances/order-service.a/adoption', undefined],
    ] as const) {
      const { status, headers } = await http('POST', `${readSide().url}${path}`, body);
      expect(status, path).to.equal(405);
      expect(headers.get('allow')).to.equal('GET, HEAD');
    }
  });

  it('can be away while orders are accepted, and has them afterwards', async () => {
    await readSide().kill();
    await deployed.place(6);
    await eventually(
      'reads to be refused',
      () => deployed.list(),
      ({ status }) => status === 503 || status === 502,
    );
    await readSide().start();
    await deployed.confirmed(12);
  });

  it('can be dropped: it is rebuilt from the write side, and its log shows how far it is', async () => {
    await readSide().kill();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${readSide().databasePath}${suffix}`, { force: true });
    await deployed.place(6);
    const from = deployed.lines.length;
    await readSide().start();
    await deployed.confirmed(18);
    expect((await deployed.list()).ids).to.have.length(18);
    // What a process writes is not read at once.
    const log = () => deployed.lines.slice(from).join('\n');
    for (const said of [
      'this database is new: catching up with the peers',
      'copied what this peer knows',
      'this instance is ready',
    ])
      await eventually(`the log to have '${said}'`, log, (text) => text.includes(said));
  });
});
