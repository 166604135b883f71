// One run: three services, a broker, people and faults, from one seed. First everything at once; then faults stop and
// it must become quiet, and the promises are checked; then everything comes again, and nothing may change.

import { inventoryService } from '../inventory-service/service.ts';
import { orderService } from '../order-service/service.ts';
import { paymentService } from '../payment-service/service.ts';
import { serviceDefinitions as definitions } from '../services.ts';
import { choreography, type ServiceName } from '../shared/contract/choreography.ts';
import type { AnyEvent } from '../shared/contract/cloud-event.ts';
import { consumedBy } from '../shared/contract/language.ts';
import { deadLetterQueueOf, exchangeOf, queueOf } from '../shared/contract/topology.ts';
import type { OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import type { ServiceDefinition, ServiceParts } from '../shared/runtime/node/service-node.ts';
import { SimBroker } from './broker.ts';
import { checkPromises, type DeadLetter, digestOf, type Evidence, type Violation } from './checks.ts';
import { Counter, type FaultKind, Faults } from './faults.ts';
import { History, sequenceDiagram } from './history.ts';
import type { Mutant } from './mutants.ts';
import { type Poison, poisonKinds, poisonOf } from './poison.ts';
import { missingRaces, namedRaces } from './races.ts';
import { Random } from './random.ts';
import { Schedule } from './schedule.ts';
import { epochMs } from './sim-clock.ts';
import type { Copy } from './sim-queue.ts';
import { FailpointSignal, failpoints, SimService, type SimServiceOptions } from './sim-service.ts';
import { unpacked } from './unpacked.ts';
import { type Services, Workload } from './workload.ts';

export interface RunOptions {
  readonly seed: number;
  /** Orders that people ask for. */
  readonly orders: number;
  readonly faults: readonly FaultKind[];
  /** A planted bug. */
  readonly mutant?: Mutant | undefined;
  /** Keeps the history, for diagrams. It changes nothing about the run. */
  readonly keepHistory?: boolean;
  /** Called in the end with everything that the promises are judged by. */
  readonly inspect?: (evidence: Evidence) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly orders: number;
  readonly accepted: number;
  readonly events: number;
  readonly steps: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly races: ReadonlyMap<string, number>;
  /** Faults and races that a run of this size must reach, and that this one did not. */
  readonly missing: readonly string[];
  /** Virtual time from the end of the faults until nothing was left to do. */
  readonly quietAfterMs: number;
  readonly virtualMs: number;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly realMs: number;
  /** With keepHistory: what happened to the order of the first violation. */
  readonly diagram?: string | undefined;
}

/** From the end of the faults, or from the last deadline if that is later: by then every order must have ended. */
const quietBoundMs = 120_000;
/** How often a person looks at the dead letters, once faults have stopped. */
const redriveMs = 10_000;
/** No run goes on for longer than this after its last order. */
const activeBoundMs = 24 * 3_600_000;
const dayMs = 24 * 3_600_000;

export function simulate(options: RunOptions): RunResult {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: RunOptions;
  readonly #random: Random;
  readonly #schedule: Schedule;
  readonly #faults: Faults;
  readonly #races = new Counter();
  readonly #history: History;
  readonly #broker: SimBroker;
  readonly #services: Services;
  readonly #all: readonly SimService[];
  readonly #workload: Workload;
  /** What is going to happen when order number `at` is asked for, soonest last. */
  readonly #episodes: { readonly at: number; readonly run: () => void }[] = [];
  readonly #downUntilMs = new Map<string, number>();
  readonly #looping = new Map<string, number>();
  /** Reactions that throw: `service/type/subject`. */
  readonly #broken = new Set<string>();
  readonly #everBroken = new Set<string>();
  readonly #breakNext = new Set<string>();
  readonly #poison = new Map<string, Poison>();
  readonly #published = new Map<string, OutgoingMessage>();
  readonly #strange: Violation[] = [];
  readonly #deadLetters: { readonly service: string; readonly copy: Copy }[] = [];
  #poisons = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#random = new Random(options.seed, 'simulation');
    this.#schedule = new Schedule(this.#random.stream('ties'));
    this.#faults = new Faults(options.faults);
    this.#history = new History(options.keepHistory ?? false);
    this.#broker = new SimBroker(this.#schedule, this.#random.stream('broker'), this.#faults);
    this.#services = {
      order: this.#service(orderService),
      payment: this.#service(paymentService),
      inventory: this.#service(inventoryService),
    };
    const known = Object.values(this.#services) as unknown as SimService[];
    const others = definitions.filter(({ name }) => known.every((service) => service.name !== name));
    this.#all = [...known, ...others.map((definition) => this.#service(definition))] as SimService[];
    this.#workload = new Workload({
      orders: options.orders,
      services: this.#services,
      schedule: this.#schedule,
      random: this.#random.stream('people'),
      faults: this.#faults,
      races: this.#races,
      history: this.#history,
      beforeOrder: (index) => {
        while ((this.#episodes.at(-1)?.at ?? Number.POSITIVE_INFINITY) <= index) this.#episodes.pop()?.run();
      },
    });
    this.#broker.interference = {
      took: (message) => this.#took(message),
      holdUntilMs: (queue, copy) => this.#holdUntilMs(queue.name, copy),
    };
  }

  run(): RunResult {
    const startedMs = performance.now();
    this.#faults.active = false;
    for (const service of this.#all) service.boot();
    this.#workload.prepare();
    this.#runFor(1_000);
    for (const service of this.#all) service.database.checkpoint();
    this.#faults.active = true;
    this.#planEpisodes();
    this.#workload.start();
    this.#runWhile(() => !this.#workload.done, activeBoundMs);
    this.#endFaults();
    const stoppedAtMs = this.#schedule.nowMs;
    const violations = this.#becomeQuiet();
    const quietAfterMs = this.#schedule.nowMs - stoppedAtMs;
    violations.push(...this.#lies(), ...checkPromises(this.#evidence()), ...this.#strange);
    if (violations.length === 0) violations.push(...this.#again());
    this.#options.inspect?.(this.#evidence());
    const [first] = violations;
    return {
      seed: this.#options.seed,
      orders: this.#options.orders,
      accepted: this.#workload.accepted.size,
      events: this.#published.size,
      steps: this.#schedule.steps,
      faults: this.#faults.counts,
      races: this.#raceCounts(),
      missing: violations.length === 0 && !this.#options.mutant ? this.#missing() : [],
      quietAfterMs,
      virtualMs: this.#schedule.nowMs,
      violations,
      hash: this.#history.hash,
      realMs: performance.now() - startedMs,
      diagram: this.#history.keep && first ? sequenceDiagram(this.#history.entries, first.subject) : undefined,
    };
  }

  // ---- time

  #runFor(ms: number): void {
    const untilMs = this.#schedule.nowMs + ms;
    while (this.#step(untilMs));
  }

  #runWhile(unfinished: () => boolean, boundMs: number): void {
    const untilMs = this.#schedule.nowMs + boundMs;
    while (unfinished() && this.#step(untilMs));
  }

  #step(untilMs: number): boolean {
    try {
      return this.#schedule.step(untilMs);
    } catch (error) {
      if (!(error instanceof FailpointSignal)) throw error;
      error.bury();
      return true;
    }
  }

  // ---- parts

  #service<S extends ServiceName, P extends ServiceParts<S>>(definition: ServiceDefinition<S, P>): SimService<S, P> {
    const { mutant } = this.#options;
    const { name } = definition;
    const bugged = (mutant?.definition?.(definition as never) as typeof definition | undefined) ?? definition;
    const options: SimServiceOptions = {
      schedule: this.#schedule,
      random: this.#random.stream(`ids of ${name}`),
      broker: this.#broker,
      history: this.#history,
      hook: mutant?.statements?.(name),
      wrapBus: mutant?.bus && ((bus) => mutant.bus?.(bus, name, this.#random) ?? bus),
      opened: (database) => mutant?.opened?.(database, name),
      died: (reason) => this.#died(name, reason),
    };
    return new SimService(this.#breakable(bugged), options);
  }

  /** The same service, with reactions that can be made to throw, after they have written what they write. */
  #breakable<S extends ServiceName, P extends ServiceParts<S>>(definition: ServiceDefinition<S, P>) {
    const { name } = definition;
    return {
      ...definition,
      build: (db: Parameters<typeof definition.build>[0]): P => {
        const parts = definition.build(db);
        const reactions = Object.fromEntries(
          Object.entries(parts.reactions).map(([type, react]) => [
            type,
            (event: AnyEvent, at: never) => {
              const outcome = (react as (event: AnyEvent, at: never) => unknown)(event, at);
              if (this.#isBroken(name, event)) throw new Error('a planted fault');
              return outcome;
            },
          ]),
        );
        return { ...parts, reactions: reactions as unknown as P['reactions'] };
      },
    };
  }

  #isBroken(service: string, event: AnyEvent): boolean {
    if (this.#broken.size === 0 && this.#breakNext.size === 0) return false;
    const key = `${service}/${event.type}/${event.subject}`;
    if (this.#breakNext.delete(`${service}/${event.type}`)) {
      this.#faults.add(`broken-reaction ${service} ${event.type}`);
      this.#broken.add(key);
      this.#everBroken.add(key);
    }
    return this.#broken.has(key);
  }

  #took(message: OutgoingMessage): void {
    if (message.exchange === '') return;
    const events = unpacked(message);
    if (events.length > 1) this.#races.add('several events in one message', 1);
    for (const event of events) this.#tookEvent(event);
  }

  #tookEvent(message: OutgoingMessage): void {
    const service = message.exchange.replace(/\.events$/, '-service');
    this.#history.add(this.#schedule.nowMs, service, `said ${message.routingKey}`, message.correlationId);
    this.#history.mix(message.messageId);
    const known = this.#published.get(message.messageId);
    if (!known) this.#published.set(message.messageId, message);
    else if (!known.body.equals(message.body)) {
      const text = `event ${message.messageId} was published twice with different bytes`;
      this.#strange.push({ promise: 'P6', subject: message.correlationId ?? '', text });
    }
  }

  /** Lets success arrive in the millisecond of the deadline. */
  #holdUntilMs(queue: string, { message }: Copy): number | undefined {
    if (!this.#faults.on('deadline-tie')) return undefined;
    if (queue !== 'order-service' || message.routingKey !== 'inventory.reserved') return undefined;
    const order = unpacked(message)
      .map(({ correlationId = '' }) => this.#workload.accepted.get(correlationId))
      .find((accepted) => accepted?.tie);
    if (!order) return undefined;
    const atMs = order.deadlineAtMs - (this.#services.order.wall.nowMs() - this.#schedule.nowMs);
    if (atMs <= this.#schedule.nowMs) return undefined;
    this.#faults.add('deadline-tie');
    return atMs;
  }

  // ---- faults

  #planEpisodes(): void {
    const { orders } = this.#options;
    const random = this.#random.stream('episodes');
    /** One for so many orders, at least `least`. */
    const plan = (kind: FaultKind, perOrders: number, least: number, run: (index: number) => void) => {
      if (!this.#faults.on(kind)) return;
      const times = Math.max(Math.min(least, Math.ceil(orders / 8)), Math.round(orders / perOrders));
      for (let index = 0; index < times; index++) {
        this.#episodes.push({
          at: random.below(Math.max(1, Math.floor(orders * 0.95))),
          run: () => this.#schedule.after(random.below(20), () => this.#faults.active && run(index)),
        });
      }
    };
    const crashes = random.shuffle(
      this.#all.flatMap((service) => [...failpoints, 'between steps' as const].map((point) => ({ service, point }))),
    );
    plan('crash', 60, crashes.length, (index) => {
      const { service, point } = crashes[index % crashes.length] ?? { service: this.#any(random), point: 'in-group' };
      if (point === 'between steps') service.crash(point);
      else service.arm(point, random.pick([0, 0, 1, random.below(20)]));
    });
    plan('crash-loop', 5_000, 1, () => {
      const service = this.#any(random);
      this.#looping.set(service.name, 30);
      service.arm('in-group', 0);
    });
    plan('power-loss', 2_000, 1, () => {
      this.#faults.add('power-loss');
      this.#broker.stop();
      for (const service of this.#all) {
        service.crash('power loss');
        service.database.losePower();
      }
      this.#schedule.after(random.between(100, 5_000), () => this.#broker.start());
    });
    if (this.#options.mutant?.checkpoints) plan('power-loss', 40, 1, () => this.#any(random).database.checkpoint());
    plan('connection-cut', 300, 4, () => {
      if (this.#any(random).cut(random.pick(['publisher', 'consumer', 'both']))) this.#faults.add('connection-cut');
    });
    plan('broker-restart', 2_000, 1, () => {
      this.#faults.add('broker-restart');
      this.#broker.stop();
      this.#schedule.after(random.between(100, 10_000), () => this.#broker.start());
    });
    plan('blocked', 2_000, 1, () => {
      this.#faults.add('blocked');
      this.#broker.block(true);
      this.#schedule.after(random.between(100, 20_000), () => this.#broker.block(false));
    });
    plan('away', 4_000, 1, () => {
      const service = this.#any(random);
      this.#faults.add('away');
      this.#downUntilMs.set(service.name, this.#schedule.nowMs + random.between(3_600_000, 3 * 3_600_000));
      service.crash('away');
    });
    plan('database-full', 1_500, 2, () => this.#diskFault(random, 'database-full', (disk, yes) => disk.full(yes)));
    plan('database-read-only', 1_500, 2, () =>
      this.#diskFault(random, 'database-read-only', (disk, yes) => disk.readOnly(yes)),
    );
    plan('database-busy', 1_500, 2, () =>
      this.#diskFault(random, 'database-busy', (disk, yes) => {
        disk.busy = yes;
      }),
    );
    plan('clock-jump', 700, 5, (index) => {
      const { wall } = this.#any(random);
      const how = (['forwards', 'backwards', 'stopped'] as const)[index % 3] ?? 'stopped';
      this.#faults.add(`clock-jump ${how}`);
      if (how === 'stopped') wall.stop();
      else wall.jump((how === 'forwards' ? 1 : -1) * random.pick([1_000, 60_000, 3_600_000]));
      this.#schedule.after(random.between(100, 60_000), () => wall.set());
    });
    plan('unroutable', 1_500, 2, () => {
      const route = random.pick(this.#broker.routes);
      this.#broker.unbind(route);
      this.#schedule.after(random.between(1_000, 15_000), () => this.#broker.bind(route));
    });
    plan('poison', 150, poisonKinds.length, (index) => this.#sendPoison(random, index));
    const reactions = random.shuffle(
      this.#all.flatMap(({ name }) => consumedBy(choreography, name).map((type) => `${name}/${type}`)),
    );
    plan('broken-reaction', 400, 4, (index) => {
      this.#breakNext.add(reactions[index % reactions.length] ?? '');
    });
    plan('redrive', 1_000, 2, () => this.#redrive(() => true, random.chance(0.3) ? 2 : 1));
    this.#episodes.sort((a, b) => b.at - a.at);
  }

  #any(random: Random): SimService {
    return random.pick(this.#all);
  }

  #diskFault(random: Random, kind: FaultKind, set: (disk: SimService['database'], yes: boolean) => void): void {
    const { database } = this.#any(random);
    // Two faults of one disk at a time would end each other.
    this.#faults.add(kind);
    set(database, true);
    this.#schedule.after(random.pick([random.below(200), random.between(1_000, 15_000)]), () => set(database, false));
  }

  #sendPoison(random: Random, index: number): void {
    const { name } = this.#any(random);
    const kind = poisonKinds[index % poisonKinds.length] ?? 'empty';
    this.#poisons += 1;
    const messageId = `poison-${this.#poisons}`;
    this.#faults.add(`poison ${kind}`);
    this.#poison.set(messageId, kind);
    this.#broker.inject(queueOf(name), {
      exchange: exchangeOf(name),
      routingKey: 'order.placed',
      messageId,
      mandatory: true,
      ...poisonOf(kind, random),
    });
  }

  #died(name: string, reason: string): void {
    const service = this.#all.find((one) => one.name === name);
    if (!service) return;
    if (reason !== 'away' && reason !== 'power loss') this.#faults.add(`crash ${name} ${reason}`);
    const loops = this.#looping.get(name) ?? 0;
    let delayMs = this.#random.pick([this.#random.below(20), this.#random.between(20, 3_000)]);
    if (loops > 0 && this.#faults.active) {
      this.#faults.add('crash-loop');
      this.#looping.set(name, loops - 1);
      service.arm('in-group', 0);
      delayMs = 5;
    }
    const downForMs = (this.#downUntilMs.get(name) ?? 0) - this.#schedule.nowMs;
    this.#schedule.after(Math.max(delayMs, downForMs), () => {
      if (this.#schedule.nowMs >= (this.#downUntilMs.get(name) ?? 0)) service.boot();
    });
  }

  #endFaults(): void {
    this.#faults.active = false;
    this.#broker.bindAll();
    this.#broker.start();
    this.#broker.block(false);
    this.#broken.clear();
    this.#breakNext.clear();
    this.#downUntilMs.clear();
    this.#looping.clear();
    for (const service of this.#all) {
      service.disarm();
      service.database.mend();
      service.wall.set();
      service.boot();
    }
  }

  // ---- quiet

  #becomeQuiet(): Violation[] {
    const nowMs = this.#schedule.nowMs;
    let lastMs = nowMs;
    for (const { deadlineAtMs } of this.#workload.accepted.values()) lastMs = Math.max(lastMs, deadlineAtMs - epochMs);
    const boundMs = Math.min(lastMs - nowMs, 2 * 3_600_000) + quietBoundMs;
    let sinceRedriveMs = 0;
    const stepMs = 250;
    for (let waitedMs = 0; waitedMs < boundMs; waitedMs += stepMs) {
      this.#runFor(stepMs);
      sinceRedriveMs += stepMs;
      if (sinceRedriveMs >= redriveMs) {
        sinceRedriveMs = 0;
        this.#redrive((copy) => !this.#poison.has(originalIdOf(copy)), 1);
      }
      if (this.#flowing() === undefined && this.#unended() === undefined) {
        if (!this.#redrive((copy) => !this.#poison.has(originalIdOf(copy)), 1)) return this.#relays();
      }
    }
    const flowing = this.#flowing();
    const subject = this.#unended();
    const text = `within ${boundMs} ms after the faults stopped`;
    if (subject)
      return [{ promise: 'P2', subject, text: `has not ended ${text}; also: ${flowing ?? 'nothing flows'}` }];
    return [{ promise: flowing?.includes('outbox') ? 'P9' : 'P8', subject: '', text: `${flowing}, ${text}` }];
  }

  #relays(): Violation[] {
    this.#runFor(1_000);
    return this.#all
      .filter(({ relayIsRight }) => !relayIsRight)
      .map(({ name }) => ({
        promise: 'P9',
        subject: '',
        text: `the relay of ${name} waits, with nothing in its outbox`,
      }));
  }

  /** What is still on its way. */
  #flowing(): string | undefined {
    for (const service of this.#all) {
      const queue = this.#broker.queue(queueOf(service.name));
      const unsettled = queue.enqueued - queue.acked.length - queue.givenUp.length;
      if (unsettled > 0) return `${unsettled} messages of ${service.name} are not settled`;
      if (!service.quiet) return `the outbox of ${service.name} is not empty, or work is on its way in it`;
    }
    return undefined;
  }

  /** An order that has not ended. */
  #unended(): string | undefined {
    return this.#services.order.database.db
      .prepare<[], string>("SELECT order_id FROM orders WHERE status IN ('pending', 'cancelling') LIMIT 1")
      .pluck()
      .get();
  }

  /** Puts dead letters back, each so many times. False: there was none. */
  #redrive(which: (copy: Copy) => boolean, times: number): boolean {
    let any = false;
    for (const { name } of this.#all) {
      for (const copy of this.#broker.queue(deadLetterQueueOf(name)).drain()) {
        this.#deadLetters.push({ service: name, copy });
        // What should never have been dead-lettered is left for the checks to find.
        if (!which(copy) || !this.#isExplained(name, copy)) continue;
        any = true;
        this.#putBack(name, copy, times);
      }
    }
    return any;
  }

  #isExplained(service: string, copy: Copy): boolean {
    const { messageId, cause, type, subject } = deadLetterOf(service, copy);
    if (cause !== 'reaction-failed') return cause === 'delivery_limit' || this.#poison.has(messageId);
    return this.#everBroken.has(`${service}/${type}/${subject}`);
  }

  #putBack(service: string, copy: Copy, times: number): void {
    const { headers, message } = copy;
    const text = (name: string, otherwise: string) => String(headers[name] ?? otherwise);
    for (let i = 0; i < times; i++) {
      this.#faults.add('redrive');
      this.#broker.inject(queueOf(service), {
        exchange: text('x-original-exchange', message.exchange),
        routingKey: text('x-original-routing-key', message.routingKey),
        messageId: originalIdOf(copy),
        body: message.body,
        contentType: message.contentType,
        mandatory: true,
        correlationId: message.correlationId,
      });
    }
  }

  #evidence(): Evidence {
    for (const { name } of this.#all) {
      for (const copy of this.#broker.queue(deadLetterQueueOf(name)).drain())
        this.#deadLetters.push({ service: name, copy });
    }
    const { order, payment, inventory } = this.#services;
    return {
      order: order.database.db,
      payment: payment.database.db,
      inventory: inventory.database.db,
      workload: this.#workload,
      published: this.#published,
      queues: this.#all.map(({ name }) => this.#broker.queue(queueOf(name))),
      deadLetters: this.#deadLetters.map(({ service, copy }) => deadLetterOf(service, copy)),
      poison: this.#poison,
      broken: this.#everBroken,
    };
  }

  /** After the end: dead letters put back twice, duplicates days later, everything ever published once more. */
  #again(): Violation[] {
    const { kinds } = this.#faults;
    const random = this.#random.stream('again');
    const before = this.#all.map(({ database }) => digestOf(database.db));
    const eventsBefore = this.#published.size;
    if (kinds.has('redrive')) {
      for (const { service, copy } of [...this.#deadLetters]) this.#putBack(service, copy, 2);
    }
    const events = [...this.#published.values()];
    if (kinds.has('late-duplicates')) {
      for (const message of events) {
        if (!random.chance(0.02)) continue;
        for (let copies = random.between(2, 6); copies > 0; copies--) {
          this.#faults.add('late-duplicates');
          this.#schedule.after(random.below(3 * dayMs), () => this.#broker.route(message));
        }
      }
      this.#runFor(3 * dayMs);
    }
    if (kinds.has('replay')) {
      this.#faults.add('replay', events.length);
      for (const message of random.shuffle(events)) this.#broker.route(message);
    }
    this.#runFor(1_000);
    this.#runWhile(() => this.#schedule.steps % 64 !== 0 || this.#flowing() !== undefined, 600_000);
    const flowing = this.#flowing();
    if (flowing) return [{ promise: 'P8', subject: '', text: `after everything came again: ${flowing}` }];
    const after = this.#all.map(({ database }) => digestOf(database.db));
    for (const digest of after) this.#history.mix(digest);
    const changed = this.#all.filter((_, index) => after[index] !== before[index]);
    if (changed.length > 0) {
      const names = changed.map(({ name }) => name).join(', ');
      return [{ promise: 'P6', subject: '', text: `what came again changed ${names}` }];
    }
    if (this.#published.size !== eventsBefore) {
      const said = [...this.#published.values()].at(-1);
      const text = `what came again led to ${this.#published.size - eventsBefore} events, such as ${said?.routingKey}`;
      return [{ promise: 'P6', subject: said?.correlationId ?? '', text }];
    }
    return checkPromises(this.#evidence());
  }

  #lies(): Violation[] {
    return this.#workload.lies.map(([promise, subject, text]) => ({ promise, subject, text }));
  }

  // ---- what was reached

  #raceCounts(): Map<string, number> {
    for (const service of this.#all) {
      service.count();
      for (const [outcome, times] of service.outcomes.counts) this.#races.add(`${service.name}: ${outcome}`, times);
    }
    for (const [name, times] of namedRaces(this.#services, this.#workload)) this.#races.add(name, times);
    return this.#races.counts;
  }

  #missing(): string[] {
    return missingRaces(this.#options, this.#faults, this.#races);
  }
}

/** Of the message that was dead-lettered, by the service or by the broker. */
function originalIdOf({ headers, message }: Copy): string {
  return String(headers['x-original-message-id'] ?? message.messageId);
}

function deadLetterOf(service: string, copy: Copy): DeadLetter {
  const { headers, message } = copy;
  return {
    service,
    messageId: originalIdOf(copy),
    subject: subjectOf(copy),
    cause: String(headers['x-cause'] ?? headers['x-first-death-reason'] ?? ''),
    detail: String(headers['x-detail'] ?? ''),
    type: String(headers['x-original-routing-key'] ?? message.routingKey),
  };
}

function subjectOf({ message }: Copy): string {
  try {
    return String((JSON.parse(message.body.toString()) as { subject?: unknown }).subject);
  } catch {
    return '';
  }
}
