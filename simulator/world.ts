// Everything that takes part in one run, put together from one seed: broker, services, people, faults, records.
import { type PerService, perService, type SagaService, serviceDefinitions, serviceNames } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import { queueOf } from '../shared/contract/topology.ts';
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
import type { Poison } from './environment/poison.ts';
import { Random } from './environment/random.ts';
import { publisherOf } from './environment/saga-event.ts';
import { type Owner, Schedule } from './environment/schedule.ts';
import { journalReader } from './environment/sim-journals.ts';
import { FailpointSignal, SimService } from './environment/sim-service.ts';
import type { SimServices } from './environment/sim-services.ts';
import { isHandled } from './handled.ts';
import { ShopModel } from './model/shop-model.ts';
import type { Mutant } from './mutants/mutant.ts';
import { PublishedEvents } from './published-events.ts';
import { PutBacks } from './put-backs.ts';
import { Restarts } from './restarts.ts';
import type { RunOptions } from './run.ts';
import { Workload } from './workload/workload.ts';

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
  readonly services: SimServices;
  /** The same services without their own types, for what treats all alike. */
  readonly allServices: readonly SimService[];
  /** Kinds of the poison messages that were sent, by message id. */
  readonly poison = new Map<string, Poison>();
  readonly poisonBodies = new Map<string, Buffer>();
  readonly deadLetters: DeadLetters;
  readonly workload: Workload;
  readonly putBacks: PutBacks;
  readonly model: ShopModel;
  readonly modelChecks: ModelChecks;
  readonly #publishing = perService(() => new Ability());

  constructor(options: RunOptions, beforeOrder: (index: number) => void) {
    this.random = new Random(options.seed, 'simulation');
    this.schedule = new Schedule(this.random.stream('ties'));
    this.faults = new Faults(options.faults);
    this.history = new History(options.keepHistory ?? false);
    this.broker = new SimBroker(this.schedule, this.random.stream('broker'), this.faults);
    this.restarts = new Restarts(this.schedule, this.faults, this.random);
    this.brokenReactions = new BrokenReactions(this.faults);
    this.published = new PublishedEvents(this.schedule, this.history, this.races);
    this.model = new ShopModel(() => this.schedule.nowMs);
    this.allServices = serviceDefinitions.map((definition) => this.#service(definition, options.mutant));
    this.services = Object.fromEntries(this.allServices.map((service) => [service.name, service])) as never;
    this.deadLetters = new DeadLetters({
      services: serviceNames,
      broker: this.broker,
      faults: this.faults,
      poison: this.poison,
      brokenReactions: this.brokenReactions.everBroken,
      isHandled: (service, eventId) => isHandled(this.services[service].database.db, eventId),
    });
    const { services, schedule, faults, races, history, model } = this;
    const random = this.random.stream('people');
    const { orders, mutant } = options;
    const given = mutant?.transaction?.bind(mutant);
    this.workload = new Workload({
      orders,
      services,
      schedule,
      random,
      faults,
      races,
      history,
      model,
      hybrid: this.random.stream('catalogue').chance(0.5),
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

  #publishingOf(owner: string): Ability | undefined {
    const name = serviceNames.find((one) => queueOf(one) === owner);
    return name && this.#publishing[name];
  }

  #service(definition: SagaService, mutant: Mutant | undefined): SimService {
    const { name } = definition;
    const bugged = mutant?.definition?.(definition) ?? definition;
    const service: SimService = new SimService(this.brokenReactions.breakable(this.model.noting(bugged)), {
      schedule: this.schedule,
      random: this.random.stream(`ids of ${name}`),
      broker: this.broker,
      history: this.history,
      hook: mutant?.statements?.(name),
      wrapBus: mutant?.bus && ((bus) => mutant.bus?.(bus, name, this.random) ?? bus),
      transition: (what) => this.model.logs[name].transition(what),
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
    return perService((name) => {
      const reader = journalReader(this.schedule, random, process, () => this.services[name]);
      return mutant?.journal?.(reader) ?? reader;
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

  evidence(): Evidence {
    const databases: PerService<Evidence['databases'][ServiceName]> = perService(
      (name) => this.services[name].database.db,
    );
    return {
      databases,
      answers: this.workload.answers,
      published: this.published.byId,
      queues: serviceNames.map((name) => this.broker.queue(queueOf(name))),
      deadLetters: this.deadLetters.all(),
      putBacks: this.putBacks.all,
      putBackReports: this.allServices.flatMap(({ putBackReports }) => putBackReports),
      lost: this.workload.answers.lost,
      poison: this.poison,
      poisonBodies: this.poisonBodies,
      brokenReactions: this.brokenReactions.everBroken,
      model: this.modelChecks,
    };
  }
}
