// Everything that takes part in one run, put together from one seed: broker, services, people, faults, records.
import { type PerService, perService, type SagaService, serviceDefinitions, serviceNames } from '../services.ts';
import { choreography, type ServiceName } from '../shared/contract/choreography.ts';
import { memberOf } from '../shared/contract/members.ts';
import { queueOf, wholeTopology } from '../shared/contract/topology.ts';
import type { JournalReader } from '../shared/runtime/messaging/journal-queries.ts';
import { BrokenReactions } from './broken-reactions.ts';
import type { Evidence } from './checks/evidence.ts';
import { ModelChecks } from './checks/model-checks.ts';
import { holdUntilDeadline } from './deadline-tie.ts';
import { Ability } from './environment/ability.ts';
import { SimBroker } from './environment/broker.ts';
import { DeadLetters } from './environment/dead-letters.ts';
import { Counter, Faults } from './environment/faults.ts';
import { History } from './environment/history.ts';
import { adopt, Instances, instanceNames, type OrderService, openOrdersOf } from './environment/instances.ts';
import type { Poison } from './environment/poison.ts';
import { Random } from './environment/random.ts';
import { publisherOf } from './environment/saga-event.ts';
import { type Owner, Schedule } from './environment/schedule.ts';
import { journalReader } from './environment/sim-journals.ts';
import { peerReader } from './environment/sim-peers.ts';
import { FailpointSignal, SimService } from './environment/sim-service.ts';
import type { SimServices } from './environment/sim-services.ts';
import { isHandled } from './handled.ts';
import { Losses } from './losses.ts';
import { ShopModel } from './model/shop-model.ts';
import type { Mutant } from './mutants/mutant.ts';
import { PublishedEvents } from './published-events.ts';
import { PutBacks } from './put-backs.ts';
import { Restarts } from './restarts.ts';
import type { RunOptions } from './run.ts';
import { WhenAllReady } from './when-all-ready.ts';
import { Workload } from './workload/workload.ts';

const participants = serviceNames.filter((name) => name !== 'order-service');

export class World {
  readonly random: Random;
  readonly schedule: Schedule;
  readonly faults: Faults;
  readonly races = new Counter();
  readonly history: History;
  readonly broker: SimBroker;
  readonly restarts: Restarts;
  readonly brokenReactions: BrokenReactions;
  readonly published: PublishedEvents;
  /** Of order-service the first instance, where there are several. */
  readonly services: SimServices;
  readonly instances: Instances;
  readonly #members: readonly SimService[];
  /** Kinds of the poison messages that were sent, by message id. */
  readonly poison = new Map<string, Poison>();
  readonly poisonBodies = new Map<string, Buffer>();
  readonly deadLetters: DeadLetters;
  readonly workload: Workload;
  readonly putBacks: PutBacks;
  readonly losses: Losses;
  readonly whenAllReady: WhenAllReady;
  readonly model: ShopModel;
  readonly modelChecks: ModelChecks;
  readonly #publishing = perService(() => new Ability());
  /** Whether an adopted instance does: with both among the runs of 8 seeds, and among those with three instances. */
  readonly #comesBack: boolean;

