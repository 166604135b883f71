// The OpenAPI document of each service is valid, and says what the service does. Beside this, serve.ts holds every
// answer of every HTTP test against it.
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';
import { checkAgainst } from '../support/openapi-answers.ts';
import { type Answer, type Served, serveInventory, serveOrders, servePayments } from '../support/serve.ts';

const samples: Readonly<Record<string, string>> = {
  orderId: '01900000-0000-7000-8000-0000000000ff',
  userId: 'ann',
  productId: 'CATALOG-001',
};

for (const [name, serve] of [
  ['order-service', serveOrders],
  ['payment-service', servePayments],
  ['inventory-service', serveInventory],
] as const)
  describe(`the OpenAPI document of ${name}`, () => {
    let served: Served;
    before(async () => {
      served = await serve();
    });
    after(() => served.close());

    it('is valid OpenAPI 3.1', async () => {
      const validator = new Validator();
      const { valid, errors } = await validator.validate(structuredClone(served.document) as never);
      expect(valid, JSON.stringify(errors, null, 1)).to.equal(true);
      expect(validator.version).to.equal('3.1');
    });

    it('names each operation once, with every parameter of its path', () => {
      const operations = Object.entries(served.document.paths).flatMap(([path, methods]) =>
        Object.values(methods).map((operation) => ({ path, operation })),
      );
      const ids = operations.map(({ operation }) => operation.operationId);
      expect(ids).to.deep.equal([...new Set(ids)]);
      for (const { path, operation } of operations) {
        const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
        expect(
          inPath.map((parameter) => parameter.name),
          path,
        ).to.deep.equal([...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter));
        for (const parameter of inPath) expect(parameter.required, path).to.equal(true);
      }
    });

    it('has no route that does not answer, alone and below the name of the service', async () => {
      for (const [template, methods] of Object.entries(served.document.paths))
        for (const method of Object.keys(methods))
          for (const prefix of ['', `/${name}`]) {
            const path =
              prefix + template.replaceAll(/\{(\w+)\}/g, (_all, parameter: string) => samples[parameter] ?? '');
            const answer = await served.send(method.toUpperCase(), path, method === 'get' ? {} : { body: {} });
            expect(answer.body?.type, `${method} ${path}`).to.not.be.oneOf([
              'urn:problem:no-such-route',
              'urn:problem:method-not-allowed',
              'urn:problem:internal-error',
            ]);
          }
    });
  });

describe('the check of answers against a document', () => {
  it('finds a status, a content type, a field too few and a field too many', async () => {
    const orders = await serveOrders();
    await orders.close();
    const right: Answer = {
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8' },
      text: '',
      body: { status: 'alive' },
    };
    const check = (wrong: Partial<Answer>) => () =>
      checkAgainst(orders.document, 'order-service', 'GET', '/livez', { ...right, ...wrong });
    check({})();
    expect(check({ status: 418 })).to.throw(/418 to GET \/livez is not in the OpenAPI document/);
    expect(check({ headers: { 'content-type': 'text/html' } })).to.throw(/content type 'text\/html'/);
    expect(check({ body: {} })).to.throw(/not what its schema says/);
    expect(check({ body: { status: 'alive', extra: 1 } })).to.throw(/not what its schema says/);
  });
});
