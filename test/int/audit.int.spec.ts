// The audit over three fake services: each rule, broken once, is found; what agrees, or settles, is not reported.
import { expect } from 'chai';
import { audit, type Summary } from '../../local/audit/audit.ts';
import type { Disagreement, Timing } from '../../local/audit/finding.ts';
import { orderRuleNames } from '../../local/audit/order-rules.ts';
import { repair } from '../../local/audit/repair.ts';
import { AuditError } from '../../local/audit/service-client.ts';
import { Services } from '../../local/audit/services.ts';
import { errorOf } from '../support/backup-place.ts';
import { FakeServices, idOf, nowMs } from '../support/fake-services.ts';

const graceMs = 60_000;

describe('the audit', () => {
  let fake: FakeServices;
  let services: Services;
  let timing: Timing;
  let delaysMs: number[];
  let found: Disagreement[];
  let warnings: string[];

  beforeEach(async () => {
    fake = new FakeServices();
    await fake.start();
    delaysMs = [];
    timing = {
      nowMs: () => nowMs,
      delay: async (ms) => delaysMs.push(ms),
      graceMs,
      settleMs: 10_000,
    };
    services = new Services(fake.urls, timing.delay);
  });
  afterEach(() => fake.stop());

  const run = (): Promise<Summary> => {
    found = [];
    warnings = [];
    return audit(services, timing, {
      warning: (service, text) => warnings.push(`${service}: ${text}`),
      disagreement: (disagreement) => found.push(disagreement),
      progress: () => {},
    });
  };
  const rules = () => found.map(({ id, broken }) => [id, broken.map(({ rule }) => rule)]);

  describe('P5 The three services agree', () => {
    it('finds nothing where they do, in whatever way an order ended', async () => {
      fake.addProduct('PEN');
      fake.addConfirmed(1);
      fake.addCancelled(2);
      fake.change(fake.addCancelled(3), { payment: 'failed', reservation: 'none' });
      fake.change(fake.addCancelled(4), { payment: 'voided', reservation: 'voided' });
      fake.change(fake.addCancelled(5), { payment: 'refunded', reservation: 'rejected' });
      fake.change(fake.addCancelled(6), { payment: 'voided', reservation: 'none' });
      fake.change(fake.addCancelled(7), { payment: 'failed', reservation: 'voided' });
      const summary = await run();
      expect(found).to.deep.equal([]);
      expect(summary).to.include({
        orders: 7,
        payments: 7,
        reservations: 5,
        products: 1,
        disagreements: 0,
        settled: 0,
      });
      expect(summary.notCompared).to.deep.equal([]);
      expect(delaysMs, 'nothing was waited for').to.deep.equal([]);
    });

    const cases: readonly {
      readonly rule: string;
      readonly text: RegExp;
      readonly repair: RegExp;
      readonly breakIt: (fake: FakeServices) => string;
    }[] = [
      {
        rule: 'unknown-order',
        text: /^payment-service and inventory-service know an order that order-service does not know/,
        repair: /rebuilds the order from payment\.completed.*pay 300 back to alice.*restock/,
        breakIt: (fake) => changed(fake, fake.addConfirmed(5), { order: 'none' }),
      },
      {
        rule: 'user-differs',
        text: /payment is of mallory, but the order is of alice/,
        repair: /By hand/,
        breakIt: (fake) => {
          const orderId = fake.addConfirmed(5);
          return put(fake.payments, orderId, { userId: 'mallory' });
        },
      },
      {
        rule: 'amount-differs',
        text: /payment is over 299, but the total of the order is 300/,
        repair: /By hand/,
        breakIt: (fake) => put(fake.payments, fake.addConfirmed(5), { amount: 299 }),
      },
      {
        rule: 'items-differ',
        text: /other products or quantities/,
        repair: /By hand/,
        breakIt: (fake) => put(fake.reservations, fake.addConfirmed(5), { items: [{ productId: 'PEN', qty: 1 }] }),
      },
      {
        rule: 'confirmed-not-paid',
        text: /payment must be completed; it is refunded/,
        repair: /By hand: take 300 from alice/,
        breakIt: (fake) => changed(fake, fake.addConfirmed(5), { payment: 'refunded' }),
      },
      {
        rule: 'confirmed-not-paid',
        text: /payment must be completed; it is missing/,
        repair: /handles order\.placed again.*compared the journal.*By hand/,
        breakIt: (fake) => changed(fake, fake.addConfirmed(5), { payment: 'none' }),
      },
      {
        rule: 'confirmed-not-reserved',
        text: /reservation is released/,
        repair: /By hand: take the items out of the stock/,
        breakIt: (fake) => changed(fake, fake.addConfirmed(5), { reservation: 'released' }),
      },
      {
        rule: 'confirmed-not-reserved',
        text: /reservation is missing/,
        repair: /handles payment\.completed again/,
        breakIt: (fake) => changed(fake, fake.addConfirmed(5), { reservation: 'none' }),
      },
      {
        rule: 'cancelled-charged',
        text: /must cost nothing/,
        repair: /pay 300 back to alice/,
        breakIt: (fake) => changed(fake, fake.addCancelled(5), { payment: 'completed' }),
      },
      {
        rule: 'cancelled-payment-missing',
        text: /payment must be failed, refunded or voided; it is missing/,
        repair: /handles order\.placed and order\.withdrawn again/,
        breakIt: (fake) => changed(fake, fake.addCancelled(5), { payment: 'none' }),
      },
      {
        rule: 'cancelled-reserved',
        text: /must hold no stock/,
        repair: /releases the items when it handles order\.withdrawn again/,
        breakIt: (fake) => changed(fake, fake.addCancelled(5), { reservation: 'reserved' }),
      },
      {
        rule: 'cancelled-reservation-missing',
        text: /reservation must be rejected, released or voided; it is missing/,
        repair: /No stock is reserved/,
        breakIt: (fake) => changed(fake, fake.addCancelled(5), { reservation: 'none' }),
      },
      {
        rule: 'stuck',
        text: /still pending 60 s after its deadline.*waits for payment\.voided of payment-service/,
        repair: /--repair asks the other services again/,
        breakIt: (fake) => fake.addOpen(5, 'pending', graceMs + 1),
      },
      {
        rule: 'stuck',
        text: /cancelling for 60 s.*waits for payment\.voided of payment-service/,
        repair: /--repair asks the other services again/,
        breakIt: (fake) => fake.addOpen(5, 'cancelling', graceMs + 1),
      },
    ];

    for (const { rule, text, repair, breakIt } of cases) {
      it(`finds '${rule}' (${text.source.slice(0, 40)}…) and says what would repair it`, async () => {
        fake.addConfirmed(1);
        fake.addCancelled(9);
        const orderId = breakIt(fake);
        const summary = await run();
        expect(rules()).to.deep.equal([[orderId, [rule]]]);
        expect(summary.byRule).to.deep.equal({ [rule]: 1 });
        expect(summary.repairable).to.deep.equal(rule === 'stuck' ? [orderId] : []);
        const [disagreement] = found;
        expect(disagreement?.broken[0]?.text).to.match(text);
        expect(disagreement?.broken[0]?.repair).to.match(repair);
        expect(disagreement?.holds).to.deep.equal({
          'order-service': fake.orders.get(orderId) ?? null,
          'payment-service': fake.payments.get(orderId) ?? null,
          'inventory-service': fake.reservations.get(orderId) ?? null,
        });
      });
    }

    it('has a case for each of its rules', () => {
      expect(new Set(cases.map(({ rule }) => rule))).to.deep.equal(new Set(orderRuleNames));
    });

    it('expects what is missing from reconciliation, where that still runs', async () => {
      fake.reconciliation = 'behind';
      fake.change(fake.addConfirmed(1), { payment: 'none' });
      await run();
      expect(found[0]?.broken[0]?.repair).to.match(
        /comparing the journal of order-service now \(behind\): run the audit again/,
      );
      fake.reconciliation = 'off';
      await run();
      expect(found[0]?.broken[0]?.repair).to.include('Set ORDER_SERVICE_URL at payment-service');
    });

    it('compares the catalogue with the products: missing, unknown and different ones', async () => {
      for (const productId of ['A', 'B', 'C', 'D']) fake.addProduct(productId);
      fake.copies.delete('A');
      fake.products.delete('B');
      put(fake.copies, 'C', { unitPrice: 149, version: 2 });
      await run();
      expect(rules()).to.deep.equal([
        ['A', ['product-missing']],
        ['B', ['unknown-product']],
        ['C', ['product-differs']],
      ]);
      expect(found[2]?.broken[0]?.text).to.include('another unitPrice, version than');
    });
  });

  it('P2 leaves open orders alone until their deadline and the grace have passed', async () => {
    fake.addOpen(1, 'pending', graceMs);
    fake.addOpen(2, 'pending', -1_000);
    fake.addOpen(3, 'cancelling', graceMs);
    await run();
    expect(found).to.deep.equal([]);
  });

  it('P3 finds balances that are one off, and completed payments that the ledger does not hold', async () => {
    fake.addConfirmed(1);
    fake.paymentOffset = { balances: 1 };
    await run();
    expect(rules()).to.deep.equal([['payment-service', ['balances-differ']]]);
    fake.paymentOffset = { charged: 1, balances: -1 };
    await run();
    expect(rules()).to.deep.equal([['payment-service', ['ledger-differs']]]);
  });

  it('P4 finds stocks that are one off, and reservations that the movements do not hold', async () => {
    fake.addConfirmed(1);
    fake.inventoryOffset = { stock: -1 };
    await run();
    expect(rules()).to.deep.equal([['inventory-service', ['stocks-differ']]]);
    fake.inventoryOffset = { released: 1, stock: 1 };
    await run();
    expect(rules()).to.deep.equal([['inventory-service', ['movements-differ']]]);
  });

  it('says that sums could not be compared when money moved while the payments were read', async () => {
    fake.addConfirmed(1);
    fake.onRequest = (request) => {
      if (request.startsWith('payment-service GET /payments')) fake.paymentOffset = { charged: 7, balances: -7 };
    };
    const summary = await run();
    expect(found).to.deep.equal([]);
    expect(summary.notCompared).to.have.lengthOf(1);
    expect(summary.notCompared[0]).to.include('the sum of the payments with the ledger');
  });

  it('does not report an order that settles on the way, and reports one that does not', async () => {
    const settling = fake.addConfirmed(1);
    const lasting = fake.addConfirmed(2);
    for (const orderId of [settling, lasting]) fake.change(orderId, { payment: 'none' });
    let reads = 0;
    fake.onRequest = (request) => {
      if (!request.endsWith(`GET /payments/${settling}`)) return;
      reads += 1;
      if (reads === 2) fake.payments.set(settling, paymentOf(fake, settling));
    };
    const summary = await run();
    expect(rules()).to.deep.equal([[lasting, ['confirmed-not-paid']]]);
    expect(summary.settled).to.equal(1);
    expect(reads).to.equal(2);
  });

  it('reads what disagrees three times again within the time of settling, all orders at once', async () => {
    for (const n of [1, 2, 3]) fake.change(fake.addConfirmed(n), { payment: 'none' });
    await run();
    expect(delaysMs.map(Math.round)).to.deep.equal([1_000, 3_000, 6_000]);
    for (const n of [1, 2, 3])
      expect(fake.requests.filter((request) => request.endsWith(`GET /orders/${idOf(n)}`))).to.have.lengthOf(3);
  });

  it('reads many that disagree page by page, and still leaves out those that settle', async () => {
    for (let n = 1; n <= 2_500; n += 1) fake.addConfirmed(n);
    for (let n = 901; n <= 2_400; n += 1) fake.change(idOf(n), { payment: 'none' });
    const payment = paymentOf(fake, idOf(2_000));
    let began = 0;
    fake.onRequest = (request) => {
      if (request.includes(`/payments?limit=1000&after=${idOf(1_900)}`) && ++began === 2)
        fake.payments.set(idOf(2_000), payment);
    };
    const { settled } = await run();
    const expected = Array.from({ length: 1_500 }, (_, index) => 901 + index).filter((n) => n !== 2_000);
    expect(found.map(({ id }) => id)).to.deep.equal(expected.map(idOf));
    expect([settled, began]).to.deep.equal([1, 3]);
    expect(fake.requests.filter((request) => /\/(orders|payments|reservations)\//.test(request))).to.deep.equal([]);
  });

  it('reads a product again that changes meanwhile', async () => {
    fake.addProduct('PEN');
    put(fake.copies, 'PEN', { version: 2 });
    let reads = 0;
    fake.onRequest = (request) => {
      if (!request.startsWith('order-service GET /products')) return;
      reads += 1;
      if (reads === 2) put(fake.copies, 'PEN', { version: 3 });
    };
    await run();
    expect(found).to.deep.equal([]);
    expect(reads).to.equal(2);
  });

  it('reads three pages of each list, and finds what is wrong at their edges', async () => {
    fake.pageMax = 100;
    for (let n = 1; n <= 300; n += 1) fake.addConfirmed(n);
    for (const n of [1, 100, 101, 200, 201, 300]) fake.change(idOf(n), { payment: 'refunded' });
    // Gaps, so that the pages of the three lists do not end at the same orders.
    for (const n of [50, 150, 250]) fake.change(idOf(n), { order: 'none', payment: 'none' });
    fake.change(idOf(300), { order: 'none' });
    const summary = await run();
    expect(summary).to.include({ orders: 296, payments: 297, reservations: 300 });
    expect(found.map(({ id }) => id)).to.deep.equal([1, 50, 100, 101, 150, 200, 201, 250, 300].map(idOf));
    for (const list of ['orders', 'payments', 'reservations'])
      expect(
        fake.requests.filter((request) => request.includes(` GET /${list}?`)),
        list,
      ).to.have.lengthOf(3);
  });

  it('reads a catalogue of three pages', async () => {
    for (let n = 0; n < 2_001; n += 1) fake.addProduct(`P${String(n).padStart(5, '0')}`);
    fake.copies.delete('P02000');
    const summary = await run();
    expect(summary.products).to.equal(2_001);
    expect(rules()).to.deep.equal([['P02000', ['product-missing']]]);
  });

  it('reports a record under an id that no order can have, without asking for it', async () => {
    fake.payments.set('x/../y', { ...paymentOf(fake, 'x/../y') });
    await run();
    expect(rules()).to.deep.equal([['x/../y', ['unknown-order']]]);
  });

  it('passes on what the services warn of', async () => {
    fake.warnings['payment-service'] = ['the outbox is full'];
    const { disagreements } = await run();
    expect(warnings).to.deep.equal(['payment-service: the outbox is full']);
    expect(disagreements).to.equal(0);
  });

  it('names every service that is away, and one that is another', async () => {
    const { 'payment-service': payment, 'inventory-service': inventory } = fake.urls;
    services = new Services(
      {
        ...fake.urls,
        'order-service': 'http://127.0.0.1:1',
        'payment-service': inventory,
        'inventory-service': `${payment}/nowhere`,
      },
      timing.delay,
    );
    const error = await errorOf(run());
    expect(error).to.be.instanceOf(AuditError);
    expect(error.message).to.include('order-service does not answer at http://127.0.0.1:1');
    expect(error.message).to.include('is inventory-service, not payment-service');
    expect(error.message).to.match(/inventory-service at .*nowhere\/readyz answered 404.*Is the address right/);
  });

  it('gives up when a list does not ascend, rather than compare what does not belong together', async () => {
    for (const n of [1, 2]) fake.addConfirmed(n);
    put(fake.payments, idOf(2), { orderId: idOf(1) });
    expect((await errorOf(run())).message).to.match(/GET \/payments of payment-service cannot be compared/);
  });

  describe('--repair', () => {
    it('asks again for stuck orders only, and waits until they have ended', async () => {
      const stuck = fake.addOpen(1, 'cancelling', graceMs + 1);
      fake.change(fake.addCancelled(2), { payment: 'completed' });
      fake.onCancel = (orderId) => {
        fake.change(orderId, { order: 'cancelled' });
        fake.payments.set(orderId, { orderId, status: 'voided', updatedAt: new Date(nowMs).toISOString() });
        return [202, {}];
      };
      const { repairable } = await run();
      const results: unknown[] = [];
      await repair(services, repairable, timing, (repaired) => results.push(repaired));
      expect(results).to.deep.equal([{ orderId: stuck, result: 'asked' }]);
      const posts = fake.requests.filter((request) => request.includes(' POST '));
      expect(posts).to.deep.equal([`order-service POST /orders/${stuck}/cancel`]);
      await run();
      expect(rules()).to.deep.equal([[idOf(2), ['cancelled-charged']]]);
    });

    it('does nothing about an order that is confirmed by then', async () => {
      fake.addOpen(1, 'pending', graceMs + 1);
      const results: unknown[] = [];
      await repair(services, [idOf(1)], timing, ({ result }) => results.push(result));
      expect(results).to.deep.equal(['confirmed']);
    });
  });
});

function changed(fake: FakeServices, orderId: string, to: Parameters<FakeServices['change']>[1]): string {
  fake.change(orderId, to);
  return orderId;
}

function put<T extends object>(held: Map<string, T>, id: string, change: Partial<T>): string {
  const before = held.get(id);
  if (!before) expect.fail(`there is no ${id}`);
  held.set(id, { ...before, ...change });
  return id;
}

function paymentOf(fake: FakeServices, orderId: string) {
  const { userId = 'alice', total = 300 } = fake.orders.get(orderId) ?? {};
  return { orderId, status: 'completed' as const, userId, amount: total, updatedAt: new Date(nowMs).toISOString() };
}
