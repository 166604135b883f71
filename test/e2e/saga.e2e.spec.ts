// The outcomes of the saga, over HTTP, with real processes and a real RabbitMQ.
import { expect } from 'chai';
import { cloudEventBatchContentType } from '../../shared/contract/cloud-event.ts';
import { http, type OrderView, SagaSystem } from '../support/saga-system.ts';
import { Tap } from '../support/tap.ts';
import { eventually } from '../support/wait.ts';

describe('the saga over HTTP', function () {
  this.timeout(240_000);
  let system: SagaSystem;

  before(async () => {
    system = await SagaSystem.start();
    await system.account('rich', 1_000_000);
    await system.account('poor', 999);
    await http('PUT', `${system.payment.url}/accounts/barred`, { balance: 5_000, blocked: true });
    await system.product('CUP', 1_000, 100);
    await system.product('BOWL', 250, 100);
    await system.product('RARE', 10, 2);
  });
  after(() => system?.stop());

  describe('P5 The three services agree', () => {
    it('confirms an order that is paid and in stock: charged, set aside, and told so by its answer', async () => {
      const [money, stock] = [await system.balance('rich'), await system.stock('CUP')];
      const answer = await http<OrderView>(
        'POST',
        `${system.order.url}/orders`,
        { userId: 'rich', items: [{ productId: 'CUP', qty: 3 }] },
        { prefer: 'wait=20' },
      );
      expect(answer.status).to.equal(200);
      expect(answer.headers.get('preference-applied')).to.equal('wait=20');
      const { orderId, status, total } = answer.body;
      expect(answer.headers.get('location')).to.equal(`/orders/${orderId}`);
      expect([status, total]).to.deep.equal(['confirmed', 3_000]);
      expect(await system.balance('rich')).to.equal(money - 3_000);
      expect(await system.stock('CUP')).to.equal(stock - 3);
      expect((await http('GET', `${system.payment.url}/payments/${orderId}`)).body).to.include({
        status: 'completed',
        amount: 3_000,
      });
      expect((await http('GET', `${system.inventory.url}/reservations/${orderId}`)).body).to.include({
        status: 'reserved',
      });
      await system.knows(orderId, 'payment.completed');
      expect(await system.timeline(orderId)).to.have.members([
        'order.placed',
        'payment.completed',
        'inventory.reserved',
        'order.confirmed',
      ]);
    });

    it('answers 202 with the place to look at, and the order waits for payment-service', async () => {
      await system.payment.stop();
      const answer = await http<OrderView>('POST', `${system.order.url}/orders`, {
        userId: 'rich',
        items: [{ productId: 'CUP', qty: 1 }],
      });
      expect(answer.status).to.equal(202);
      expect(answer.body.status).to.equal('pending');
      const [awaited] = (await system.view(answer.body.orderId)).waitsFor;
      expect(awaited).to.deep.include({ service: 'payment-service', events: ['payment.completed', 'payment.failed'] });
      expect(Date.parse(awaited?.since ?? '')).to.be.closeTo(Date.now(), 60_000);
      await system.payment.start();
      expect((await system.ended(answer.body.orderId)).status).to.equal('confirmed');
    });

    const refusals = [
      { user: 'poor', reason: 'insufficient_funds', why: 'the balance is one short' },
      { user: 'barred', reason: 'account_blocked', why: 'the account is blocked' },
      { user: 'nobody', reason: 'no_such_account', why: 'there is no such account' },
    ];
    for (const { user, reason, why } of refusals) {
      it(`cancels with '${reason}' when ${why}, and touches neither money nor stock`, async () => {
        const stock = await system.stock('CUP');
        const order = await system.place(user, [{ productId: 'CUP', qty: 1 }], { prefer: 'wait=20' });
        expect([order.status, order.reason]).to.deep.equal(['cancelled', reason]);
        expect((await http('GET', `${system.payment.url}/payments/${order.orderId}`)).body).to.include({
          status: 'failed',
          reason,
        });
        expect((await http('GET', `${system.inventory.url}/reservations/${order.orderId}`)).status).to.equal(404);
        expect(await system.stock('CUP')).to.equal(stock);
      });
    }

    it('pays with exactly what is there', async () => {
      await system.account('exact', 1_000);
      const order = await system.place('exact', [{ productId: 'CUP', qty: 1 }], { prefer: 'wait=20' });
      expect(order.status).to.equal('confirmed');
      expect(await system.balance('exact')).to.equal(0);
    });

    it('gives the money back when stock is one short, and takes none of the other lines', async () => {
      const [money, cups] = [await system.balance('rich'), await system.stock('CUP')];
      const items = [
        { productId: 'CUP', qty: 1 },
        { productId: 'RARE', qty: 3 },
      ];
      const order = await system.place('rich', items, { prefer: 'wait=20' });
      expect([order.status, order.reason]).to.deep.equal(['cancelled', 'out_of_stock']);
      expect(await system.balance('rich')).to.equal(money);
      expect(await system.stock('CUP')).to.equal(cups);
      const { body } = await http<{ entries: { kind: string; amount: number; orderId?: string }[] }>(
        'GET',
        `${system.payment.url}/accounts/rich?limit=2`,
      );
      expect(body.entries.map(({ kind, amount, orderId }) => [kind, amount, orderId])).to.deep.equal([
        ['refund', 1_030, order.orderId],
        ['charge', -1_030, order.orderId],
      ]);
      expect((await http('GET', `${system.inventory.url}/reservations/${order.orderId}`)).body).to.deep.include({
        status: 'rejected',
        shortages: [{ productId: 'RARE', wanted: 3, available: 2 }],
      });
    });

    it('takes an order of several lines, and the last units', async () => {
      const items = [
        { productId: 'RARE', qty: 2 },
        { productId: 'BOWL', qty: 4 },
      ];
      const order = await system.place('rich', items, { prefer: 'wait=20' });
      expect([order.status, order.total]).to.deep.equal(['confirmed', 1_020]);
      expect(await system.stock('RARE')).to.equal(0);
      await http('POST', `${system.inventory.url}/products/RARE/restocks`, { qty: 2 });
      expect(await system.stock('RARE')).to.equal(2);
    });

    it('sells the last 10 units to 10 of 60 orders that come at once', async () => {
      await system.product('TEN', 1, 10);
      const orders = await Promise.all(
        Array.from({ length: 60 }, () => system.place('rich', [{ productId: 'TEN', qty: 1 }])),
      );
      const ends = await Promise.all(orders.map(({ orderId }) => system.ended(orderId)));
      expect(ends.filter(({ status }) => status === 'confirmed')).to.have.length(10);
      expect(ends.filter(({ reason }) => reason === 'out_of_stock')).to.have.length(50);
      expect(await system.stock('TEN')).to.equal(0);
    });

    it('leaves totals that balance', async () => {
      const { order } = await system.expectBalanced();
      expect(order.confirmed.orders).to.be.greaterThan(10);
      expect(order.cancelled.orders).to.be.greaterThan(50);
    });
  });

  describe('the short form', () => {
    it('takes one line at the price that the customer saw, and lists the orders, also below /order-service', async () => {
      await system.product('CATALOG-002', 1_500, 1_000);
      const line = { productId: 'CATALOG-002', qty: 10, unitPrice: 1_500 };
      const placed = await http<OrderView>('POST', `${system.order.url}/order-service/rich/orders`, line, {
        prefer: 'wait=20',
      });
      expect([placed.status, placed.body.status, placed.body.total]).to.deep.equal([200, 'confirmed', 15_000]);
      expect(placed.headers.get('location')).to.equal(`/order-service/orders/${placed.body.orderId}`);
      for (const prefix of ['', '/order-service']) {
        const list = await http<{ orders: OrderView[] }>('GET', `${system.order.url}${prefix}/rich/orders?limit=1`);
        expect(list.body.orders.map(({ orderId }) => orderId)).to.deep.equal([placed.body.orderId]);
        expect((await http('GET', `${system.order.url}${prefix}/health_check`)).body).to.deep.equal({
          status: 'ok',
          service: 'order-service',
        });
      }
    });

    it('refuses with both prices when the price has changed', async () => {
      const count = (await http<{ orders: unknown[] }>('GET', `${system.order.url}/orders?userId=rich&limit=100`)).body
        .orders.length;
      const refused = await http('POST', `${system.order.url}/rich/orders`, {
        productId: 'CATALOG-002',
        qty: 1,
        unitPrice: 1_499,
      });
      expect(refused.status).to.equal(409);
      expect(refused.headers.get('content-type')).to.match(/^application\/problem\+json/);
      expect(refused.body).to.include({ type: 'urn:problem:price-changed', unitPriceSeen: 1_499, unitPrice: 1_500 });
      const after = (await http<{ orders: unknown[] }>('GET', `${system.order.url}/orders?userId=rich&limit=100`)).body
        .orders.length;
      expect(after).to.equal(count);
    });

    it('follows a change of price in inventory-service', async () => {
      await system.product('CATALOG-002', 1_600, 1_000);
      const order = await system.place('rich', [{ productId: 'CATALOG-002', qty: 1 }]);
      expect(order.total).to.equal(1_600);
    });
  });

  describe('P2 Every accepted order ends', () => {
    it('withdraws an order whose deadline passes while payment-service is away; nothing was taken, and nothing is later', async () => {
      await system.quiet();
      const money = await system.balance('rich');
      await system.payment.stop();
      const { body } = await http<OrderView>('POST', `${system.order.url}/orders`, {
        userId: 'rich',
        items: [{ productId: 'CUP', qty: 1 }],
        deadlineMs: 200,
      });
      await eventually(
        'the order to be withdrawn',
        () => system.view(body.orderId),
        ({ status }) => status === 'cancelling',
      );
      await system.knows(body.orderId, 'inventory.voided');
      const waiting = await system.view(body.orderId);
      expect(waiting.reason).to.equal('deadline');
      expect(waiting.waitsFor.map(({ service }) => service)).to.deep.equal(['payment-service']);
      await system.payment.start();
      const ended = await system.ended(body.orderId);
      expect([ended.status, ended.reason]).to.deep.equal(['cancelled', 'deadline']);
      await system.quiet();
      expect(await system.balance('rich')).to.equal(money);
      expect(await system.stock('CUP')).to.be.greaterThan(0);
    });

    it('keeps the deadline over a restart of order-service', async () => {
      await system.payment.stop();
      const { body } = await http<OrderView>('POST', `${system.order.url}/orders`, {
        userId: 'rich',
        items: [{ productId: 'CUP', qty: 1 }],
        deadlineMs: 1_000,
      });
      await system.order.kill();
      await system.order.start();
      await eventually(
        'the order to be withdrawn',
        () => system.view(body.orderId),
        ({ status }) => status === 'cancelling',
      );
      await system.payment.start();
      expect((await system.ended(body.orderId)).reason).to.equal('deadline');
    });
  });

  it('says things that a plain CloudEvents 1.0 reader understands', async () => {
    const { CloudEvent, HTTP } = await import('cloudevents');
    const tap = await Tap.open(system.amqpUrl);
    const order = await system.place('rich', [{ productId: 'CUP', qty: 1 }], { prefer: 'wait=20' });
    const about = () => tap.messages.filter(({ properties }) => properties.correlationId === order.orderId);
    await eventually('the four events of an order', about, (messages) => messages.length === 4);
    for (const { properties, content, fields } of about()) {
      const event = HTTP.toEvent<unknown>({
        headers: { 'content-type': String(properties.contentType) },
        body: content.toString(),
      });
      if (!(event instanceof CloudEvent)) throw new Error('one message, one event');
      expect(event.validate()).to.equal(true);
      expect(event.specversion).to.equal('1.0');
      expect(event.subject).to.equal(order.orderId);
      expect(event.id).to.equal(properties.messageId);
      expect(event.type).to.equal(fields.routingKey).and.to.equal(properties.type);
      expect(event.source).to.equal(properties.appId);
      expect(properties.deliveryMode).to.equal(2);
    }
    // Under load several events share a message; the same reader takes it apart. Orders that all wait for a frozen
    // service are taken in by it at once.
    await system.product('SPOON', 10, 1_000);
    system.order.signal('SIGSTOP');
    const placing = Array.from({ length: 50 }, () => system.place('rich', [{ productId: 'SPOON', qty: 1 }]));
    for (let turn = 0; turn < 20; turn += 1) await http('GET', `${system.payment.url}/livez`);
    system.order.signal('SIGCONT');
    const many = await Promise.all(placing);
    const placed = () =>
      tap.messages
        .filter(({ fields }) => fields.routingKey === 'order.placed')
        .flatMap(({ properties, content }) =>
          HTTP.toEvent<unknown>({
            headers: { 'content-type': String(properties.contentType) },
            body: content.toString(),
          }),
        );
    await eventually('every order to be said', placed, (events) => events.length === many.length + 1);
    const subjects = new Set(placed().map((read) => (read as InstanceType<typeof CloudEvent>).subject));
    for (const { orderId } of many) expect(subjects.has(orderId)).to.equal(true);
    expect(tap.messages.some(({ properties }) => properties.contentType === cloudEventBatchContentType)).to.equal(true);
    await Promise.all(many.map(({ orderId }) => system.ended(orderId)));
    await tap.close();
  });

  it('P10 refuses bad input with its own problem each, and stores nothing', async () => {
    const before = await system.totals();
    const ask = (body: unknown) => http('POST', `${system.order.url}/orders`, body);
    const line = { productId: 'CUP', qty: 1 };
    const bad: [string, Promise<{ status: number; body: Record<string, unknown> }>, number, string][] = [
      ['no items', ask({ userId: 'rich', items: [] }), 400, 'invalid-request'],
      ['a negative quantity', ask({ userId: 'rich', items: [{ ...line, qty: -1 }] }), 400, 'invalid-request'],
      ['an unknown field', ask({ userId: 'rich', items: [line], discount: 5 }), 400, 'invalid-request'],
      ['an unknown product', ask({ userId: 'rich', items: [{ ...line, productId: 'NONE' }] }), 422, 'unknown-product'],
      ['a body too large', ask({ userId: 'x'.repeat(70_000), items: [line] }), 413, 'body-too-large'],
      ['an unknown route', http('GET', `${system.order.url}/no/such/route`), 404, 'no-such-route'],
      ['a wrong method', http('PUT', `${system.order.url}/orders`, {}), 405, 'method-not-allowed'],
      [
        'an unknown order',
        http('GET', `${system.order.url}/orders/01900000-0000-7000-8000-000000000000`),
        404,
        'no-such-order',
      ],
    ];
    for (const [what, asked, status, code] of bad) {
      const reply = await asked;
      expect([reply.status, reply.body['type']], what).to.deep.equal([status, `urn:problem:${code}`]);
      expect(reply.body['detail'], what).to.be.a('string').and.not.empty;
    }
    expect(await system.totals()).to.deep.equal(before);
  });

  it('P1 answers the same Idempotency-Key with the same order, a hundred times at once', async () => {
    const body = { userId: 'rich', items: [{ productId: 'CUP', qty: 1 }] };
    const headers = { 'idempotency-key': 'hundred-times' };
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => http<OrderView>('POST', `${system.order.url}/orders`, body, headers)),
    );
    expect(new Set(replies.map((reply) => reply.body.orderId)).size).to.equal(1);
    expect(new Set(replies.map(({ status }) => status))).to.deep.equal(new Set([202]));
    const items = [{ productId: 'CUP', qty: 2 }];
    const other = await http('POST', `${system.order.url}/orders`, { ...body, items }, headers);
    expect([other.status, other.body['type']]).to.deep.equal([422, 'urn:problem:idempotency-key-reused']);
    const ofAnother = await http('POST', `${system.order.url}/orders`, { ...body, userId: 'poor' }, headers);
    expect(ofAnother.status).to.equal(202);
  });
});
