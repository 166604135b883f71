// The table behind Idempotency-Key: the first answer again, for a day.
import { expect } from 'chai';
import {
  IdempotencyKeys,
  idempotencyKeptMs,
  idempotencySchema,
  parseIdempotencyKey,
} from '../../shared/runtime/http/idempotency.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';

function open() {
  const db = openDatabase(':memory:', [idempotencySchema]);
  const keys = new IdempotencyKeys(db);
  let effects = 0;
  const ask = (key: string, request: unknown = 'request', nowMs = 0, operation = 'place', owner = 'ann') =>
    keys.once({ operation, owner }, key, request, nowMs, () => {
      effects += 1;
      return { status: 202, body: { effect: effects }, headers: { location: `/orders/${effects}` } };
    });
  const rows = () => db.prepare<[], string>('SELECT key FROM idempotency_keys ORDER BY key').pluck().all();
  return { db, keys, ask, rows, effects: () => effects };
}

describe('an idempotency key', () => {
  it('gets the very first answer again, with status, body and headers, and has one effect', () => {
    const { ask, effects } = open();
    const first = ask('k');
    for (let again = 0; again < 3; again += 1) expect(ask('k')).to.deep.equal(first);
    expect(effects()).to.equal(1);
  });

  it('of one customer says nothing about the same key of another', () => {
    const { ask, effects } = open();
    ask('k', { userId: 'ann' });
    expect(ask('k', { userId: 'bob' }, 0, 'place', 'bob').body).to.deep.equal({ effect: 2 });
    expect(effects()).to.equal(2);
  });

  it('that an earlier version stored without its customer counts for the same request, and for no other', () => {
    const { db, ask, effects } = open();
    ask('k', { qty: 1 });
    db.exec("UPDATE idempotency_keys SET scope = 'place'");
    expect(ask('k', { qty: 1 }).body).to.deep.equal({ effect: 1 });
    expect(ask('k', { qty: 2 }).body).to.deep.equal({ effect: 2 });
    expect(effects()).to.equal(2);
  });

  it('is refused with another request, and that has no effect', () => {
    const { ask, effects } = open();
    ask('k', { qty: 1 });
    expect(() => ask('k', { qty: 2 }))
      .to.throw(ProblemError, /another request/)
      .with.property('status', 422);
    expect(effects()).to.equal(1);
  });

  it('is another one in another scope', () => {
    const { ask, effects } = open();
    ask('k', 'request', 0, 'place');
    ask('k', 'request', 0, 'deposit');
    expect(effects()).to.equal(2);
  });

  it('is remembered one millisecond short of a day, and is new after exactly a day', () => {
    const { ask, effects } = open();
    const first = ask('k', 'request', 1_000);
    expect(ask('k', 'request', 1_000 + idempotencyKeptMs - 1)).to.deep.equal(first);
    expect(ask('k', 'another request', 1_000 + idempotencyKeptMs)).to.not.deep.equal(first);
    expect(effects()).to.equal(2);
  });

  it('is not remembered when its effect throws: the retry has the effect', () => {
    const { db, keys, ask, rows, effects } = open();
    const fail = () =>
      keys.once({ operation: 'place', owner: 'ann' }, 'k', 'request', 0, () => {
        throw new Error('no');
      });
    expect(() => db.transaction(fail)()).to.throw('no');
    expect(rows()).to.deep.equal([]);
    ask('k');
    expect(effects()).to.equal(1);
  });

  it('clears two that have expired, the oldest first, so the table does not grow for ever', () => {
    const { ask, rows } = open();
    for (const [at, key] of ['a', 'b', 'c', 'd', 'e'].entries()) ask(key, 'request', at);
    ask('new-1', 'request', idempotencyKeptMs + 3);
    expect(rows()).to.deep.equal(['c', 'd', 'e', 'new-1']);
    ask('new-2', 'request', idempotencyKeptMs + 3);
    expect(rows(), 'e expires one millisecond later').to.deep.equal(['e', 'new-1', 'new-2']);
    ask('new-3', 'request', idempotencyKeptMs + 3);
    expect(rows()).to.deep.equal(['e', 'new-1', 'new-2', 'new-3']);
  });

  it('is kept through a restart', () => {
    const { db, ask } = open();
    const first = ask('k');
    const again = new IdempotencyKeys(db).once({ operation: 'place', owner: 'ann' }, 'k', 'request', 1, () => ({
      status: 500,
    }));
    expect(again).to.deep.equal(first);
  });
});

describe('the Idempotency-Key header', () => {
  it('may be missing, bare, or quoted as the draft has it', () => {
    expect(parseIdempotencyKey(undefined)).to.equal(undefined);
    expect(parseIdempotencyKey('8e03978e')).to.equal('8e03978e');
    expect(parseIdempotencyKey('"8e03978e"')).to.equal('8e03978e');
  });

  it('may have 255 characters and not 256', () => {
    expect(parseIdempotencyKey('k'.repeat(255))).to.have.lengthOf(255);
    expect(() => parseIdempotencyKey('k'.repeat(256))).to.throw(ProblemError, /1 to 255/);
  });

  it('is refused when it is empty, has spaces, quotes inside, or is not ASCII', () => {
    for (const header of ['', '""', 'a b', 'a"b', '"a', 'ä', 'a\u0000', 'a\n'])
      expect(() => parseIdempotencyKey(header), JSON.stringify(header))
        .to.throw(ProblemError)
        .with.property('status', 400);
  });
});
