// The three ways to share the catalogue, over HTTP: the copy, inventory-service at every order, and the copy with
// inventory-service for what it lacks. In the place of inventory-service is a server that answers what a test wants.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { FreshAnswers } from '../../order-service/catalogue.ts';
import { ProductClient } from '../../order-service/product-client.ts';
import { MetricRegistry } from '../../shared/runtime/http/metrics/metric-registry.ts';
import { SettingsError } from '../../shared/runtime/process/settings.ts';
import { expectProblem, type Served, serveOrders } from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

const asOf = '2030-01-01T00:00:00.000Z';
const berlin = { productId: 'berlin', name: 'Berlin', unitPrice: 1500, available: true, version: 1 };

class FakeInventory {
  products = new Map<string, object>();
  asked: string[] = [];
  down = false;
  /** Answers are held back until they are released. */
  holds = false;
  #held: (() => void)[] = [];
  readonly #server: Server = createServer((request, response) => {
    const [, productId] = /^\/products\/([^/?]+)$/.exec(request.url ?? '') ?? [];
    // Its journal is not what this is about.
    if (productId === undefined) return void response.writeHead(503).end();
    this.asked.push(productId);
    // As it is when the question comes, whenever the answer arrives.
    const product = this.products.get(productId);
    if (this.holds) this.#held.push(() => this.#answer(response, product));
    else this.#answer(response, product);
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  release(): void {
    this.holds = false;
    for (const answer of this.#held.splice(0)) answer();
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(response: ServerResponse, product: object | undefined): void {
    if (this.down) return void response.destroy();
    response.writeHead(product ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(product ? { ...product, stock: 5, updatedAt: asOf } : {}));
  }
}

const order = (orders: Served, productId: string, more: object = {}, headers: Record<string, string> = {}) =>
  orders.post('/orders', { userId: 'ann', items: [{ productId, qty: 1, ...more }] }, headers);

describe('the catalogue of order-service', () => {
  let inventory: FakeInventory;
  let orders: Served;

  beforeEach(async () => {
    inventory = new FakeInventory();
    inventory.products.set('berlin', berlin);
    await inventory.start();
  });

  afterEach(async () => {
    inventory.stop();
    await orders?.close();
  });

  const serve = async (CATALOGUE: string) => {
    orders = await serveOrders({ settings: { CATALOGUE, INVENTORY_SERVICE_URL: inventory.url } });
  };

  describe('as a copy', () => {
    it('knows only what events have brought, and asks nobody', async () => {
      await serve('copy');
      expectProblem(await order(orders, 'berlin'), 422, 'unknown-product');
      await orders.consumeProduct({ ...berlin });
      expect((await order(orders, 'berlin')).status).to.equal(202);
      expect(inventory.asked).to.deep.equal([]);
    });
  });

  describe('as a hybrid', () => {
    beforeEach(() => serve('hybrid'));

    it('asks for a product that it lacks once, however many orders want it at once, and keeps it', async () => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => order(orders, 'berlin')));
      expect(answers.map(({ status }) => status)).to.deep.equal(Array(10).fill(202));
      expect(inventory.asked).to.deep.equal(['berlin']);
      inventory.down = true;
      expect((await order(orders, 'berlin')).status).to.equal(202);
      expect(inventory.asked).to.deep.equal(['berlin']);
      expect((await orders.get('/products')).body.products).to.deep.equal([{ ...berlin, asOf }]);
    });

    it('refuses what inventory-service does not know, either, and keeps a product whose order was refused', async () => {
      expectProblem(await order(orders, 'atlantis'), 422, 'unknown-product');
      const refused = await order(orders, 'berlin', { unitPrice: 1400 });
      expectProblem(refused, 409, 'price-changed');
      expect(refused.body).to.include({ unitPrice: 1500, asOf });
      expect((await orders.get('/products')).body.products).to.have.length(1);
    });

    it('asks again for what was unknown, or could not be asked for, when it is ordered again', async () => {
      expectProblem(await order(orders, 'paris'), 422, 'unknown-product');
      inventory.down = true;
      expectProblem(await order(orders, 'paris'), 503, 'catalogue-unavailable');
      inventory.down = false;
      inventory.products.set('paris', { ...berlin, productId: 'paris' });
      expect((await order(orders, 'paris')).status).to.equal(202);
    });

    it('is a copy where the address of inventory-service is not set', async () => {
      await orders.close();
      orders = await serveOrders({ settings: { CATALOGUE: 'hybrid' } });
      expectProblem(await order(orders, 'berlin'), 422, 'unknown-product');
      await orders.consumeProduct({ ...berlin });
      expect((await order(orders, 'berlin')).status).to.equal(202);
    });

    it('sells what it knows while inventory-service is away; for the rest it is 503 with Retry-After', async () => {
      await orders.consumeProduct({ ...berlin });
      inventory.down = true;
      expect((await order(orders, 'berlin')).status).to.equal(202);
      const refused = await order(orders, 'paris');
      expectProblem(refused, 503, 'catalogue-unavailable');
      expect(refused.headers['retry-after']).to.equal('2');
    });

    it('lets no order for a known product wait for another one that is being asked for', async () => {
      await orders.consumeProduct({ ...berlin });
      inventory.products.set('paris', { ...berlin, productId: 'paris' });
      inventory.holds = true;
      const slow = order(orders, 'paris');
      await eventually('paris to be asked for', () => inventory.asked.includes('paris'));
      expect((await order(orders, 'berlin')).status).to.equal(202);
      inventory.release();
      expect((await slow).status).to.equal(202);
    });

    it('keeps the newer version, whether an event or an answer brings it', async () => {
      inventory.holds = true;
      const slow = order(orders, 'berlin');
      await eventually('berlin to be asked for', () => inventory.asked.length > 0);
      await orders.consumeProduct({ ...berlin, version: 2, unitPrice: 1600 });
      inventory.release();
      expect((await slow).body.total).to.equal(1600);
      await orders.consumeProduct({ ...berlin, version: 1, unitPrice: 1500 });
      const { products } = (await orders.get('/products')).body;
      expect(products[0]).to.include({ version: 2, unitPrice: 1600 });
    });
  });

