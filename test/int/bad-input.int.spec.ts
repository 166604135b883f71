// P10: bad input gets a clear error, stores nothing, and disturbs nobody else.
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { samples } from '../support/events.ts';
import {
  expectProblem,
  type Question,
  type Served,
  serveInventory,
  serveOrders,
  servePayments,
} from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

const productId = samples['product.updated'].productId;
/** 64 KiB. */
const bodyBytesMax = 65_536;
const json = (value: unknown) => JSON.stringify(value);

/** Amounts as they stand in a body, none of them a positive integer that can be kept. */
const noAmounts = [
  '0',
  '-1',
  '1.5',
  '1e309',
  '-1e309',
  '9007199254740993',
  '1e15',
  '"1"',
  'null',
  'true',
  '[]',
  '{}',
  '""',
];

describe('P10: bad input', () => {
  let orders: Served;
  let payments: Served;
  let inventory: Served;

  // Nothing of all this is stored, so one set of services takes all of it.
  before(async () => {
    [orders, payments, inventory] = await Promise.all([
      serveOrders({ impatient: true }),
      servePayments(),
      serveInventory(),
    ]);
    await orders.consumeProduct();
    await payments.put('/accounts/ann', { balance: 100 });
    await inventory.put(`/products/${productId}`, { name: 'Berlin', unitPrice: 1500, stock: 10 });
    await inventory.bus.next('product.updated');
  });
  after(() => Promise.all([orders.close(), payments.close(), inventory.close()]));

  /** The request gets this problem, nothing is stored by it, and the next request is served. */
  async function refused(
    service: Served,
    method: 'POST' | 'PUT' | 'GET',
    path: string,
    question: Question,
    status: number,
    code: string,
  ) {
    const before = contentWithoutMarks(service);
    const answer = await service.send(method, path, question);
    expectProblem(answer, status, code);
    expect(contentWithoutMarks(service), 'what is stored').to.deep.equal(before);
    expect((await service.get('/health_check')).status).to.equal(200);
    return answer;
  }

  /** The outbox's mark moves on by itself; that nothing is added is seen by the journal. */
  function contentWithoutMarks(service: Served) {
    const { outbox_marks: _marks, ...rest } = service.stored();
    return { ...rest, published: service.published().length };
  }

  const order = (items: string, rest = '') => `{"userId":"ann","items":${items}${rest}}`;
  const placing = (bytes: string | Buffer, status = 400, code = 'invalid-request', headers = {}) =>
    refused(orders, 'POST', '/orders', { bytes, headers }, status, code);

  describe('in numbers', () => {
    for (const amount of noAmounts) {
      it(`is a quantity of ${amount}`, async () => {
        await placing(order(`[{"productId":"${productId}","qty":${amount}}]`));
        await refused(
          orders,
          'POST',
          '/ann/orders',
          { bytes: `{"productId":"${productId}","qty":${amount}}` },
          400,
          'invalid-request',
        );
        await refused(
          inventory,
          'POST',
          `/products/${productId}/restocks`,
          { bytes: `{"qty":${amount}}` },
          400,
          'invalid-request',
        );
      });

      it(`is a deposit of ${amount}`, async () => {
        const answer = await refused(
          payments,
          'POST',
          '/accounts/ann/deposits',
          { bytes: `{"amount":${amount}}` },
          400,
          'invalid-request',
        );
        expect(answer.body.errors[0].path).to.equal('body.amount');
      });

      if (amount !== '0')
        it(`is a price, a balance, or a stock of ${amount}`, async () => {
          const put = (service: Served, path: string, bytes: string) =>
            refused(service, 'PUT', path, { bytes }, 400, 'invalid-request');
          await placing(order(`[{"productId":"${productId}","qty":1,"unitPrice":${amount}}]`));
          await put(payments, '/accounts/ann', `{"balance":${amount}}`);
          await put(inventory, '/products/new', `{"name":"New","unitPrice":${amount}}`);
          await put(inventory, '/products/new', `{"name":"New","unitPrice":1,"stock":${amount}}`);
        });
    }

    it('is a quantity or a deadline one beyond its bound', async () => {
      await placing(order(`[{"productId":"${productId}","qty":1000001}]`));
      await placing(order(`[{"productId":"${productId}","qty":1}]`, ',"deadlineMs":99'));
      await placing(order(`[{"productId":"${productId}","qty":1}]`, ',"deadlineMs":86400001'));
    });

    it('is a price times a quantity that is more than can be kept', async () => {
      await orders.consumeProduct({ productId: 'gold', unitPrice: 1_000_000_000_000 });
      for (const qty of [2, 1_000_000])
        await placing(order(`[{"productId":"gold","qty":${qty}}]`), 400, 'order-too-expensive');
    });

    it('is a deposit or a restock that would lead beyond the bounds', async () => {
      await refused(
        payments,
        'POST',
        '/accounts/ann/deposits',
        { body: { amount: 1_000_000_000_000 } },
        422,
        'balance-too-high',
      );
      await refused(
        inventory,
        'POST',
        `/products/${productId}/restocks`,
        { body: { qty: 1_000_000 } },
        422,
        'stock-too-high',
      );
    });
  });

  describe('in the shape of a body', () => {
    it('is no line, 101 lines, or a product twice', async () => {
      await placing(order('[]'));
      const lines = Array.from({ length: 101 }, (_, n) => ({ productId: `p${n}`, qty: 1 }));
      await placing(order(json(lines)));
      await placing(order(json([...lines.slice(0, 2), { productId: 'p0', qty: 1 }])));
    });

    it('is no object at all', async () => {
      for (const body of ['null', '1', '"text"', '[]', 'true', '{}']) await placing(body);
    });

    it('is a field that nobody knows, at the top or in a line', async () => {
      const answer = await placing(order(`[{"productId":"${productId}","qty":1}]`, ',"isAdmin":true'));
      expect(answer.body.detail).to.include('isAdmin');
      await placing(order(`[{"productId":"${productId}","qty":1,"discount":50}]`));
    });

    it('is __proto__, constructor or toString as a field', async () => {
      const line = `[{"productId":"${productId}","qty":1}]`;
      for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
        await placing(order(line, `,"${name}":{"isAdmin":true}`));
      await placing(`{"__proto__":${order(line)}}`);
      await placing(order(`[{"productId":"${productId}","__proto__":{"qty":1}}]`));
      expect(({} as Record<string, unknown>)['isAdmin']).to.equal(undefined);
    });

    it('is a key that appears twice, with two values or the same, spelled alike or not', async () => {
      const answer = await placing(
        order(`[{"productId":"${productId}","qty":1}]`, ',"userId":"bob"'),
        400,
        'invalid-json',
      );
      expect(answer.body.detail).to.include('userId').and.include('twice');
      for (const again of ['"qty":2', '"qty":1', '"\\u0071ty":1', '"qty" : 1']) {
        await placing(order(`[{"productId":"${productId}","qty":1,${again}}]`), 400, 'invalid-json');
      }
    });

    it('is 30,000 deep, as lists or as objects', async () => {
      await placing('['.repeat(30_000) + ']'.repeat(30_000));
      await placing(`${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`);
      await placing('['.repeat(30_000), 400, 'invalid-json');
    });

    it('is 100,000 keys: too large; and as many as fit: unknown, in a short answer', async () => {
      const keys = (count: number) => `{${Array.from({ length: count }, (_, n) => `"k${n}":1`).join()}}`;
      await placing(keys(100_000), 413, 'body-too-large');
      await placing(keys(6_000));
    });
  });

  describe('in the bytes of a body', () => {
    const valid = order(`[{"productId":"${productId}","qty":1}]`);

    it('is nothing', async () => {
      await placing('', 400, 'invalid-json', { 'content-type': 'application/json' });
    });

    it('is JSON that is cut off, has a comma too many, or something after its end', async () => {
      for (const body of [valid.slice(0, -1), valid.replace('1}]', '1,}]'), `${valid}{}`, "{'a':1}", 'NaN', '\ufeff'])
        await placing(body, 400, 'invalid-json');
    });

    it('is 65 KB; exactly 64 KiB are read', async () => {
      await placing(valid + ' '.repeat(65 * 1024), 413, 'body-too-large');
      await placing(valid + ' '.repeat(bodyBytesMax - valid.length + 1), 413, 'body-too-large');
      const fits = await orders.send('POST', '/orders', { bytes: valid + ' '.repeat(bodyBytesMax - valid.length) });
      expect(fits.status).to.equal(202);
    });

    it('is 65 KB in chunks, without an announcement of how many will come', async () => {
      const chunk = `2000\r\n${' '.repeat(0x2000)}\r\n`;
      const before = contentWithoutMarks(orders);
      const answer = await orders.raw(
        'POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n' +
          chunk.repeat(9),
        'more chunks than it reads',
      );
      expect(answer)
        .to.match(/^HTTP\/1\.1 413 /)
        .and.include('urn:problem:body-too-large');
      expect(contentWithoutMarks(orders)).to.deep.equal(before);
    });

    it('is compressed, even if what is inside is right', async () => {
      for (const encoding of ['gzip', 'deflate', 'br', 'GZIP'])
        await placing(gzipSync(valid), 415, 'unsupported-media-type', { 'content-encoding': encoding });
      await placing(gzipSync(Buffer.alloc(10_000_000)), 415, 'unsupported-media-type', { 'content-encoding': 'gzip' });
    });

    it('is of another content type, or of none', async () => {
      for (const type of [
        'text/plain',
        'application/xml',
        'application/x-www-form-urlencoded',
        'application/jsonx',
        '',
      ])
        await placing(valid, 415, 'unsupported-media-type', { 'content-type': type });
      const charset = await orders.send('POST', '/orders', {
        bytes: valid,
        headers: { 'content-type': 'Application/JSON; charset=utf-8' },
      });
      expect(charset.status).to.equal(202);
    });

    it('is not UTF-8', async () => {
      const latin1 = Buffer.from(valid.replace('ann', 'anné'), 'latin1');
      await placing(latin1, 400, 'invalid-json');
      await placing(Buffer.from([0xc3, 0x28]), 400, 'invalid-json');
      await placing(Buffer.from(valid, 'utf16le'), 400, 'invalid-json');
    });
  });

  describe('in strings', () => {
    const strings = {
      'a NUL': 'a\u0000b',
      'a lone surrogate': 'a\ud800b',
      'a line break': 'a\nb',
      'an escape sequence': '\u001b[31m',
      'a right-to-left override between letters': 'a\u202eb',
      'a space': 'a b',
      nothing: '',
      'a path': '../../etc/passwd',
      '65 characters': 'a'.repeat(65),
      SQL: "'; DROP TABLE orders; --",
      'more SQL': '" OR 1=1 --',
      'a wildcard': '%',
    };
    for (const [what, text] of Object.entries(strings))
      it(`is ${what} in a name`, async () => {
        await placing(json({ userId: text, items: [{ productId, qty: 1 }] }));
        await placing(json({ userId: 'ann', items: [{ productId: text, qty: 1 }] }));
        if (text === '' || text.includes('/')) return;
        // A lone surrogate cannot be written in a path at all.
        const path = encodeURIComponent(text.toWellFormed());
        await refused(payments, 'PUT', `/accounts/${path}`, { body: {} }, 400, 'invalid-request');
        await refused(orders, 'POST', `/${path}/orders`, { body: { productId, qty: 1 } }, 400, 'invalid-request');
        await refused(orders, 'GET', `/orders?userId=${path}`, {}, 400, 'invalid-request');
        await refused(inventory, 'GET', `/products/${path}`, {}, 400, 'invalid-request');
      });

    it('is a control character or a lone surrogate in the name of a product', async () => {
      for (const name of ['a\u0000b', 'a\ud800b', '\udc00', 'a\nb', '\u007f', '', 'a'.repeat(201)])
        await refused(inventory, 'PUT', '/products/new', { body: { name, unitPrice: 1 } }, 400, 'invalid-request');
    });

    it('is not what only looks like it: SQL, quotes and emoji in the name of a product are kept to the letter', async () => {
      for (const name of [
        "Robert'); DROP TABLE products;--",
        '"',
        '%_',
        '$1 ?1 :a',
        '日本語 👩‍👩‍👧',
        '<script>',
        '\\',
      ]) {
        const put = await inventory.put('/products/odd', { name, unitPrice: 1 });
        expect(put.body.name).to.equal(name);
        expect((await inventory.get('/products/odd')).body.name).to.equal(name);
      }
    });

    it('is an order id that is none', async () => {
      for (const id of ['1', 'x', '01900000-0000-7000-8000-00000000000', "'%20OR%201=1"])
        await refused(orders, 'GET', `/orders/${id}`, {}, 400, 'invalid-request');
    });
  });

  describe('in paths and methods', () => {
    it('is a route that there is not', async () => {
      for (const path of [
        '/',
        '/nothing',
        '/orders/a/b/c',
        '/order-service',
        '/payment-service/x/orders',
        '//',
        '/%2e%2e/',
      ])
        expectProblem(await orders.get(path), 404, 'no-such-route');
    });

    it('is a route of 5,000 characters, of which the answer repeats few', async () => {
      expectProblem(await orders.get(`/nothing/${'x'.repeat(5_000)}`), 404, 'no-such-route');
    });

    it('is a method that the path does not take: Allow names those that it does', async () => {
      for (const method of ['DELETE', 'PUT', 'PATCH']) {
        const answer = await orders.send(method, '/orders');
        expectProblem(answer, 405, 'method-not-allowed');
        expect(answer.headers.allow?.split(', ').sort()).to.deep.equal(['GET', 'HEAD', 'POST']);
        expect(answer.body.detail).to.include('POST');
      }
    });

    it('is a method that hardly anybody knows', async () => {
      const answer = await orders.send('PROPFIND', '/orders');
      expectProblem(answer, 405, 'method-not-allowed');
      expect(answer.headers.allow).to.include('POST');
      expectProblem(await orders.send('PROPFIND', '/nothing'), 404, 'no-such-route');
    });

    it('is percent-encoding that is none', async () => {
      for (const path of ['/orders/%', '/orders/%zz', '/%ff/orders', '/accounts/%E0%A4%A'])
        for (const service of [orders, payments]) {
          const answer = await service.get(path);
          expect([400, 404], `${path}: ${answer.text}`).to.include(answer.status);
          expect(answer.body.type).to.match(/invalid-request|no-such-route/);
        }
    });

    it('is a target that is no URL: later versions of Node throw at it, and the answer is no 500', async () => {
      for (const target of ['http://', 'http://a:b/', 'http://%/orders', 'http://[', '//', '*']) {
        const answer = await orders.raw(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, target);
        expect(answer, target)
          .to.match(/^HTTP\/1\.1 (400|404) /)
          .and.include('application/problem+json');
      }
    });

    it('is a field in the query that nobody knows, or one twice', async () => {
      await refused(orders, 'GET', '/orders?userId=ann&admin=1', {}, 400, 'invalid-request');
      await refused(orders, 'GET', '/orders?userId=ann&userId=bob', {}, 400, 'invalid-request');
      await refused(orders, 'GET', '/orders?userId=ann&__proto__=1', {}, 400, 'invalid-request');
    });
  });

  describe('in headers', () => {
    const line = { productId, qty: 1 };

    it('is an Idempotency-Key that is empty, too long, or of other characters', async () => {
      for (const key of ['', '""', 'a b', 'k'.repeat(256), 'a"b', 'a,b c'])
        await refused(
          orders,
          'POST',
          '/ann/orders',
          { body: line, headers: { 'idempotency-key': key } },
          400,
          'invalid-idempotency-key',
        );
    });

    it('is a request id or a trace that cannot be taken: another takes its place', async () => {
      const headers = { 'x-request-id': 'a b{}', traceparent: '00-zz-zz-00' };
      const answer = await orders.post('/ann/orders', line, headers);
      expect(answer.status).to.equal(202);
      expect(answer.headers['x-request-id']).to.match(/^[0-9a-f-]{36}$/);
      expect((await orders.bus.next('order.placed', answer.body.orderId)).traceparent).to.match(
        /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/,
      );
    });

    it('is a preference that cannot be read: it is no preference', async () => {
      for (const prefer of ['wait=soon', 'wait', 'wait=-1', 'return=minimal', ';;;'])
        expect((await orders.post('/ann/orders', line, { prefer })).status, prefer).to.equal(202);
    });

    it('is 20 KB of headers: 431, and the others are served', async () => {
      const answer = await orders.raw(`GET /orders HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 'headers');
      expect(answer)
        .to.match(/^HTTP\/1\.1 431 /)
        .and.include('urn:problem:headers-too-large');
      expect((await orders.get('/health_check')).status).to.equal(200);
    });

    it('is no HTTP at all: 400 as a problem, and the connection is closed', async () => {
      for (const bytes of ['hello\r\n\r\n', 'GET /orders HTTP/9.9\r\n\r\n', 'GET /a b HTTP/1.1\r\nhost: x\r\n\r\n']) {
        const answer = await orders.raw(bytes, bytes);
        expect(answer, bytes)
          .to.match(/^HTTP\/1\.1 400 /)
          .and.include('application/problem+json');
      }
    });

    it('is a length that contradicts another', async () => {
      const before = contentWithoutMarks(orders);
      const head = 'POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
      const smuggled = `${head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`;
      expect(await orders.raw(smuggled, 'two lengths')).to.match(/^HTTP\/1\.1 400 /);
      expect(contentWithoutMarks(orders)).to.deep.equal(before);
    });
  });

  describe('that comes slowly', () => {
    const head = 'POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n';

    it('or never, from clients that then keep their ended connections open, leaves no connection behind', async () => {
      const clients = ['hello\r\n\r\n', head, ''].map((bytes) => {
        const client = connect({ port: orders.port, host: '127.0.0.1', allowHalfOpen: true });
        client.write(bytes);
        return client.resume();
      });
      await Promise.all(clients.map((client) => once(client, 'end')));
      await eventually(
        'the service to have no connection',
        () => orders.connections(),
        (count) => count === 0,
      );
      for (const client of clients) client.destroy();
    });

    it('holds nobody up: 50 requests that never end, and others are served meanwhile', async () => {
      const before = contentWithoutMarks(orders);
      const slow = Array.from({ length: 50 }, (_, n) => orders.raw(n % 2 ? `${head}\r\n{"a` : head, 'a slow request'));
      for (let count = 0; count < 10; count += 1)
        expect((await orders.post('/ann/orders', { productId, qty: 1 })).status).to.equal(202);
      const answers = await Promise.all(slow);
      for (const answer of answers)
        expect(answer)
          .to.match(/^HTTP\/1\.1 408 /)
          .and.include('urn:problem:request-timeout');
      const after = contentWithoutMarks(orders);
      expect(after.published).to.equal(before.published + 10);
    }).timeout(15_000);
  });

  it('ends before its announced length: nothing is stored', async () => {
    const before = contentWithoutMarks(orders);
    const body = json({ userId: 'ann', items: [{ productId, qty: 1 }] });
    await new Promise<void>((resolve, reject) => {
      import('node:net')
        .then(({ connect }) => {
          const socket = connect(orders.port, '127.0.0.1', () => {
            socket.end(
              `POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length + 1}\r\n\r\n${body}`,
            );
          });
          socket.resume();
          socket.on('close', () => resolve());
          socket.on('error', reject);
        })
        .catch(reject);
    });
    expect((await orders.get('/health_check')).status).to.equal(200);
    expect(contentWithoutMarks(orders)).to.deep.equal(before);
  });
});
