// One order, and every way in which it can go: every order of deliveries, every crash at every failpoint, a
// cancellation and a deadline at every step, a duplicate of everything in every state. Enumerated, not sampled; states
// that are equal are visited once.

import { putProduct } from '../inventory-service/commands.ts';
import type { InventoryParts } from '../inventory-service/service.ts';
import { cancelOrder, placeOrder } from '../order-service/commands.ts';
import type { OrderParts } from '../order-service/service.ts';
import { putAccount } from '../payment-service/commands.ts';
import type { PaymentParts } from '../payment-service/service.ts';
import { serviceDefinitions as definitions } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import { wholeTopology } from '../shared/contract/topology.ts';
import type { OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import type { ServiceDefinition } from '../shared/runtime/node/service-node.ts';
import type { Cause } from '../shared/runtime/node/transaction.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import { checkPromises, type Violation } from './checks.ts';
import { dashed, Host, type Rows } from './host.ts';
import type { Mutant } from './mutants.ts';
import { epochMs } from './sim-clock.ts';
import { FailpointSignal } from './sim-service.ts';

export interface Scenario {
  readonly name: string;
  readonly balance: number;
  /** Of the two products in the order. */
  readonly stock: readonly [number, number];
  /** How the order must end if nothing is withdrawn. */
  readonly ends: 'confirmed' | 'cancelled';
}

/** The order asks for one of each of two products, at 10 each. */
export const scenarios: readonly Scenario[] = [
  { name: 'enough money and stock', balance: 20, stock: [1, 1], ends: 'confirmed' },
  { name: 'money is one short', balance: 19, stock: [1, 1], ends: 'cancelled' },
  { name: 'nothing in stock', balance: 20, stock: [0, 0], ends: 'cancelled' },
  { name: 'one of two lines in stock', balance: 20, stock: [1, 0], ends: 'cancelled' },
];

export interface Budget {
  /** Crashes in one run, each at any failpoint of any step, of any service. */
  readonly crashes: number;
  /** Cancellations by the customer, each at any step boundary. */
  readonly cancels: number;
  /** Whether the deadline may pass, at any step boundary. */
  readonly deadline: boolean;
}

export interface Exploration {
  readonly scenario: string;
  readonly states: number;
  readonly steps: number;
  /** Different ways through the states, from the placing of the order to an end. */
  readonly runs: bigint;
  /** Duplicates delivered: everything that has been handled before, again, in every state. */
  readonly duplicates: number;
  /** Outcomes of reactions that came about, `service: event -> outcome`. */
  readonly outcomes: ReadonlySet<string>;
  readonly ends: Readonly<Record<string, number>>;
  /** Sets of events that a service may have handled in the end: `service: types`. */
  readonly stories: ReadonlySet<string>;
  readonly violations: readonly (Violation & { readonly path: readonly string[] })[];
}

export const fullBudget: Budget = { crashes: 1, cancels: 2, deadline: true };

/** Explores every scenario and prints what it found. False: a promise was broken. */
export function exploreAll(print: (line: string) => void, budget: Budget = fullBudget): boolean {
  let ok = true;
  print(
    `one order; at most ${budget.crashes} crash${budget.crashes === 1 ? '' : 'es'}, ${budget.cancels} cancellations` +
      `${budget.deadline ? ' and a deadline' : ''} in each run\n`,
  );
  for (const scenario of scenarios) {
    const startedMs = performance.now();
    const found = explore(scenario, budget);
    const ends = Object.entries(found.ends).map(([end, states]) => `${states} ${end}`);
    print(
      `${scenario.name}: ${found.states.toLocaleString('en')} states, ${found.steps.toLocaleString('en')} steps, ` +
        `${found.runs.toLocaleString('en')} runs, ${found.duplicates.toLocaleString('en')} duplicates; ` +
        `ends: ${ends.join(', ')}; ${Math.round(performance.now() - startedMs)} ms; ` +
        `violations: ${found.violations.length}`,
    );
    for (const { promise, text, path } of found.violations.slice(0, 3)) {
      ok = false;
      print(`  ${promise}: ${text}\n${path.map((step, index) => `    ${index + 1}. ${step}`).join('\n')}`);
    }
  }
  return ok;
}

export function explore(scenario: Scenario, budget: Budget = fullBudget, mutant?: Mutant): Exploration {
  return new Explorer(scenario, budget, mutant).run();
}

// ---- the state of everything

interface State {
  readonly rows: Readonly<Record<string, Rows>>;
  /** Copies that have to be delivered: `queue id`, how many. */
  readonly flight: ReadonlyMap<string, number>;
  readonly crashes: number;
  readonly cancels: number;
  readonly deadline: boolean;
  /** The customer has been told. */
  readonly accepted: boolean;
}

interface Visit {
  readonly next: string[];
  runs: bigint | undefined;
}

const orderCause: Cause = {
  causationId: '00000000-0000-7000-8000-000000000000',
  traceparent: '00-00000000000000000000000000000001-0000000000000001-01',
};
const deadlineMs = 30_000;
const violationsMax = 10;

class Explorer {
  readonly #scenario: Scenario;
  readonly #budget: Budget;
  readonly #hosts: Record<string, Host> = {};
  readonly #messages = new Map<string, OutgoingMessage>();
  readonly #names = new Map<string, string>();
  readonly #routes = wholeTopology().bindings;
  readonly #visits = new Map<string, Visit>();
  readonly #violations: (Violation & { path: readonly string[] })[] = [];
  readonly #outcomes = new Set<string>();
  readonly #ends: Record<string, number> = {};
  readonly #stories = new Set<string>();
  readonly #loaded: Record<string, Rows> = {};
  #flight = new Map<string, number>();
  #orderId = '';
  #steps = 0;
  #duplicates = 0;
  readonly #harmless = new Set<string>();
  #ids = 0;
  /** Failpoints reached in this step, and the one to die at. */
  #reached = 0;
  #crashAt = Number.POSITIVE_INFINITY;
  #expired = false;

  constructor(scenario: Scenario, budget: Budget, mutant: Mutant | undefined) {
    this.#scenario = scenario;
    this.#budget = budget;
    for (const definition of definitions) {
      this.#hosts[definition.name] = this.#host(definition as never, mutant);
    }
  }

  run(): Exploration {
    const { balance, stock } = this.#scenario;
    for (const host of Object.values(this.#hosts)) host.boot();
    this.#command<PaymentParts>('payment-service', (tx, { store }) =>
      putAccount(store, tx as never, 'user', { balance }),
    );
    stock.forEach((units, index) => {
      const product = { name: `p${index}`, unitPrice: 10, stock: units };
      this.#command<InventoryParts>('inventory-service', (tx, { store }) =>
        putProduct(store, tx as never, `p${index}`, product),
      );
    });
    for (const key of this.#flight.keys()) this.#deliver(key);
    this.#flight.clear();
    const { crashes, cancels, deadline } = this.#budget;
    const start: State = { ...this.#capture(), crashes, cancels, deadline, accepted: false };
    const root = this.#branch(start, [], 'the order is placed', 'order-service', () => this.#place());
    const runs = root.reduce((sum, key) => sum + this.#runs(key), 0n);
    return {
      scenario: this.#scenario.name,
      states: this.#visits.size,
      steps: this.#steps,
      runs,
      duplicates: this.#duplicates,
      outcomes: this.#outcomes,
      ends: this.#ends,
      stories: this.#stories,
      violations: this.#violations,
    };
  }

  // ---- the search

  #visit(state: State, path: readonly string[]): string {
    const key = this.#keyOf(state);
    if (this.#visits.has(key) || this.#violations.length >= violationsMax) return key;
    const visit: Visit = { next: [], runs: undefined };
    this.#visits.set(key, visit);
    this.#check(state, path);
    this.#tryDuplicates(state, path);
    for (const copy of state.flight.keys()) {
      const [service = '', id = ''] = copy.split(' ');
      if (!this.#hosts[service]) continue;
      visit.next.push(
        ...this.#branch(state, path, `${service} gets ${this.#names.get(id)}`, service, () => this.#deliver(copy)),
      );
    }
    if (state.cancels > 0 && this.#orderExists(state)) {
      const after = { ...state, cancels: state.cancels - 1 };
      visit.next.push(
        ...this.#branch(after, path, 'the customer cancels', 'order-service', () =>
          this.#command<OrderParts>('order-service', (tx, { store }) => cancelOrder(store, tx as never, this.#orderId)),
        ),
      );
    }
    if (state.deadline && this.#orderExists(state)) {
      const after = { ...state, deadline: false };
      visit.next.push(...this.#branch(after, path, 'the deadline passes', 'order-service', () => this.#ring()));
    }
    return key;
  }

  /** Does one step without a crash, then with a crash at each of the failpoints that it reached. */
  #branch(state: State, path: readonly string[], what: string, service: string, step: () => void): string[] {
    const reached: State[] = [];
    const names: string[] = [];
    const attempt = (crashAt: number): number => {
      this.#load(state);
      this.#steps += 1;
      this.#reached = 0;
      this.#crashAt = crashAt;
      let accepted = state.accepted;
      let died = '';
      try {
        step();
        if (what === 'the order is placed') accepted = true;
      } catch (error) {
        if (!(error instanceof FailpointSignal)) throw error;
        died = `, and ${service} dies: ${error.message}`;
        this.#crashAt = Number.POSITIVE_INFINITY;
        this.#hosts[service]?.die();
        this.#hosts[service]?.boot();
      }
      names.push(`${what}${died}`);
      const { crashes } = state;
      reached.push({ ...state, ...this.#capture(), accepted, crashes: died ? crashes - 1 : crashes });
      return this.#reached;
    };
    const points = attempt(Number.POSITIVE_INFINITY);
    if (state.crashes > 0) for (let point = 1; point <= points; point++) attempt(point);
    return reached.map((next, index) => this.#visit(next, [...path, names[index] ?? '']));
  }

  /** Whatever has been handled must be harmless in every state that follows: then it is, however often it comes. */
  #tryDuplicates(state: State, path: readonly string[]): void {
    for (const [service, host] of Object.entries(this.#hosts)) {
      for (const id of host.handled(state.rows[service] ?? [])) {
        if (!this.#messages.has(id) || this.#messages.get(id)?.routingKey === 'product.updated') continue;
        this.#duplicates += 1;
        // What a duplicate does is a matter of the one service that gets it: once in each of its states is enough.
        const alike = `${this.#canonical(service, state.rows[service] ?? [])} ${this.#names.get(id)}`;
        if (this.#harmless.has(alike)) continue;
        this.#harmless.add(alike);
        this.#load(state);
        this.#add(`${service} ${id}`);
        this.#deliver(`${service} ${id}`);
        const after: State = { ...state, ...this.#capture() };
        const flight = new Map(after.flight);
        if (this.#keyOf({ ...after, flight }) !== this.#keyOf(state)) {
          const text = `${this.#names.get(id)} came to ${service} again, and that changed something`;
          this.#broken([{ promise: 'P6', subject: this.#orderId, text }], path);
        }
      }
    }
  }

  #runs(key: string): bigint {
    const visit = this.#visits.get(key);
    if (!visit) return 0n;
    visit.runs ??= visit.next.length === 0 ? 1n : visit.next.reduce((sum, next) => sum + this.#runs(next), 0n);
    return visit.runs;
  }

  // ---- steps

  #place(): void {
    this.#command<OrderParts>('order-service', (tx, { store }) => {
      const items = [0, 1].map((index) => ({ productId: `p${index}`, qty: 1 }));
      const order = placeOrder(store, tx as never, { userId: 'user', items, deadlineMs });
      this.#orderId = order.orderId;
      this.#names.set(order.orderId, 'order');
      return order;
    });
  }

  #command<P>(service: ServiceName, command: (tx: unknown, parts: P) => unknown): void {
    const host = this.#hosts[service] as Host;
    const { node } = host;
    node.submit(
      (tx) => command(tx, node.parts as unknown as P),
      orderCause,
      () => {},
    );
    host.rest();
  }

  #ring(): void {
    const host = this.#hosts['order-service'] as Host;
    const { node } = host;
    this.#expired = true;
    try {
      if (node.parts.alarm?.nextAtMs() === undefined) return;
      node.submit(
        (tx) => node.parts.alarm?.ring(tx),
        orderCause,
        () => {},
      );
      host.rest();
    } finally {
      this.#expired = false;
    }
  }

  #deliver(copy: string): void {
    const [service = '', id = ''] = copy.split(' ');
    const message = this.#messages.get(id);
    if (!message) throw new Error(`no message ${id}`);
    const { body, messageId, contentType, exchange, routingKey } = message;
    const host = this.#hosts[service] as Host;
    host.listener?.delivered({
      body,
      messageId,
      contentType,
      exchange,
      routingKey,
      headers: {},
      redelivered: false,
      ack: () => {
        const copies = this.#flight.get(copy) ?? 0;
        if (copies > 1) this.#flight.set(copy, copies - 1);
        else this.#flight.delete(copy);
      },
    });
    host.rest();
    for (const [outcome] of host.node.handler.tally.outcomes) this.#outcomes.add(`${service}: ${outcome}`);
  }

  #taken(message: OutgoingMessage): void {
    this.#messages.set(message.messageId, message);
    this.#names.set(message.messageId, message.exchange === '' ? `dead ${message.routingKey}` : message.routingKey);
    if (message.exchange === '') this.#add(`${message.routingKey} ${message.messageId}`);
    for (const { queue, exchange, routingKey } of this.#routes) {
      if (exchange === message.exchange && routingKey === message.routingKey)
        this.#add(`${queue} ${message.messageId}`);
    }
  }

  #add(copy: string): void {
    this.#flight.set(copy, (this.#flight.get(copy) ?? 0) + 1);
  }

  // ---- checks

  #check(state: State, path: readonly string[]): void {
    const dead = [...state.flight.keys()].filter((copy) => copy.includes('.dead-letters'));
    if (dead.length > 0) {
      const texts = dead.map((copy) => JSON.stringify(this.#messages.get(copy.split(' ')[1] ?? '')?.headers));
      return this.#broken([{ promise: 'P8', subject: this.#orderId, text: `a dead letter: ${texts}` }], path);
    }
    for (const [service, rows] of Object.entries(state.rows)) {
      const left = rows.find(([table]) => table === 'outbox')?.[1].length ?? 0;
      if (left === 0) continue;
      const text = `${service} rests with ${left} messages in its outbox`;
      this.#broken([{ promise: 'P9', subject: this.#orderId, text }], path);
    }
    if (state.flight.size > 0) return;
    this.#load(state);
    const [order, payment, inventory] = ['order-service', 'payment-service', 'inventory-service'].map(
      (name) => this.#hosts[name]?.database.db as Database,
    ) as [Database, Database, Database];
    const status = order.prepare<[], string>('SELECT status FROM orders').pluck().get() ?? 'never placed';
    this.#ends[status] = (this.#ends[status] ?? 0) + 1;
    for (const [service, host] of Object.entries(this.#hosts)) {
      const types = host.handled(state.rows[service] ?? []).map((id) => this.#names.get(id) ?? '');
      this.#stories.add(
        `${service}: ${types
          .filter((type) => type !== 'product.updated')
          .sort()
          .join(' ')}`,
      );
    }
    const untouched = state.cancels === this.#budget.cancels && state.deadline === this.#budget.deadline;
    if (untouched && status !== this.#scenario.ends && status !== 'never placed') {
      const text = `ends as ${status}, not as ${this.#scenario.ends}`;
      this.#broken([{ promise: 'P2', subject: this.#orderId, text }], path);
    }
    const row = order
      .prepare<[], { order_id: string; user_id: string; total: number; items: string }>('SELECT * FROM orders')
      .get();
    const accepted = new Map(
      state.accepted
        ? [
            [
              this.#orderId,
              {
                orderId: this.#orderId,
                userId: 'user',
                total: 20,
                items: [0, 1].map((index) => ({ productId: `p${index}`, qty: 1, unitPrice: 10 })),
                deadlineAtMs: epochMs + deadlineMs,
                tie: false,
                cancelled: false,
                refused: false,
                seen: undefined,
              },
            ],
          ]
        : [],
    );
    const facts = new Set(
      [order, payment, inventory].flatMap((db, index) =>
        this.#said(db, ['order-service', 'payment-service', 'inventory-service'][index] ?? '', row?.order_id),
      ),
    );
    const { balance, stock } = this.#scenario;
    const violations = checkPromises({
      order,
      payment,
      inventory,
      workload: {
        accepted,
        unansweredRequests: 1,
        refusedRequests: 0,
        paidIn: { answered: balance, unanswered: 0 },
        broughtIn: { answered: stock[0] + stock[1], unanswered: 0 },
      },
      published: new Map([...facts].map((message) => [message.messageId, message])),
      queues: [],
      deadLetters: [],
      poison: new Map(),
      broken: new Set(),
    });
    this.#broken(violations, path);
  }

  /** The events of this order that some service has handled or recorded: with nothing in flight, all that were said. */
  #said(db: Database, service: string, orderId: string | undefined): OutgoingMessage[] {
    const handled = this.#hosts[service]?.handled([
      ['inbox', db.prepare('SELECT * FROM inbox').raw().all() as unknown[][]],
    ]);
    const own =
      service === 'order-service' && orderId
        ? db.prepare<[], string>("SELECT event_id FROM facts WHERE source = 'order-service'").pluck().all()
        : [];
    return [...(handled ?? []), ...own].flatMap((id) => {
      const message = this.#messages.get(id);
      return message && message.routingKey !== 'product.updated' ? [message] : [];
    });
  }

  #broken(violations: readonly Violation[], path: readonly string[]): void {
    for (const violation of violations) this.#violations.push({ ...violation, path });
  }

  #orderExists(state: State): boolean {
    return state.rows['order-service']?.some(([table, rows]) => table === 'orders' && rows.length > 0) === true;
  }

  // ---- saving and restoring

  #capture(): Pick<State, 'rows' | 'flight'> {
    const rows: Record<string, Rows> = {};
    for (const [name, host] of Object.entries(this.#hosts)) {
      const now = host.dirty ? host.capture() : (this.#loaded[name] ?? host.capture());
      host.dirty = false;
      rows[name] = now;
      this.#loaded[name] = now;
    }
    return { rows, flight: new Map(this.#flight) };
  }

  #load(state: State): void {
    for (const [name, host] of Object.entries(this.#hosts)) {
      const wanted = state.rows[name] ?? [];
      if (this.#loaded[name] !== wanted || host.dirty) host.restore(wanted);
      host.dirty = false;
      this.#loaded[name] = wanted;
    }
    this.#flight = new Map(state.flight);
    const orders = state.rows['order-service']?.find(([table]) => table === 'orders')?.[1][0];
    if (orders) this.#orderId = String(orders[0]);
  }

  /** Equal for states that differ only in the ids that chance would have given. */
  #keyOf(state: State): string {
    const name = (id: string) => this.#names.get(id) ?? 'id';
    const rows = Object.entries(state.rows).map(([service, tables]) => this.#canonical(service, tables));
    const flight = [...state.flight].map(([copy, copies]) => {
      const [queue = '', id = ''] = copy.split(' ');
      return `${queue} ${name(id)} ${copies}`;
    });
    return [
      ...rows,
      flight.sort().join('|'),
      state.crashes,
      state.cancels,
      state.deadline ? 1 : 0,
      state.accepted ? 1 : 0,
    ].join('\n');
  }

  #canonical(service: string, tables: Rows): string {
    const name = (id: string) => this.#names.get(id) ?? 'id';
    const known = canonical.get(tables);
    if (known !== undefined) return known;
    const text = `${service} ${tables
      .map(
        ([table, all]) =>
          `${table} ${all
            .map((row) => named(row, name))
            .sort()
            .join('|')}`,
      )
      .join('\n')}`;
    canonical.set(tables, text);
    return text;
  }

  #host(definition: ServiceDefinition<ServiceName>, mutant: Mutant | undefined): Host {
    const { name } = definition;
    return new Host(mutant?.definition?.(definition) ?? definition, mutant, {
      taken: (message) => this.#taken(message),
      nowMs: () => epochMs + (this.#expired ? deadlineMs : 0),
      newId: () => {
        this.#ids += 1;
        return `01900000-0000-7000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
      },
      reached: (point) => {
        this.#reached += 1;
        if (this.#reached === this.#crashAt) throw new FailpointSignal(`${name} ${point}`, () => {});
      },
    });
  }
}

const canonical = new WeakMap<Rows, string>();
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

function named(row: readonly unknown[], name: (id: string) => string): string {
  const values = row.map((value) => (Buffer.isBuffer(value) ? dashed(value.toString('hex')) : value));
  return JSON.stringify(values).replace(uuid, name);
}
