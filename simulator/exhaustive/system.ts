// The services of an exploration and the messages between them: one step at a time, from any state, to any state.
import { putProduct } from '../../inventory-service/commands.ts';
import { cancelOrder, placeOrder } from '../../order-service/commands.ts';
import { putAccount } from '../../payment-service/commands.ts';
import {
  type PartsOf,
  type PerService,
  perService,
  type SagaService,
  serviceDefinitions,
  serviceNames,
} from '../../services.ts';
import { choreography, type ServiceName } from '../../shared/contract/choreography.ts';
import { deadLetterExchange, wholeTopology } from '../../shared/contract/topology.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import { epochMs } from '../environment/sim-clock.ts';
import { FailpointSignal } from '../environment/sim-service.ts';
import { Host, type Rows } from '../host.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { requestCause } from '../workload/requests.ts';
import { deadlineMs, productIds, type Scenario, unitPrice, userId } from './scenarios.ts';
import { copyKey, copyOf, rowsOf, type Snapshot } from './state.ts';

const allThere = { isUnreachable: () => false, caughtUp: () => true };

/** How a step went. */
export interface StepResult {
  /** Failpoints that were hit. */
  readonly failpoints: number;
  /** The failpoint at which the service crashed, if it did. */
  readonly crashedAt: string | undefined;
  /** Messages that the broker has taken meanwhile. */
  readonly taken: readonly OutgoingMessage[];
  /** Copies that were acked; see copyKey. */
  readonly acked: readonly string[];
}

export class System {
  readonly hosts: PerService<Host>;
  /** Every message that was ever published, by id. */
  readonly messages = new Map<string, OutgoingMessage>();
  /** What each id stands for: the order, or an event of this type with these data. */
  readonly names = new Map<string, string>();
  /** Outcomes of reactions that came about, `service: event -> outcome`. */
  readonly outcomes = new Set<string>();
  orderId = '';
  readonly #bindings = wholeTopology(choreography).bindings;
  readonly #loaded: Partial<Record<ServiceName, Rows>> = {};
  #flight = new Map<string, number>();
  #ids = 0;
  #failpointsHit = 0;
  #crashAt = Number.POSITIVE_INFINITY;
  #deadlinePassed = false;
  #messagesTaken: OutgoingMessage[] = [];
  #copiesAcked: string[] = [];