  constructor(options: RunOptions, beforeOrder: (index: number) => void) {
    this.#comesBack = Math.floor(options.seed / 4) % 2 === 0;
    this.random = new Random(options.seed, 'simulation');
    this.schedule = new Schedule(this.random.stream('ties'));
    this.faults = new Faults(options.faults);
    this.history = new History(options.keepHistory ?? false);
    const names = instanceNames(options.instances ?? 0);
    const topology = wholeTopology(choreography, { 'order-service': names });
    this.broker = new SimBroker(this.schedule, this.random.stream('broker'), this.faults, topology);
    this.restarts = new Restarts(this.schedule, this.faults, this.random);
    this.brokenReactions = new BrokenReactions(this.faults);
    this.published = new PublishedEvents(this.schedule, this.history, this.races);
    this.model = new ShopModel(() => this.schedule.nowMs, names.length === 0 ? serviceNames : participants);
    this.#members = serviceDefinitions.flatMap((definition) => {
      const instances = definition.name === 'order-service' && names.length > 0 ? names : [undefined];
      return instances.map((instance) => this.#service(definition, options.mutant, instance));
    });
    this.services = perService((name) => this.#members.find((service) => service.name === name)) as never;
    const orderServices = this.#members.filter(({ name }) => name === 'order-service') as unknown as OrderService[];
    const joinLater = names.length > 1 && this.faults.kinds.has('instance-joins') ? 1 : 0;
    this.instances = new Instances(orderServices, joinLater);
    this.deadLetters = new DeadLetters({
      members: () => this.#members.map(({ member }) => member),
      broker: this.broker,
      faults: this.faults,
      poison: this.poison,
      brokenReactions: this.brokenReactions.everBroken,
      isHandled: (member, eventId) => {
        const service = this.#members.find((one) => one.member === member);
        return service !== undefined && isHandled(service.database.db, eventId);
      },
    });
    const { services, schedule, faults, races, history, model, instances, restarts } = this;
    this.whenAllReady = new WhenAllReady({ instances, schedule, faults, restarts, services: () => this.allServices });
    const random = this.random.stream('people');
    const { orders, mutant } = options;
    const given = mutant?.transaction?.bind(mutant);
    this.workload = new Workload({
      orders,
      services,
      instances: this.instances,
      schedule,
      random,
      faults,
      races,
      history,
      model,
      // Each of several instances would ask by itself; there, all only have their copies.
      hybrid: !this.instances.named && this.random.stream('catalogue').chance(0.5),
      beforeOrder,
      given,
    });
    this.modelChecks = new ModelChecks({
      model,
      database: (name) => this.services[name].database.db,
      published: this.published.byId,
      takenAtMs: this.published.takenAtMs,
      publishing: this.#publishing,
      withdrawing: () => this.services['order-service'].working,
      nowMs: () => this.schedule.nowMs,
      deadLetters: () => this.deadLetters.all(),
      pruned: options.mutant?.retentionMs !== undefined,
    });
    this.putBacks = new PutBacks(this.workload.answers, () => this.allServices, model, this.modelChecks);
    this.losses = new Losses(this.workload.answers, this.published.byId, () => this.allServices);
    this.broker.interference = {
      taken: (message, routed) => {
        const owner = publisherOf(message.routingKey);
        this.#publishingOf(owner)?.success(message.routingKey, schedule.nowMs);
        this.published.taken(message, routed);
      },
      canPublish: (owner, can) => this.#publishingOf(owner)?.set(can, schedule.nowMs),
      refused: (owner, { routingKey }) => this.#publishingOf(owner)?.setback(routingKey, schedule.nowMs),
      holdUntilMs: (queue, copy) => holdUntilDeadline(this, queue, copy),
    };
  }

  /** Every service, and every instance of order-service that takes part by now. */
  get allServices(): readonly SimService[] {
    const standing = new Set<unknown>(this.instances.standing);
    return this.#members.filter((one) => one.name !== 'order-service' || standing.has(one));
  }

