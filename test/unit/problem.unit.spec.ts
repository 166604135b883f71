// Problems as a client gets them, and the check that makes them of what came in.
import { expect } from 'chai';
import { z } from 'zod';
import { check, Problem, ProblemError, unavailable } from '../../shared/runtime/http/problem.ts';

describe('a problem', () => {
  it('has type, title, status and detail as RFC 9457 wants them, and what else is known', () => {
    const problem = new ProblemError(409, 'price-changed', 'it costs 2 now, not 1', { unitPrice: 2 }).toJSON();
    expect(problem).to.deep.equal({
      type: 'urn:problem:price-changed',
      title: 'Price changed',
      status: 409,
      detail: 'it costs 2 now, not 1',
      unitPrice: 2,
    });
    Problem.parse(problem);
  });

  it('says when to try again if that is what helps', () => {
    const problem = unavailable('outbox-full', 'full', 5);
    expect(problem.status).to.equal(503);
    expect(problem.headers).to.deep.equal({ 'retry-after': '5' });
  });
});

describe('the check of what came in', () => {
  const Schema = z.object({ qty: z.int().min(1), name: z.string() }).strict();
  const problemOf = (value: unknown): ProblemError => {
    try {
      check(Schema, value, 'body');
    } catch (error) {
      if (error instanceof ProblemError) return error;
    }
    return expect.fail('nothing was found');
  };
  const errorsOf = (value: unknown) => problemOf(value).extras['errors'] as { path: string; message: string }[];

  it('gives back what is right', () => {
    expect(check(Schema, { qty: 1, name: 'a' }, 'body')).to.deep.equal({ qty: 1, name: 'a' });
  });

  it('names every field that is wrong, and the first in the detail', () => {
    expect(errorsOf({ qty: 0 }).map(({ path }) => path)).to.deep.equal(['body.qty', 'body.name']);
    expect(problemOf({ qty: 0 }).status).to.equal(400);
    expect(problemOf({ qty: 0 }).message).to.match(/^body\.qty: /);
  });

  it('names a field that is not known', () => {
    expect(errorsOf({ qty: 1, name: 'a', extra: 1 })[0]?.message).to.include('extra');
  });

  it('names the body when it is something else altogether', () => {
    for (const value of [null, 1, 'a', []]) expect(errorsOf(value)[0]?.path).to.equal('body');
  });

  it('does not say more than 20 things, nor things of endless length', () => {
    const Many = z.array(z.int());
    const wrong = Array.from({ length: 21 }, () => 'x');
    let problem: ProblemError | undefined;
    try {
      check(Many, wrong, 'body');
    } catch (error) {
      problem = error as ProblemError;
    }
    expect(problem?.extras['errors']).to.have.lengthOf(20);
    const manyKeys = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`key${index}`, 1]));
    expect(JSON.stringify(problemOf(manyKeys)).length, 'length of the answer').to.be.lessThan(2_000);
  });
});
