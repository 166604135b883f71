// One service on its own: the real code with an account of 10 and one unit of one product; events come in by hand.
import { putProduct } from '../../inventory-service/commands.ts';
import { placeOrder } from '../../order-service/commands.ts';
import { putAccount } from '../../payment-service/commands.ts';
import { type PartsOf, type PerService, type SagaService, serviceDefinitions } from '../../services.ts';
import { choreography, type DataOf, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import { type CloudEvent, cloudEventContentType, createEvent, encodeEvent } from '../../shared/contract/cloud-event.ts';
import { deadLetterExchange } from '../../shared/contract/topology.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import { digestOf } from '../../simulator/digest.ts';
import { epochMs } from '../../simulator/environment/sim-clock.ts';
import { Host } from '../../simulator/host.ts';
import { requestCause } from '../../simulator/workload/requests.ts';
import { samples } from '../support/events.ts';

export class LoneService {
  readonly name: ServiceName;
  readonly host: Host;
  readonly published: OutgoingMessage[] = [];
  orderId = '01900000-0000-7000-8000-0000000000aa';
  #ids = 0;

  /** @param change what is different from the real service */
  constructor(name: ServiceName, change: (definition: SagaService) => SagaService = (same) => same) {
    this.name = name;
    const definition = serviceDefinitions.find((one) => one.name === name) as SagaService;
    this.host = new Host(change(definition), undefined, {
      taken: (message) => void this.published.push(message),
      nowMs: () => epochMs,
      newId: () => this.#newId(),
      failpoint: () => {},
    });
    this.host.boot();
    preparations[name]?.(this);
    this.published.length = 0;
  }

  command<S extends ServiceName>(run: (tx: Transaction, parts: PartsOf[S]) => unknown): void {
    const { node } = this.host;
    node.submit(
      (tx) => run(tx, node.parts as unknown as PartsOf[S]),
      requestCause,
      (result) => {
        if (!result.ok) throw result.error;
      },
    );
    this.host.rest();
  }

  /** Delivers a new event. */
  get<T extends EventType>(type: T, data: DataOf<T> = sampleOf(type, this.orderId)): CloudEvent {
    const event = createEvent(
      choreography,
      { type, data },
      {
        id: this.#newId(),
        source: choreography.events[type].by,
        time: '2030-01-01T00:00:00.000Z',
        ...requestCause,
      },
    );
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
      returns: 0,
      reject() {},
      ack() {},
    });
    this.host.rest();
  }

  get digest(): string {
    return digestOf(this.host.database.db);
  }

  /** Events that have taken effect. */
  get handled(): number {
    const { db } = this.host.database;
    return db.prepare<[], number>('SELECT count(*) FROM inbox WHERE dead_letter = 0').pluck().get() ?? 0;
  }

  /** Outcomes so far, as `event -> outcome`. */
  get outcomes(): string[] {
    return [...this.host.node.handler.tally.outcomes.keys()];
  }

  get deadLetters(): OutgoingMessage[] {
    return this.published.filter(({ exchange }) => exchange === deadLetterExchange);
  }

  #newId(): string {
    this.#ids += 1;
    return `01900000-0000-7000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
  }
}

/** What a service has before the first event of an order. */
const preparations: Partial<PerService<(service: LoneService) => void>> = {
  'order-service': (service) => {
    service.get('product.updated', { productId: 'p', name: 'p', unitPrice: 10, available: true, version: 1 });
    service.command<'order-service'>((tx, { store }) => {
      const order = { userId: 'user', items: [{ productId: 'p', qty: 1 }], deadlineMs: 30_000 };
      service.orderId = placeOrder(store, tx, order).orderId;
    });
  },
  'payment-service': (service) => {
    service.command<'payment-service'>((tx, { store }) => putAccount(store, tx, 'user', { balance: 10 }));
  },
  'inventory-service': (service) => {
    const product = { name: 'p', unitPrice: 10, stock: 1 };
    service.command<'inventory-service'>((tx, { store }) => putProduct(store, tx, 'p', product));
  },
};

/** Events that the preparation itself makes a service handle. */
export const handledBefore: Partial<PerService<readonly EventType[]>> = { 'order-service': ['product.updated'] };

/** What the samples of test/support are here: an order of 10 by the user of the account, and a later version of its product. */
const ownData: Readonly<Record<string, unknown>> = {
  userId: 'user',
  items: [{ productId: 'p', qty: 1, unitPrice: 10 }],
  total: 10,
  amount: 10,
  productId: 'p',
  version: 2,
};

/** Valid data of an event about the order. */
export function sampleOf<T extends EventType>(type: T, orderId: string): DataOf<T> {
  const own: typeof ownData = { ...ownData, orderId };
  return Object.fromEntries(
    Object.entries(samples[type]).map(([field, value]) => [field, own[field] ?? value]),
  ) as DataOf<T>;
}