  #publishingOf(owner: string): Ability | undefined {
    const name = serviceNames.find((one) => queueOf(one) === owner);
    return name && this.#publishing[name];
  }

  #service(definition: SagaService, mutant: Mutant | undefined, instance?: string): SimService {
    const { name } = definition;
    const bugged = mutant?.definition?.(definition) ?? definition;
    const service: SimService = new SimService(this.brokenReactions.breakable(this.model.noting(bugged)), {
      schedule: this.schedule,
      random: this.random.stream(`ids of ${memberOf(name, instance)}`),
      instance,
      broker: this.broker,
      history: this.history,
      hook: mutant?.statements?.(name),
      wrapBus: mutant?.bus && ((bus) => mutant.bus?.(bus, name, this.random) ?? bus),
      transition: (what) => this.model.logs[name].transition(what),
      peers: (process) => this.#peers(process, memberOf(name, instance), mutant),
      opened: (database) => mutant?.opened?.(database, name),
      journals: (process) => this.#journals(process, mutant),
      retentionMs: mutant?.retentionMs,
      crashed: (reason) => this.restarts.crashed(service, reason),
    });
    return service;
  }

  /** The journals of all services, as this process reads them. */
  #journals(process: Owner, mutant: Mutant | undefined): Readonly<Record<string, JournalReader>> {
    const random = this.random.stream('journals');
    const known = new Set<unknown>(this.instances?.known ?? []);
    const readable = this.#members.filter((one) => one.name !== 'order-service' || known.has(one));
    return Object.fromEntries(
      readable.map((service) => {
        const reader = journalReader(this.schedule, random, process, () => service);
        return [service.member, mutant?.journal?.(reader, service.member) ?? reader];
      }),
    );
  }

  /** The other instances whose addresses are known when a process starts. */
  #peers(process: Owner, member: string, mutant: Mutant | undefined) {
    const random = this.random.stream('peers');
    const others = this.instances.known.filter((other) => other.member !== member);
    return Object.fromEntries(
      others.map((other) => {
        const reader = peerReader(this.schedule, random, process, () => other);
        return [other.member, mutant?.peer?.(reader) ?? reader];
      }),
    );
  }

  /**
   * Somebody lets another instance take over; until it has, they try again. The services get to know that the address is
   * gone; in half of the runs the old one comes back after that.
   */
  adopt(gone: OrderService, random: Random, openBefore = 0): void {
    const by = this.instances.choose((from) => random.pick(from));
    // Until it is adopted nobody ends its orders, and then perhaps at once.
    const open = Math.max(openBefore, openOrdersOf(gone, by).length);
    const again = () => this.schedule.after(random.between(1_000, 5_000), () => this.adopt(gone, random, open));
    const hasTakenOver = by.node?.parts.store.instances.deciderOf(gone.member) === by.member;
    if (!hasTakenOver) return adopt(by, gone, () => again());
    this.instances.adopted.set(gone, by);
    this.races.add('an open order was adopted', open);
    for (const service of this.allServices) {
      this.schedule.after(random.below(5_000), () => service.crash('new settings'));
    }
    if (!this.#comesBack) return void this.instances.awaited.delete(gone);
    this.schedule.after(random.between(1_000, this.faults.active ? 600_000 : 60_000), () => {
      this.faults.add('an adopted instance comes back');
      this.instances.awaited.delete(gone);
      gone.comeBack();
    });
  }

  runFor(ms: number): void {
    const untilMs = this.schedule.nowMs + ms;
    while (this.#step(untilMs));
  }

  runWhile(unfinished: () => boolean, boundMs: number): void {
    const untilMs = this.schedule.nowMs + boundMs;
    while (unfinished() && this.#step(untilMs));
  }

  #step(untilMs: number): boolean {
    try {
      return this.schedule.step(untilMs);
    } catch (error) {
      if (!(error instanceof FailpointSignal)) throw error;
      error.crash();
      return true;
    }
  }

  /** What waits for instances that were adopted, or was lost on the way to them, as `member messageId`. */
  #leftBehind(): string[] {
    return [...this.instances.adopted.keys()].flatMap(({ member }) => {
      const { waiting, lost, consumer } = this.broker.queue(queueOf(member));
      return [...waiting, ...lost, ...(consumer?.unacked ?? [])].map(({ message }) => `${member} ${message.messageId}`);
    });
  }

  evidence(): Evidence {
    const databases: PerService<Evidence['databases'][ServiceName]> = perService(
      (name) =>
        this.allServices.find((service) => service.name === name)?.database.db ?? this.services[name].database.db,
    );
    return {
      databases,
      answers: this.workload.answers,
      published: this.published.byId,
      members: new Map(this.allServices.map(({ member, database }) => [member, database.db])),
      instances: this.instances.named ? this.instances : undefined,
      queues: this.allServices.map(({ member }) => this.broker.queue(queueOf(member))),
      deadLetters: this.deadLetters.all(),
      putBacks: this.putBacks.all,
      putBackReports: this.allServices.flatMap(({ putBackReports }) => putBackReports),
      instancesLost: this.losses.all,
      lostDeadLetters: new Set([...this.losses.deadLetters, ...this.#leftBehind()]),
      lost: this.workload.answers.lost,
      poison: this.poison,
      poisonBodies: this.poisonBodies,
      brokenReactions: this.brokenReactions.everBroken,
      model: this.modelChecks,
    };
  }
}
