// The observer over HTTP, beside services that a test plays: what it reads of their journals, and what it answers.
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { readStaticFiles } from '../../observer/http/static-files.ts';
import type { Overview, SagaDetail, SagaRows } from '../../observer/model/messages.ts';
import { FakeJournals, orderIdOf } from '../support/fake-journals.ts';
import { Observed } from '../support/observed.ts';
import { messagesOf } from '../support/page-messages.ts';
import { eventually } from '../support/wait.ts';

describe('the observer', () => {
  let journals: FakeJournals;
  let observed: Observed;
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    journals = await FakeJournals.start();
    stops.push(() => journals.stop());
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function observe(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    observed = await Observed.start(journals.urls, settings);
    stops.push(() => observed.stop());
  }

  async function detail(orderId: string): Promise<{ status: number; body: SagaDetail }> {
    const response = await fetch(`${observed.url}/api/sagas/${orderId}`);
    return { status: response.status, body: (await response.json()) as SagaDetail };
  }

  /** Resolves with the rows of the first message that suits. */
  async function rows(query: string, suits: (rows: SagaRows) => boolean): Promise<{ message: SagaRows; id: string }> {
    const ending = new AbortController();
    try {
      for await (const { id, data } of messagesOf(`${observed.url}/api/stream?${query}`, ending.signal)) {
        const message = JSON.parse(data) as SagaRows;
        if (message.rows && suits(message)) return { message, id };
      }
    } finally {
      ending.abort();
    }
    throw new Error('the stream ended');
  }

  const untilKnown = (orderId: string, state: string) =>
    eventually(
      `saga ${orderId} to be ${state}`,
      () => detail(orderId),
      ({ body }) => body.row?.state === state,
    );

  it('begins with the recent past, not with the whole journal', async () => {
    for (let n = 1; n <= 20; n += 1) journals.confirm(orderIdOf(n));
    await observe({ OBSERVER_RECENT_EVENTS: '10' });
    const { message } = await rows('sagas=all', (one) => one.rows.length > 0 && !one.more);
    expect(journals.requests).to.include('order-service /events?after=30');
    expect(message.rows.map(({ orderId }) => orderId))
      .to.include(orderIdOf(20))
      .and.not.include(orderIdOf(1));
  });

  it('asks the journals for an order that it does not remember, by subject', async () => {
    journals.confirm(orderIdOf(1));
    await observe({ OBSERVER_RECENT_EVENTS: '0' });
    const { body } = await detail(orderIdOf(1));
    expect(body.steps.map(({ type }) => type)).to.deep.equal([
      'order.placed',
      'payment.completed',
      'inventory.reserved',
      'order.confirmed',
    ]);
    const searched = journals.requests.filter((request) => request.includes(`subject=${orderIdOf(1)}`));
    expect(new Set(searched.map((request) => request.split(' ')[0])).size).to.equal(3);
  });

  it('answers 404 for an order that no journal knows, and 503 while a journal cannot be read', async () => {
    await observe();
    expect((await detail(orderIdOf(99))).status).to.equal(404);
    journals.healthy['payment-service'] = false;
    expect((await detail(orderIdOf(99))).status).to.equal(503);
  });

  it('misses nothing when the live tails break, and counts nothing twice', async () => {
    await observe();
    const placed = journals.place(orderIdOf(1));
    await untilKnown(orderIdOf(1), 'running');
    journals.cutStreams();
    journals.publish(
      'payment.failed',
      { orderId: orderIdOf(1), userId: 'alice', amount: 300, reason: 'account_blocked' },
      { cause: placed },
    );
    const { body } = await untilKnown(orderIdOf(1), 'undoing');
    expect(body.steps).to.have.length(2);
    expect(journals.requests).to.include('order-service /events?after=1');
  });

  it('begins again where a database was put back, and reads what comes then', async () => {
    for (let n = 1; n <= 3; n += 1) journals.confirm(orderIdOf(n));
    await observe();
    await untilKnown(orderIdOf(3), 'confirmed');
    for (const journal of Object.values(journals.journals)) journal.events.length = 1;
    journals.cutStreams();
    journals.place(orderIdOf(7));
    await untilKnown(orderIdOf(7), 'running');
  });

  it('lists each order once where two addresses serve the same journal', async () => {
    const url = journals.urls['payment-service'];
    observed = await Observed.start({ ...journals.urls, 'payment-service': `${url},${url}` });
    stops.push(() => observed.stop());
    journals.confirm(orderIdOf(1));
    const { body } = await untilKnown(orderIdOf(1), 'confirmed');
    expect(body.steps).to.have.length(4);
  });

  it('follows a named instance as one of its service, and calls it by its name', async () => {
    observed = await Observed.start({ ...journals.urls, 'order-service': `a=${journals.urls['order-service']}` });
    stops.push(() => observed.stop());
    journals.confirm(orderIdOf(1));
    await untilKnown(orderIdOf(1), 'confirmed');
    const stream = new AbortController();
    stops.push(async () => stream.abort());
    for await (const { name, data } of messagesOf(`${observed.url}/api/stream`, stream.signal)) {
      if (name !== 'overview') continue;
      const { services } = JSON.parse(data) as Overview;
      expect(services.map(({ service }) => service)).to.have.members([
        'order-service.a',
        'payment-service',
        'inventory-service',
      ]);
      return;
    }
    expect.fail('the stream has ended');
  });

  it('sends a page that comes back only what it has missed', async () => {
    for (let n = 1; n <= 30; n += 1) journals.confirm(orderIdOf(n));
    await observe();
    await untilKnown(orderIdOf(30), 'confirmed');
    const { message, id } = await rows('sagas=all', ({ more }) => !more);
    expect(message).to.include({ reset: true });
    expect(message.rows).to.have.length(30);
    journals.confirm(orderIdOf(31));
    await untilKnown(orderIdOf(31), 'confirmed');
    const resumed = await rows(`sagas=all&lastEventId=${id}`, (one) => one.rows.length > 0);
    expect(resumed.message.reset).to.equal(false);
    expect(resumed.message.rows.map(({ orderId }) => orderId)).to.deep.equal([orderIdOf(31)]);
  });

  it('leaves out new sagas when there are too many, says how many, and keeps what it has sent up to date', async () => {
    await observe();
    const shown = new Map<string, string>();
    let skipped = 0;
    const ending = new AbortController();
    const reading = (async () => {
      for await (const { data } of messagesOf(`${observed.url}/api/stream?sagas=all`, ending.signal)) {
        const message = JSON.parse(data) as SagaRows;
        skipped += message.skipped ?? 0;
        for (const { orderId, state } of message.rows ?? []) shown.set(orderId, state);
      }
    })().catch(() => {});
    await eventually('the page to be connected', () => journals.journals['order-service'].streams.size === 1);
    const total = 2_000;
    for (let n = 1; n <= total; n += 1) {
      journals.confirm(orderIdOf(n));
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await untilKnown(orderIdOf(total), 'confirmed');
    await eventually('every saga to be listed or counted, and those listed to have ended', () => {
      const states = new Set(shown.values());
      return shown.size + skipped >= total && states.size === 1 && states.has('confirmed');
    });
    ending.abort();
    await reading;
    expect(skipped).to.be.greaterThan(0);
    expect(shown.size).to.be.lessThan(total);
  });

  it('serves a page of less than 150 kB compressed, everything of its own', () => {
    const { files } = readStaticFiles();
    const bytes = [...files.values()].reduce((sum, { body }) => sum + gzipSync(body).length, 0);
    expect(bytes).to.be.lessThan(150 * 1024);
    for (const [path, { body }] of files) {
      const foreign = body.toString().match(/(?:src|href|from|import)\s*[=(]?\s*["']https?:[^"']*/g);
      expect(foreign, path).to.equal(null);
    }
  });

  it('forbids in its policy all that is inline or from elsewhere', async () => {
    await observe();
    const response = await fetch(`${observed.url}/`);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).to.include("default-src 'none'").and.include("frame-ancestors 'none'").and.not.include('unsafe');
    expect(response.headers.get('x-content-type-options')).to.equal('nosniff');
  });

  it('has no controls where nobody has given it any, and no letters without access to the broker', async () => {
    await observe();
    const get = async (path: string) =>
      (await fetch(`${observed.url}${path}`)).json() as Promise<Record<string, unknown>>;
    expect(await get('/api/try')).to.have.all.keys('scenarios');
    expect(await get('/api/dead-letters')).to.not.have.property('letters');
    const response = await fetch(`${observed.url}/api/control`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ target: 'payment-service', action: 'kill' }),
    });
    expect(response.status).to.equal(404);
  });

  it('answers while services are away, and says so', async () => {
    for (const service of Object.keys(journals.healthy))
      journals.healthy[service as keyof typeof journals.healthy] = false;
    await observe();
    const ending = new AbortController();
    for await (const { data } of messagesOf(`${observed.url}/api/stream`, ending.signal)) {
      const { services } = JSON.parse(data) as { services: { state: string; journal: string }[] };
      if (services.every(({ state, journal }) => state === 'unreachable' && journal === 'unreachable')) break;
    }
    ending.abort();
  });
});
