// One service in the simulation: a machine with a disk and a wall clock, on which a process runs, crashes and restarts.

import type { ServiceName } from '../../shared/contract/choreography.ts';
import { memberOf } from '../../shared/contract/members.ts';
import { queueOf } from '../../shared/contract/topology.ts';
import type { Log } from '../../shared/runtime/environment/log.ts';
import { IdempotencyKeys } from '../../shared/runtime/http/idempotency.ts';
import type { Bus } from '../../shared/runtime/messaging/bus.ts';
import type { JournalReader } from '../../shared/runtime/messaging/journal-queries.ts';
import type { PeerReader } from '../../shared/runtime/messaging/peer-reader.ts';
import type { ServiceDefinition, ServiceParts } from '../../shared/runtime/node/service.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { type Database, isTransient } from '../../shared/runtime/storage/database.ts';
import type { Failpoint } from '../../shared/runtime/storage/group-commit.ts';
import { Ability } from './ability.ts';
import type { SimBroker } from './broker.ts';
import { Counter } from './faults.ts';
import type { History } from './history.ts';
import type { Random } from './random.ts';
import { publisherOf } from './saga-event.ts';
import type { Owner, Schedule } from './schedule.ts';
import type { SimBus } from './sim-bus.ts';
import { SimClock, WallClock } from './sim-clock.ts';
import { SimDatabase, type StatementHook, type Transition } from './sim-database.ts';

/** Thrown out of a failpoint; nothing in the services swallows it. Its catcher calls `crash`. */
export class FailpointSignal extends Error {
  override readonly name = 'FailpointSignal';
  readonly crash: () => void;
  constructor(point: string, crash: () => void) {
    super(point);
    this.crash = crash;
  }
}

interface Process<P extends ServiceParts> extends Owner {
  alive: boolean;
  readonly clock: SimClock;
  readonly bus: SimBus;
  node: ServiceNode<P> | undefined;
  keys: IdempotencyKeys | undefined;
}

export interface SimServiceOptions {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly broker: SimBroker;
  readonly history: History;
  readonly hook?: StatementHook | undefined;
  /** A bus that is put between the service and the broker. */
  readonly wrapBus?: ((bus: Bus) => Bus) | undefined;
  /** What the database does with its transactions. */
  readonly transition?: ((what: Transition) => void) | undefined;
  readonly opened?: ((database: SimDatabase) => void) | undefined;
  /** Its name, where its service has several instances. */
  readonly instance?: string | undefined;
  /** How a process reads the journals of the other services. */
  readonly journals: (process: Owner) => Readonly<Record<string, JournalReader>>;
  /** How a process of a named instance asks the others. */
  readonly peers?: ((process: Owner) => Readonly<Record<string, PeerReader>>) | undefined;
  /** How long the journal keeps what was published; undefined: for ever. */
  readonly retentionMs?: number | undefined;
  /** A process has crashed; it has to be booted again. */
  readonly crashed: (reason: string) => void;
}

/** Rare enough for the days of virtual time in which nothing happens. */
const reconcileIntervalMs = 300_000;
/** Most events in a batch; small enough for batches to fill up in a small run. */
const batchMax = 20;

export class SimService<P extends ServiceParts = ServiceParts> {
  readonly name: ServiceName;
  /** The service, or this named instance of it. */
  readonly member: string;
  readonly database: SimDatabase;
  readonly wall: WallClock;
  /** A process runs, its clock is right, and its database can be written. */
  readonly working = new Ability();
  /** How often each outcome came about, in all processes so far: `order.placed -> payment.failed`. */
  readonly outcomes = new Counter();
  /** What its processes have logged about databases that were put back. */
  readonly putBackReports: { readonly by: string; readonly publisher: string; readonly atMs: number }[] = [];
  readonly #definition: ServiceDefinition<P>;
  readonly #options: SimServiceOptions;
  readonly #log: Log;
  #process: Process<P> | undefined;
  #armed: { readonly point: Failpoint; skip: number }[] = [];
  #waiting: (() => void)[] = [];
  #gone = false;
  #clockRightAtBoot = true;

