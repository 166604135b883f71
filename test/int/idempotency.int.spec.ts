// The same request again, and again: one effect, and the very first answer.
import { connect } from 'node:net';
import { expect } from 'chai';
import { eventOf, samples } from '../support/events.ts';
import {
  type Answer,
  expectProblem,
  type Served,
  serveInventory,
  serveOrders,
  servePayments,
} from '../support/serve.ts';

const productId = samples['product.updated'].productId;

describe('an Idempotency-Key over HTTP', () => {
  let orders: Served;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
  });
  afterEach(() => orders.close());

  const body = { userId: 'ann', items: [{ productId, qty: 2 }] };
  const place = (key: string, request: object = body): Promise<Answer> =>
    orders.post('/orders', request, { 'idempotency-key': key });
  const ordersStored = () => orders.stored()['orders']?.length;

  it('100 times at once is one order, and 100 times the same answer', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => place('k')));
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([202]));
    expect(new Set(answers.map(({ text }) => text)).size).to.equal(1);
    expect(new Set(answers.map(({ headers }) => headers.location)).size).to.equal(1);
    expect(ordersStored()).to.equal(1);
    expect(orders.published()).to.have.lengthOf(1);
  });

  it('100 at once with 100 keys are 100 orders', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => place(`k${n}`)));
    expect(new Set(answers.map((answer) => answer.body.orderId)).size).to.equal(100);
    expect(ordersStored()).to.equal(100);
  });

  it('with another body is refused, and nothing is stored', async () => {
    await place('k');
    for (const other of [
      { ...body, items: [{ productId, qty: 3 }] },
      { ...body, deadlineMs: 1000 },
    ])
      expectProblem(await place('k', other), 422, 'idempotency-key-reused');
    expect(ordersStored()).to.equal(1);
    expect(orders.published()).to.have.lengthOf(1);
  });

  it('with another product, or another price seen, is refused, in either form', async () => {
    const seen = { productId, qty: 2, unitPrice: samples['product.updated'].unitPrice };
    const short = (request: object) => orders.post('/ann/orders', request, { 'idempotency-key': 'short' });
    expect((await short(seen)).status).to.equal(202);
    expectProblem(await short({ ...seen, unitPrice: seen.unitPrice + 1 }), 422, 'idempotency-key-reused');
    expectProblem(await short({ productId, qty: 2 }), 422, 'idempotency-key-reused');
    expectProblem(await short({ ...seen, productId: 'other' }), 422, 'idempotency-key-reused');
    await place('k', { ...body, items: [seen] });
    const other = { ...body, items: [{ ...seen, unitPrice: seen.unitPrice + 1 }] };
    expectProblem(await place('k', other), 422, 'idempotency-key-reused');
    expectProblem(await place('k'), 422, 'idempotency-key-reused');
    expect(ordersStored()).to.equal(2);
  });

  it('is the same in both forms of the same order', async () => {
    const first = await place('k');
    const again = await orders.post('/ann/orders', { productId, qty: 2 }, { 'idempotency-key': 'k' });
    expect(again.body.orderId).to.equal(first.body.orderId);
    expect(ordersStored()).to.equal(1);
  });

  it('of another customer is a key of its own', async () => {
    const first = await place('k');
    const second = await place('k', { ...body, userId: 'bob' });
    expect([first.status, second.status]).to.deep.equal([202, 202]);
    expect(ordersStored()).to.equal(2);
  });

  it('takes the same content for the same request, however it is written, quoted or not', async () => {
    const first = await place('k');
    const spaced = await orders.send('POST', '/orders', {
      bytes: `{ "items": [ { "qty": 2.0, "productId": "${productId}" } ], "userId": "ann" }`,
      headers: { 'idempotency-key': '"k"' },
    });
    expect(spaced.text).to.equal(first.text);
    expect(ordersStored()).to.equal(1);
  });

  it('gets the very first answer even when the order has ended since and the price has changed', async () => {
    const first = await place('k');
    const { orderId } = first.body;
    await orders.consume(eventOf('payment.failed', { ...samples['payment.failed'], orderId }));
    await orders.consumeProduct({ version: 2, unitPrice: 9999, available: false });
    const again = await place('k');
    expect([again.status, again.text, again.headers.location]).to.deep.equal([
      first.status,
      first.text,
      first.headers.location,
    ]);
    expect((await orders.get(`/orders/${orderId}`)).body.status).to.equal('cancelled');
  });

  it('of a request that was refused can be used again once it is right', async () => {
    const dear = { ...body, items: [{ productId: 'later', qty: 1 }] };
    expectProblem(await place('k', dear), 422, 'unknown-product');
    await orders.consumeProduct({ productId: 'later' });
    expect((await place('k', dear)).status).to.equal(202);
    expect(ordersStored()).to.equal(1);
  });

  it('makes one order of a client that goes away without its answer and tries again', async () => {
    const payload = JSON.stringify(body);
    const socket = connect(orders.port, '127.0.0.1');
    socket.write(
      `POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: k\r\n` +
        `content-length: ${payload.length}\r\n\r\n${payload}`,
    );
    const { subject } = await orders.bus.next('order.placed');
    socket.destroy();
    expect((await place('k')).body.orderId).to.equal(subject);
    expect(ordersStored()).to.equal(1);
  });

  it('is left out: two requests are two orders', async () => {
    await orders.post('/orders', body);
    await orders.post('/orders', body);
    expect(ordersStored()).to.equal(2);
  });

  it('makes one deposit and one restock of ten at once, and another one for another account or product', async () => {
    const [payments, inventory] = await Promise.all([servePayments(), serveInventory()]);
    try {
      await payments.put('/accounts/ann', {});
      await inventory.put('/products/berlin', { name: 'Berlin', unitPrice: 1 });
      const headers = { 'idempotency-key': 'k' };
      const ten = <T>(send: () => Promise<T>) => Promise.all(Array.from({ length: 10 }, send));
      const deposits = await ten(() => payments.post('/accounts/ann/deposits', { amount: 7 }, headers));
      const restocks = await ten(() => inventory.post('/products/berlin/restocks', { qty: 7 }, headers));
      for (const answer of [...deposits, ...restocks]) expect(answer.status).to.equal(201);
      expect((await payments.get('/accounts/ann')).body.balance).to.equal(7);
      expect((await inventory.get('/products/berlin')).body.stock).to.equal(7);
      await payments.put('/accounts/bob', {});
      await inventory.put('/products/oslo', { name: 'Oslo', unitPrice: 1 });
      const forBob = await payments.post('/accounts/bob/deposits', { amount: 7 }, headers);
      const ofOslo = await inventory.post('/products/oslo/restocks', { qty: 7 }, headers);
      expect([forBob.status, forBob.body.userId, forBob.body.balance]).to.deep.equal([201, 'bob', 7]);
      expect([ofOslo.status, ofOslo.body.productId, ofOslo.body.stock]).to.deep.equal([201, 'oslo', 7]);
      expect((await payments.get('/accounts/bob')).body.balance).to.equal(7);
      expect((await inventory.get('/products/oslo')).body.stock).to.equal(7);
      expectProblem(
        await payments.post('/accounts/ann/deposits', { amount: 8 }, headers),
        422,
        'idempotency-key-reused',
      );
      expectProblem(
        await inventory.post('/products/berlin/restocks', { qty: 8 }, headers),
        422,
        'idempotency-key-reused',
      );
    } finally {
      await Promise.all([payments.close(), inventory.close()]);
    }
  });
});
