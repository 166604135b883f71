// Who may ask the observer for what.
import { expect } from 'chai';
import { guard } from '../../observer/http/guard.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';

const json = { 'content-type': 'application/json' };

function answerTo(method: string, headers: Readonly<Record<string, string>>, hosts: readonly string[] = []): number {
  try {
    guard({ method, header: (name) => headers[name] ?? '' }, hosts);
    return 200;
  } catch (error) {
    return error instanceof ProblemError ? error.status : 0;
  }
}

describe('the guard of the observer', () => {
  for (const [host, status] of [
    ['localhost:8010', 200],
    ['127.0.0.1:8010', 200],
    ['[::1]:8010', 200],
    ['192.168.0.7', 200],
    ['evil.example:8010', 421],
    ['localhost.evil.example', 421],
    ['', 421],
  ] as const) {
    it(`answers a request for '${host}' with ${status}: a name can be pointed at us, an address cannot`, () => {
      expect(answerTo('GET', { host })).to.equal(status);
    });
  }

  it('answers under the names of OBSERVER_HOSTS', () => {
    expect(answerTo('GET', { host: 'shop.internal:8010' }, ['shop.internal'])).to.equal(200);
  });

  for (const [what, headers, status] of [
    ['of its own page', { ...json, origin: 'http://localhost:8010', 'sec-fetch-site': 'same-origin' }, 200],
    ['of curl, which names no origin', json, 200],
    ['of another site', { ...json, origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' }, 403],
    [
      'of another port of the same host',
      { ...json, origin: 'http://localhost:9999', 'sec-fetch-site': 'same-site' },
      403,
    ],
    ['of a page without an origin, such as a file', { ...json, origin: 'null' }, 403],
    ['of a form', { 'content-type': 'text/plain' }, 415],
    ['without a content type', {}, 415],
  ] as const) {
    it(`answers a command ${what} with ${status}`, () => {
      expect(answerTo('POST', { host: 'localhost:8010', ...headers })).to.equal(status);
    });
  }
});