  describe('as synchronous calls', () => {
    it('goes by the price as it is now, whatever is in the copy', async () => {
      await serve('sync');
      await orders.consumeProduct({ ...berlin, version: 9, unitPrice: 1 });
      expect((await order(orders, 'berlin')).body.total).to.equal(1500);
      inventory.products.set('berlin', { ...berlin, unitPrice: 1700, version: 10 });
      expect((await order(orders, 'berlin')).body.total).to.equal(1700);
    });

    it('is 503 with Retry-After when inventory-service cannot be asked, and nothing is stored', async () => {
      await serve('sync');
      await orders.consumeProduct({ ...berlin });
      inventory.down = true;
      const before = orders.stored();
      const refused = await order(orders, 'berlin');
      expectProblem(refused, 503, 'catalogue-unavailable');
      expect(refused.headers['retry-after']).to.equal('2');
      expect(orders.stored()).to.deep.equal(before);
    });

    it('gives a repeated Idempotency-Key its first answer also when inventory-service is away', async () => {
      await serve('sync');
      const headers = { 'idempotency-key': 'k' };
      const first = await order(orders, 'berlin', {}, headers);
      inventory.down = true;
      expect((await order(orders, 'berlin', {}, headers)).body).to.deep.equal(first.body);
    });

    it('needs the address of inventory-service', async () => {
      const refused = await serveOrders({ settings: { CATALOGUE: 'sync' } }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refused).to.be.instanceOf(SettingsError).with.property('message').that.includes('INVENTORY_SERVICE_URL');
      await serve('copy');
    });

    it('opens the circuit after five failures in a row, closes it when it answers again, and logs both', async () => {
      await serve('copy');
      const logged: string[] = [];
      const note = (_: object, message: string) => void logged.push(message);
      const metrics = new MetricRegistry();
      const client = new ProductClient([inventory.url], { debug: note, info: note, warn: note, error: note }, metrics);
      inventory.down = true;
      for (let failures = 0; failures < 5; failures += 1) {
        expect(client.isOpen).to.equal(false);
        expect(await client.ask('berlin')).to.equal('unavailable');
      }
      expect(await client.ask('berlin')).to.equal('unavailable');
      expect(inventory.asked).to.have.length(5);
      expect(await metrics.text())
        .to.include('saga_catalogue_circuit_open 1')
        .and.to.include('saga_catalogue_requests_total{result="refused"} 1');
      inventory.down = false;
      await eventually(
        'the circuit to be closed',
        () => client.ask('berlin'),
        (known) => typeof known === 'object',
      );
      expect(await metrics.text()).to.include('saga_catalogue_circuit_open 0');
      expect(logged).to.deep.equal([
        'inventory-service is not asked about products any more: it has failed several times in a row',
        'inventory-service is asked about products again',
      ]);
    });
  });
});

describe('answers that are to be fresh', () => {
  it('are shared by all who ask while one is on its way, but only the next one', async () => {
    const asked: ((answer: number) => void)[] = [];
    const fresh = new FreshAnswers(() => new Promise<number>((resolve) => asked.push(resolve)));
    const first = fresh.ask('k');
    const [second, third] = [fresh.ask('k'), fresh.ask('k')];
    expect(asked).to.have.length(1);
    asked[0]?.(1);
    expect(await first).to.equal(1);
    await eventually('the next question', () => asked.length === 2);
    asked[1]?.(2);
    expect(await Promise.all([second, third])).to.deep.equal([2, 2]);
    expect(asked).to.have.length(2);
  });

  it('are asked for at once when none is on its way', async () => {
    const asked: ((answer: number) => void)[] = [];
    const fresh = new FreshAnswers(() => new Promise<number>((resolve) => asked.push(resolve)));
    for (const answer of [1, 2, 3]) {
      const asking = fresh.ask('k');
      expect(asked).to.have.length(answer);
      asked[answer - 1]?.(answer);
      expect(await asking).to.equal(answer);
    }
  });
});