  constructor(definition: ServiceDefinition<P>, options: SimServiceOptions) {
    this.name = definition.name as ServiceName;
    this.member = memberOf(this.name, options.instance);
    this.#definition = definition;
    this.#options = options;
    this.database = new SimDatabase(definition.migrations, options.hook);
    options.opened?.(this.database);
    this.wall = new WallClock(options.schedule);
    this.wall.changed = () => this.#noteAbility();
    const { transition } = options;
    this.database.observer = { ...(transition ? { transition } : {}), faultChanged: () => this.#noteAbility() };
    this.#log = this.#historian();
  }

  /** The running process, if there is one. */
  get node(): ServiceNode<P> | undefined {
    return this.#process?.node;
  }

  /** The current process. */
  get owner(): Owner | undefined {
    return this.#process;
  }

  /** Of this database, for whoever runs in the present process. */
  get idempotencyKeys(): IdempotencyKeys {
    if (!this.#process?.keys) throw new Error(`${this.name} is not running`);
    return this.#process.keys;
  }

  boot(): void {
    if (this.#process || this.#gone) return;
    const { schedule, random, broker, history } = this.#options;
    const process = { alive: true, node: undefined } as unknown as {
      -readonly [K in keyof Process<P>]: Process<P>[K];
    };
    process.clock = new SimClock(schedule, this.wall, random, process);
    process.bus = broker.connect(queueOf(this.member), process);
    this.#process = process;
    this.#clockRightAtBoot = this.wall.right;
    this.#noteAbility();
    history.add(schedule.nowMs, this.name, `${this.#as}starts`);
    const db = this.database.open();
    try {
      process.keys = new IdempotencyKeys(db);
      process.node = this.#nodeOf(process, db);
    } catch (error) {
      // It ends, and is started again.
      if (isTransient(error)) return this.#crash(process, 'cannot start');
      throw error;
    }
    process.node.start();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) schedule.after(random.below(50), run);
  }

  #nodeOf(process: Process<P>, db: Database): ServiceNode<P> {
    const { random, wrapBus, retentionMs } = this.#options;
    return new ServiceNode(this.#definition, {
      db,
      bus: wrapBus ? wrapBus(process.bus) : process.bus,
      clock: process.clock,
      log: this.#log,
      // Some processes send every event by itself, some pack what goes the same way.
      batchMax: random.chance(0.5) ? batchMax : 1,
      journals: this.#options.journals(process),
      ...(this.#options.instance === undefined
        ? {}
        : { instance: this.#options.instance, peers: this.#options.peers?.(process) ?? {} }),
      reconcileIntervalMs,
      ...(retentionMs === undefined ? {} : { retentionMs }),
      hit: (point) => this.#hit(point, process),
    });
  }

  /** Crashes between two steps. */
  crash(reason: string): void {
    if (this.#process) this.#crash(this.#process, reason);
  }

  /** It stops, and nothing starts it again until it comes back. Whoever waits for it goes elsewhere. */
  leave(): void {
    this.#gone = true;
    this.crash('gone');
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) this.#options.schedule.after(0, run);
  }

  comeBack(): void {
    this.#gone = false;
    this.boot();
  }

  /** For the history: which instance it is about. */
  get #as(): string {
    return this.member === this.name ? '' : `${this.member}: `;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Crashes the process at this failpoint, after `skip` hits that do nothing. */
  arm(point: Failpoint, skip: number): void {
    this.#armed.push({ point, skip });
  }

  disarm(): void {
    this.#armed = [];
  }

  cut(which: 'publisher' | 'consumer' | 'both'): boolean {
    this.#process?.bus.cut(which);
    return this.#process !== undefined;
  }

  /** The connection ends while the next message is on its way to the broker. */
  cutAtPublish(): boolean {
    this.#process?.bus.cutAtPublish();
    return this.#process !== undefined;
  }

  /** Calls back as soon as a process runs, at once if one does. */
  whenUp(run: () => void): void {
    if (this.#process) run();
    else this.#waiting.push(run);
  }

  /** Takes over what the present process has counted. */
  count(): void {
    const tally = this.#process?.node?.handler.tally;
    if (!tally) return;
    for (const [outcome, times] of tally.outcomes) this.outcomes.add(outcome, times);
    tally.outcomes.clear();
  }

  /** No work is in progress in this service, and everything it had to publish is published. */
  get quiet(): boolean {
    const node = this.node;
    return node?.handler.idle === true && node.commit.idle && node.relay.drained;
  }

  #hit(point: Failpoint, process: Process<P>): void {
    const armed = this.#armed.find((one) => one.point === point);
    if (!armed) return;
    if (armed.skip > 0) {
      armed.skip -= 1;
      return;
    }
    this.#armed = this.#armed.filter((one) => one !== armed);
    throw new FailpointSignal(point, () => this.#crash(process, point));
  }

  #crash(process: Process<P>, reason: string): void {
    if (!process.alive) return;
    const { broker, history, schedule, crashed } = this.#options;
    this.count();
    process.alive = false;
    this.#process = undefined;
    this.#noteAbility();
    this.database.rollBack();
    broker.disconnect(process.bus);
    history.add(schedule.nowMs, this.name, `${this.#as}crashes: ${reason}`);
    crashed(reason);
  }

  /** A process runs whose clocks are right: the steady one goes on from what the wall clock said at its start. */
  get clockRight(): boolean {
    return this.#process !== undefined && this.#clockRightAtBoot && this.wall.right;
  }

  #noteAbility(): void {
    const able = this.clockRight && !this.database.faulty;
    this.working.set(able, this.#options.schedule.nowMs);
  }

  #historian(): Log {
    const { history, schedule } = this.#options;
    return {
      debug() {},
      warn() {},
      info: (fields, message) => {
        if (message !== 'handled') return;
        const { event, outcome, subject } = fields as { event: string; outcome: string; subject: string };
        history.add(schedule.nowMs, this.name, `${this.#as}${event} → ${outcome}`, subject, publisherOf(event));
      },
      error: (fields, message) => {
        if (message.includes('put back')) {
          const { publisher = this.member } = fields as { publisher?: string };
          this.putBackReports.push({ by: this.member, publisher, atMs: schedule.nowMs });
        }
        const { event, subject, detail } = fields as { event?: string; subject?: string; detail?: string };
        history.add(schedule.nowMs, this.name, `${event ?? 'message'}: ${message}: ${detail ?? ''}`, subject ?? '');
      },
    };
  }
}