  constructor(mutant: Mutant | undefined) {
    const hosts = serviceDefinitions.map((definition) => [definition.name, this.#host(definition, mutant)]);
    this.hosts = Object.fromEntries(hosts) as PerService<Host>;
  }

  #host(definition: SagaService, mutant: Mutant | undefined): Host {
    return new Host(mutant?.definition?.(definition) ?? definition, mutant, {
      taken: (message) => this.#taken(message),
      nowMs: () => epochMs + (this.#deadlinePassed ? deadlineMs : 0),
      newId: () => {
        this.#ids += 1;
        return `01900000-0000-7000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
      },
      failpoint: (point) => {
        this.#failpointsHit += 1;
        if (this.#failpointsHit === this.#crashAt) throw new FailpointSignal(`${definition.name} ${point}`, () => {});
      },
    });
  }

  /** Starts the services, with the account and the products of the scenario. */
  prepare({ balance, stock }: Scenario): void {
    for (const name of serviceNames) this.hosts[name].boot();
    this.#command('payment-service', (tx, { store }) => putAccount(store, tx, userId, { balance }));
    productIds.forEach((productId, index) => {
      const product = { name: productId, unitPrice, stock: stock[index] ?? 0 };
      this.#command('inventory-service', (tx, { store }) => putProduct(store, tx, productId, product));
    });
    for (const key of this.#flight.keys()) this.deliver(key);
    this.#flight.clear();
  }

  // ---- steps

  placeOrder(): void {
    this.#command('order-service', (tx, { store }) => {
      const items = productIds.map((productId) => ({ productId, qty: 1 }));
      this.orderId = placeOrder(store, tx, { userId, items, deadlineMs }).orderId;
      this.names.set(this.orderId, 'order');
    });
  }

  cancelOrder(): void {
    this.#command('order-service', (tx, { store }) => cancelOrder(store, tx, this.orderId));
  }

  passDeadline(): void {
    const { node } = this.hosts['order-service'];
    this.#deadlinePassed = true;
    try {
      const { deadlines } = node.parts;
      if (deadlines?.nextAtMs() === undefined) return;
      for (const orderId of deadlines.due(epochMs + deadlineMs, 1)) {
        this.#command('order-service', (tx, parts) => parts.deadlines?.meet(orderId, tx, allThere));
      }
    } finally {
      this.#deadlinePassed = false;
    }
  }

  deliver(key: string): void {
    const { queue, messageId } = copyOf(key);
    const message = this.messages.get(messageId);
    const service = serviceNames.find((name) => name === queue);
    if (!message || !service) throw new Error(`cannot deliver ${key}`);
    const { body, contentType, exchange, routingKey } = message;
    const host = this.hosts[service];
    host.listener?.delivered({
      body,
      messageId,
      contentType,
      exchange,
      routingKey,
      headers: {},
      redelivered: false,
      returns: 0,
      reject: () => {},
      ack: () => {
        this.#copiesAcked.push(key);
        this.#removeCopy(key);
      },
    });
    host.rest();
    for (const [outcome] of host.node.handler.tally.outcomes) this.outcomes.add(`${service}: ${outcome}`);
  }

  /** One more copy of a message is on its way. */
  addCopy(key: string): void {
    this.#flight.set(key, (this.#flight.get(key) ?? 0) + 1);
  }

  #removeCopy(key: string): void {
    const copies = this.#flight.get(key) ?? 0;
    if (copies > 1) this.#flight.set(key, copies - 1);
    else this.#flight.delete(key);
  }

  /** Does a step of a service; at failpoint number `crashAt` that it hits, the service crashes and starts again. */
  attempt(service: ServiceName, step: () => void, crashAt: number): StepResult {
    this.#failpointsHit = 0;
    this.#crashAt = crashAt;
    this.#messagesTaken = [];
    this.#copiesAcked = [];
    const crashedAt = this.#crashedAt(service, step);
    const [taken, acked] = [[...this.#messagesTaken], [...this.#copiesAcked]];
    return { failpoints: this.#failpointsHit, crashedAt, taken, acked };
  }

  #crashedAt(service: ServiceName, step: () => void): string | undefined {
    try {
      step();
      return undefined;
    } catch (error) {
      if (!(error instanceof FailpointSignal)) throw error;
      this.#crashAt = Number.POSITIVE_INFINITY;
      this.hosts[service].crash();
      this.hosts[service].boot();
      return error.message;
    } finally {
      this.#crashAt = Number.POSITIVE_INFINITY;
    }
  }

  /** What is on its way after a step, if this was before it. */
  flightAfter(before: Snapshot['flight'], { taken, acked }: StepResult): Snapshot['flight'] {
    this.#flight = new Map(before);
    for (const message of taken) this.#route(message);
    for (const key of acked) this.#removeCopy(key);
    return new Map(this.#flight);
  }

  #command<S extends ServiceName>(service: S, command: (tx: Transaction, parts: PartsOf[S]) => unknown): void {
    const host = this.hosts[service];
    const { node } = host;
    node.submit(
      (tx) => command(tx, node.parts as unknown as PartsOf[S]),
      requestCause,
      () => {},
    );
    host.rest();
  }

  #taken(message: OutgoingMessage): void {
    this.#messagesTaken.push(message);
    this.#route(message);
  }

  #route(message: OutgoingMessage): void {
    const { messageId, exchange, routingKey } = message;
    this.messages.set(messageId, message);
    this.names.set(messageId, exchange === deadLetterExchange ? `dead letter in ${routingKey}` : this.#nameOf(message));
    for (const binding of this.#bindings) {
      if (binding.exchange === exchange && binding.routingKey === routingKey) {
        this.addCopy(copyKey(binding.queue, messageId));
      }
    }
  }

  /** Withdrawals that ask again, and refunds for different reasons, have names of their own. */
  #nameOf({ routingKey, body }: OutgoingMessage): string {
    const { data } = JSON.parse(body.toString()) as { readonly data: Readonly<Record<string, unknown>> };
    const differing = ['reason', 'attempt', 'because'].flatMap((field) => data[field] ?? []);
    return [routingKey, ...differing].join(' ');
  }

  // ---- saving and restoring

  capture(): Snapshot {
    const rows = perService((name) => {
      const host = this.hosts[name];
      const now = host.dirty ? host.capture() : (this.#loaded[name] ?? host.capture());
      host.dirty = false;
      this.#loaded[name] = now;
      return now;
    });
    return { rows, flight: new Map(this.#flight) };
  }

  restore({ rows, flight }: Snapshot): void {
    for (const name of serviceNames) {
      const host = this.hosts[name];
      if (this.#loaded[name] !== rows[name] || host.dirty) host.restore(rows[name]);
      host.dirty = false;
      this.#loaded[name] = rows[name];
    }
    this.#flight = new Map(flight);
    const [order] = rowsOf(rows['order-service'], 'orders');
    if (order) this.orderId = String(order[0]);
  }
}
