// Laws that hold for every reaction of every service. Services, events and outcomes come from the contract, and the
// stories in which they meet from the exhaustive small cases, so a new reaction is held to them without a new test.
import { expect } from 'chai';
import { putProduct } from '../../inventory-service/commands.ts';
import type { InventoryParts } from '../../inventory-service/service.ts';
import { placeOrder } from '../../order-service/commands.ts';
import { statusOf } from '../../order-service/order.ts';
import type { OrderParts } from '../../order-service/service.ts';
import { putAccount } from '../../payment-service/commands.ts';
import type { PaymentParts } from '../../payment-service/service.ts';
import { serviceDefinitions as definitions } from '../../services.ts';
import { choreography, type DataOf, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import {
  type CloudEvent,
  cloudEventContentType,
  dataSchemaOf,
  encodeEvent,
} from '../../shared/contract/cloud-event.ts';
import { consumedBy } from '../../shared/contract/language.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { ServiceDefinition } from '../../shared/runtime/node/service-node.ts';
import type { Cause, Transaction } from '../../shared/runtime/node/transaction.ts';
import { digestOf } from '../../simulator/checks.ts';
import { type Exploration, explore, scenarios } from '../../simulator/exhaustive.ts';
import { Host } from '../../simulator/host.ts';
import { declaredOutcomes } from '../../simulator/races.ts';
import { epochMs } from '../../simulator/sim-clock.ts';

const services = definitions.map(({ name }) => name);
const cause: Cause = {
  causationId: '00000000-0000-7000-8000-000000000000',
  traceparent: '00-00000000000000000000000000000001-0000000000000001-01',
};
const items = [{ productId: 'p', qty: 1, unitPrice: 10 }];

/** One service on its own, with an account of 10 and a product of which there is one. */
class Bench {
  readonly host: Host;
  readonly said: OutgoingMessage[] = [];
  orderId = '01900000-0000-7000-8000-0000000000aa';
  #ids = 0;

  constructor(
    service: ServiceName,
    change: (definition: ServiceDefinition<ServiceName>) => ServiceDefinition<ServiceName> = (same) => same,
  ) {
    const definition = definitions.find(({ name }) => name === service) as ServiceDefinition<ServiceName>;
    this.host = new Host(change(definition), undefined, {
      taken: (message) => void this.said.push(message),
      nowMs: () => epochMs,
      newId: () => this.#newId(),
      reached: () => {},
    });
    this.host.boot();
    if (service === 'order-service') {
      this.get('product.updated', { productId: 'p', name: 'p', unitPrice: 10, available: true, version: 1 });
      this.command((tx, parts: OrderParts) => {
        const order = { userId: 'user', items: [{ productId: 'p', qty: 1 }], deadlineMs: 30_000 };
        this.orderId = placeOrder(parts.store, tx as never, order).orderId;
      });
    }
    if (service === 'payment-service') {
      this.command((tx, parts: PaymentParts) => putAccount(parts.store, tx, 'user', { balance: 10 }));
    }
    if (service === 'inventory-service') {
      const product = { name: 'p', unitPrice: 10, stock: 1 };
      this.command((tx, parts: InventoryParts) => putProduct(parts.store, tx as never, 'p', product));
    }
    this.said.length = 0;
  }

  command<P>(run: (tx: Transaction, parts: P) => unknown): void {
    const { node } = this.host;
    node.submit(
      (tx) => run(tx as unknown as Transaction, node.parts as unknown as P),
      cause,
      (result) => {
        if (!result.ok) throw result.error;
      },
    );
    this.host.rest();
  }

  /** The customer changes their mind; the other services only hear of it. */
  withdraw(): void {
    this.command((tx) => tx.emit({ type: 'order.withdrawn', data: this.#data('order.withdrawn') } as never));
  }

  get<T extends EventType>(type: T, data: DataOf<T> = this.#data(type)): CloudEvent {
    const spec = choreography.events[type];
    const subject = (data as Record<string, string>)[spec.subject] ?? '';
    const event: CloudEvent = {
      specversion: '1.0',
      id: this.#newId(),
      type,
      source: spec.by,
      subject,
      time: '2030-01-01T00:00:00.000Z',
      datacontenttype: 'application/json',
      dataschema: dataSchemaOf(type),
      correlationid: subject,
      causationid: cause.causationId,
      traceparent: cause.traceparent,
      data: data as never,
    };
    this.deliver(event);
    return event;
  }

  deliver(event: CloudEvent): void {
    this.host.listener?.delivered({
      body: encodeEvent(event),
      messageId: event.id,
      contentType: cloudEventContentType,
      exchange: '',
      routingKey: event.type,
      headers: {},
      redelivered: false,
      ack() {},
    });
    this.host.rest();
  }

  get digest(): string {
    return digestOf(this.host.database.db);
  }

  get inbox(): number {
    return this.host.database.db.prepare<[], number>('SELECT count(*) FROM inbox').pluck().get() ?? 0;
  }

  /** Outcomes so far, as `event -> outcome`. */
  get outcomes(): string[] {
    return [...this.host.node.handler.tally.outcomes.keys()];
  }

  #newId(): string {
    this.#ids += 1;
    return `01900000-0000-7000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
  }

  #data<T extends EventType>(type: T): DataOf<T> {
    const { orderId } = this;
    const userId = 'user';
    const lines = [{ productId: 'p', qty: 1 }];
    const samples: { [K in EventType]: DataOf<K> } = {
      'order.placed': { orderId, userId, items, total: 10, deadlineAt: '2030-01-01T00:00:30.000Z' },
      'order.withdrawn': { orderId, userId, reason: 'customer' },
      'order.confirmed': { orderId, userId, total: 10 },
      'order.cancelled': { orderId, userId, reason: 'customer' },
      'payment.completed': { orderId, userId, amount: 10, items: lines },
      'payment.failed': { orderId, userId, amount: 10, reason: 'insufficient_funds' },
      'payment.refunded': { orderId, userId, amount: 10, because: 'order.withdrawn' },
      'payment.voided': { orderId },
      'inventory.reserved': { orderId, items: lines },
      'inventory.rejected': { orderId, shortages: [{ productId: 'p', wanted: 1, available: 0 }] },
      'inventory.released': { orderId, items: lines },
      'inventory.voided': { orderId },
      'product.updated': { productId: 'p', name: 'new', unitPrice: 11, available: true, version: 2 },
    };
    return samples[type];
  }
}

type Story = readonly EventType[];

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((item, index) =>
    permutations([...list.slice(0, index), ...list.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

/** True when no event comes before one without which it can't exist. */
function possible(service: ServiceName, order: Story): boolean {
  if (service !== 'payment-service' || !order.includes('inventory.rejected')) return true;
  // Stock is refused only for what has been paid, and what is withdrawn before it is placed is never paid.
  return order[0] === 'order.placed';
}

describe('laws over every reaction of every service', function () {
  this.timeout(60_000);
  let explorations: Exploration[];
  let stories: Map<ServiceName, Story[]>;

  before(() => {
    explorations = scenarios.map((scenario) => explore(scenario, { crashes: 0, cancels: 1, deadline: false }));
    stories = new Map(services.map((name) => [name, []]));
    for (const story of new Set(explorations.flatMap((found) => [...found.stories]))) {
      const [service = '', types = ''] = story.split(': ');
      stories.get(service as ServiceName)?.push(types.split(' ').filter((type) => type !== '') as unknown as Story);
    }
  });

  /** Plays a story in one order, with the withdrawal where the order-service would have said it. */
  function play(bench: Bench, service: ServiceName, order: Story, each: (event: CloudEvent) => void = () => {}): void {
    const undone = order.some((type) => ['payment.voided', 'inventory.voided', 'inventory.released'].includes(type));
    const refundedFor = order.includes('payment.refunded') && !order.includes('inventory.rejected');
    if (service === 'order-service' && (undone || refundedFor)) bench.withdraw();
    for (const type of order) each(bench.get(type));
  }

  for (const service of services) {
    describe(service, () => {
      it('twice is once: whatever comes again changes nothing and says nothing', () => {
        const met = new Set<string>();
        for (const story of stories.get(service) ?? []) {
          const order = permutations(story).find((one) => possible(service, one)) ?? story;
          const bench = new Bench(service);
          play(bench, service, order, (event) => {
            met.add(event.type);
            const [digest, said] = [bench.digest, bench.said.length];
            bench.deliver(event);
            expect(bench.digest, event.type).to.equal(digest);
            expect(bench.said.length, event.type).to.equal(said);
          });
        }
        const wanted = consumedBy(choreography, service).filter((type) => type !== 'product.updated');
        expect([...met]).to.include.members(wanted);
      });

      it('a throw inside leaves nothing behind but a dead letter', () => {
        for (const type of consumedBy(choreography, service) as EventType[]) {
          let calls = 0;
          const bench = new Bench(service, (definition) => ({
            ...definition,
            build: (db) => {
              const parts = definition.build(db);
              const reactions = parts.reactions as unknown as Record<string, (event: unknown, at: unknown) => unknown>;
              const thrown = (event: unknown, at: unknown) => {
                calls += 1;
                try {
                  reactions[type]?.(event, at);
                } catch {
                  // Some can't happen first. They must leave nothing all the same.
                }
                throw new Error('planted');
              };
              // What prepares the bench is let through.
              const first = service === 'order-service' && type === 'product.updated' ? reactions[type] : undefined;
              let used = false;
              const once = (event: unknown, at: unknown) => {
                if (first && !used) {
                  used = true;
                  return first(event, at);
                }
                return thrown(event, at);
              };
              return { ...parts, reactions: { ...reactions, [type]: once } as never };
            },
          }));
          const [digest, inbox] = [bench.digest, bench.inbox];
          bench.get(type);
          expect(calls, type).to.equal(3);
          expect(bench.digest, type).to.equal(digest);
          expect(bench.inbox, type).to.equal(inbox);
          expect(
            bench.said.map(({ exchange, routingKey }) => exchange + routingKey),
            type,
          ).to.deep.equal([`${service}.dead-letters`]);
          expect(bench.said[0]?.headers?.['x-cause']).to.equal('reaction-failed');
        }
      });

      it('in any order, what belongs together ends in a legal state, by declared outcomes only', () => {
        for (const story of stories.get(service) ?? []) {
          const ends = new Set<string>();
          for (const order of permutations(story)) {
            if (!possible(service, order)) continue;
            const bench = new Bench(service);
            play(bench, service, order);
            const text = `${service}: ${order.join(', ')}`;
            const dead = bench.said.filter(({ exchange }) => exchange === '');
            expect(
              dead.map(({ headers }) => headers?.['x-detail']),
              text,
            ).to.deep.equal([]);
            for (const outcome of bench.outcomes) expect(declaredOutcomes, text).to.include(`${service}: ${outcome}`);
            ends.add(endOf(bench, service, order));
          }
          // An order's status is a function of its facts. The other two may end in different states, all of them legal.
          if (service === 'order-service')
            expect([...ends], story.join(', ')).to.have.length(story.length > 0 ? 1 : ends.size);
        }
      });
    });
  }

  /** Says how it ended. @throws when that is not legal */
  function endOf({ host, orderId }: Bench, service: ServiceName, order: Story): string {
    const { db } = host.database;
    const one = <T>(sql: string, ...values: unknown[]) =>
      db
        .prepare<unknown[], T>(sql)
        .pluck()
        .get(...values);
    const withdrawn = order.includes('order.withdrawn');
    const text = order.join(', ');
    if (service === 'order-service') {
      const status = one<string>('SELECT status FROM orders WHERE order_id = ?', orderId);
      const facts = db.prepare<[], EventType>('SELECT type FROM facts').pluck().all();
      expect(status, text).to.equal(statusOf(new Set(facts)));
      expect(status, text).to.be.oneOf(['confirmed', 'cancelled']);
      return status ?? '';
    }
    if (service === 'payment-service') {
      const status = one<string>('SELECT status FROM payments') ?? 'none';
      const balance = one<number>('SELECT balance FROM accounts') ?? 0;
      if (withdrawn || order.includes('inventory.rejected')) expect(balance, text).to.equal(10);
      expect(balance, `${text}: ${status}`).to.equal(status === 'completed' ? 0 : 10);
      return status;
    }
    if (service !== 'inventory-service') return '';
    const status = one<string>('SELECT status FROM reservations') ?? 'none';
    const stock = one<number>('SELECT stock FROM products') ?? 0;
    if (withdrawn) expect(stock, text).to.equal(1);
    expect(stock, `${text}: ${status}`).to.equal(status === 'reserved' ? 0 : 1);
    return status;
  }

  it('no reaction has an outcome that the contract does not declare, and every declared one of a saga is reached', () => {
    const reached = new Set(explorations.flatMap(({ outcomes }) => [...outcomes]));
    expect([...reached].filter((outcome) => !declaredOutcomes.includes(outcome))).to.deep.equal([]);
    const saga = declaredOutcomes.filter((outcome) => !outcome.includes('product.updated'));
    expect(saga.filter((outcome) => !reached.has(outcome))).to.deep.equal([]);
  });

  it('an older version of a product never replaces a newer one', () => {
    const product = { productId: 'p', name: 'p', unitPrice: 10, available: true };
    for (const versions of permutations([2, 3, 4])) {
      const bench = new Bench('order-service');
      for (const version of versions) bench.get('product.updated', { ...product, unitPrice: 10 * version, version });
      const price = bench.host.database.db.prepare<[], number>('SELECT unit_price FROM catalogue').pluck().get();
      expect(price, versions.join(', ')).to.equal(40);
    }
  });
});
