// The journal over HTTP: pages by cursor, filters, and the live tail.
import { type IncomingMessage, request } from 'node:http';
import { expect } from 'chai';
import { samples } from '../support/events.ts';
import { expectProblem, type Served, serveOrders } from '../support/serve.ts';
import { eventually } from '../support/wait.ts';

const { productId } = samples['product.updated'];

interface Batch {
  readonly ids: string[];
  readonly subjects: string[];
  readonly types: string[];
  readonly cursor: string;
  readonly link: string;
}

describe('GET /events', () => {
  let orders: Served;
  beforeEach(async () => {
    orders = await serveOrders();
    await orders.consumeProduct();
  });
  afterEach(() => orders.close());

  async function place(count = 1): Promise<string[]> {
    const orderIds: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const { body } = await orders.post('/orders', { userId: 'ann', items: [{ productId, qty: 1 }] });
      orderIds.push(body.orderId);
    }
    return orderIds;
  }

  async function read(path: string): Promise<Batch> {
    const { status, body, headers } = await orders.get(path);
    expect(status, path).to.equal(200);
    expect(headers['content-type']).to.match(/^application\/cloudevents-batch\+json/);
    const events = body as unknown as { id: string; subject: string; type: string }[];
    return {
      ids: events.map(({ id }) => id),
      subjects: events.map(({ subject }) => subject),
      types: events.map(({ type }) => type),
      cursor: String(headers['next-cursor']),
      link: /^<([^>]+)>; rel="next"$/.exec(String(headers['link']))?.[1] ?? '',
    };
  }

  it('gives the very events that were published, oldest first', async () => {
    const placed = await place(3);
    const { ids, subjects } = await read('/events');
    expect(subjects).to.deep.equal(placed);
    expect(ids).to.deep.equal(orders.published().map(({ id }) => id));
  });

  it('walks through 25 events in pages of 10 by the link, none twice, none missing, and then stands still', async () => {
    const placed = await place(25);
    const seen: string[] = [];
    let path = '/events?limit=10';
    for (const size of [10, 10, 5, 0]) {
      const page = await read(path);
      expect(page.subjects).to.have.lengthOf(size);
      seen.push(...page.subjects);
      path = page.link;
    }
    expect(seen).to.deep.equal(placed);
    const [last] = await place();
    expect((await read(path)).subjects, 'the same cursor goes on').to.deep.equal([last]);
  });

  it('gives the link below the prefix that it was asked below', async () => {
    await place();
    expect((await read('/order-service/events')).link).to.match(/^\/order-service\/events\?after=1&/);
  });

  it('filters by type and by subject, and keeps the filters in the link', async () => {
    const [first, second] = await place(2);
    await orders.post(`/orders/${second}/cancel`);
    expect((await read('/events?type=order.withdrawn')).subjects).to.deep.equal([second]);
    expect((await read('/events?type=order.withdrawn,order.placed')).types).to.have.lengthOf(3);
    expect((await read('/events?type=order.confirmed')).types).to.deep.equal([]);
    const { types, link } = await read(`/events?subject=${second}&limit=1`);
    expect(types).to.deep.equal(['order.placed']);
    expect((await read(link)).types).to.deep.equal(['order.withdrawn']);
    expect((await read(`/events?subject=${first}`)).types).to.deep.equal(['order.placed']);
  });

  it('goes past what a filter leaves out: the cursor moves on though the page is empty', async () => {
    await place(3);
    const { types, cursor } = await read('/events?type=order.confirmed');
    expect([types, cursor]).to.deep.equal([[], '3']);
  });

  it('gives single events by their positions, as far as they are there', async () => {
    const placed = await place(3);
    expect((await read('/events?positions=3,1,99')).subjects).to.have.members([placed[2], placed[0]]);
  });

  it('refuses cursors, limits and filters that are none, and parameters that it does not know', async () => {
    const wrong = ['after=-1', 'after=x', 'limit=0', 'limit=1001', 'type=', 'type=Order!', 'positions=a', 'page=2'];
    for (const query of wrong) expectProblem(await orders.get(`/events?${query}`), 400, 'invalid-request');
  });

  describe('as a live tail', () => {
    const open: Tail[] = [];
    afterEach(() => {
      for (const tail of open.splice(0)) tail.end();
    });

    async function listen(path: string, headers: Record<string, string> = {}): Promise<Tail> {
      const tail = await Tail.open(orders.port, path, headers);
      open.push(tail);
      return tail;
    }

    it('begins with the next event, and brings each as it is published, with its position and type', async () => {
      await place();
      const tail = await listen('/events');
      const [orderId] = await place();
      const [event] = await tail.events(1);
      expect(event).to.include({ id: '2', event: 'order.placed' });
      expect(JSON.parse(event?.['data'] ?? '')).to.include({ type: 'order.placed', subject: orderId });
    });

    it('begins after a cursor, or after Last-Event-ID, which says where it was cut off', async () => {
      const placed = await place(3);
      const subjectsOf = async (tail: Tail, count: number) =>
        (await tail.events(count)).map(({ data }) => JSON.parse(data ?? '').subject);
      expect(await subjectsOf(await listen('/events?after=0'), 3)).to.deep.equal(placed);
      const resumed = await listen('/events?after=0', { 'last-event-id': '2' });
      expect(await subjectsOf(resumed, 1)).to.deep.equal([placed[2]]);
    });

    it('filters by type and by subject', async () => {
      const [first, second] = await place(2);
      const tail = await listen(`/events?subject=${second}&type=order.withdrawn`);
      for (const orderId of [first, second]) await orders.post(`/orders/${orderId}/cancel`);
      const [event] = await tail.events(1);
      expect(event).to.include({ id: '4', event: 'order.withdrawn' });
    });

    it('refuses a Last-Event-ID that is no position', async () => {
      const headers = { accept: 'text/event-stream', 'last-event-id': 'yesterday' };
      expectProblem(await orders.get('/events', { headers }), 400, 'invalid-request');
    });

    it('is one of 100 at most; the next is refused, and let in once one has ended', async () => {
      for (let count = 0; count < 100; count += 1) await listen('/events');
      const answer = await orders.get('/events', { headers: { accept: 'text/event-stream' } });
      expectProblem(answer, 503, 'too-many-streams');
      expect(answer.headers['retry-after']).to.equal('5');
      open.pop()?.end();
      await eventually('a place for one more', async () => (await listen('/events')).status === 200);
    });

    it('ends when the service stops', async () => {
      const tail = await listen('/events');
      orders.stopping.abort();
      await tail.ended;
    });
  });
});

/** A client of server-sent events. */
class Tail {
  readonly status: number;
  readonly ended: Promise<void>;
  readonly #response: IncomingMessage;
  #text = '';

  private constructor(response: IncomingMessage) {
    this.status = response.statusCode ?? 0;
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      this.#text += text;
    });
    response.on('error', () => {});
    this.ended = new Promise((resolve) => response.once('close', resolve));
  }

  static open(port: number, path: string, headers: Record<string, string>): Promise<Tail> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { port, host: '127.0.0.1', path, agent: false, headers: { accept: 'text/event-stream', ...headers } },
        (response) => resolve(new Tail(response)),
      );
      sent.on('error', reject);
      sent.end();
    });
  }

  end(): void {
    this.#response.destroy();
  }

  /** The fields of the first events, once there are that many. */
  async events(count: number): Promise<Partial<Record<string, string>>[]> {
    const found = await eventually(
      `${count} events of the live tail`,
      async () =>
        this.#text
          .split('\n\n')
          .slice(0, -1)
          .filter((block) => /^id: /m.test(block)),
      (blocks) => blocks.length >= count,
    );
    return found.map((block) =>
      Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      ),
    );
  }
}
