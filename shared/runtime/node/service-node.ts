// One running service without its HTTP side: database, journal, inbox, relay, reactions, deadlines, wired together.
// The simulator runs exactly this, over a simulated broker and clock.
import { type Choreography, consumedBy } from '../../contract/language.ts';
import { deadLetterExchange, exchangeOf } from '../../contract/topology.ts';
import { type Clock, isoTime } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { Bus } from '../messaging/bus.ts';
import { EventHandler } from '../messaging/event-handler.ts';
import { JournalQueries, type JournalReader, type PutBack } from '../messaging/journal-queries.ts';
import { OutboxRelay } from '../messaging/outbox-relay.ts';
import { Reconciliation } from '../messaging/reconciliation.ts';
import { SuspectMessages } from '../messaging/suspect-messages.ts';
import { type Cause, type Moment, newCause, type Transaction, UnitsOfWork } from '../messaging/unit-of-work.ts';
import type { Database } from '../storage/database.ts';
import { GroupCommit, type HitFailpoint, type Lane, type Result } from '../storage/group-commit.ts';
import { Inbox } from '../storage/inbox.ts';
import { Journal } from '../storage/journal.ts';
import { Outbox } from '../storage/outbox.ts';
import { Suspects } from '../storage/suspects.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import { Retention } from './retention.ts';
import type { ServiceDefinition, ServiceParts } from './service.ts';

export interface NodeEnvironment {
  readonly db: Database;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** How the journals of other services are read, by service. One that is missing is not reconciled. */
  readonly journals?: Readonly<Record<string, JournalReader>>;
  /** Time between two rounds of reconciliation, in milliseconds. */
  readonly reconcileIntervalMs?: number;
  /** How long the journal keeps events that were published, in milliseconds. Left out: for ever. */
  readonly retentionMs?: number;
  /** Most events in one message; see event-batch.ts. Default 1. */
  readonly batchMax?: number;
  readonly hit?: HitFailpoint;
}

const reconcileIntervalMsDefault = 10_000;

export class ServiceNode<P extends ServiceParts = ServiceParts> {
  readonly name: string;
  readonly parts: P;
  readonly journal: Journal;
  readonly relay: OutboxRelay;
  readonly handler: EventHandler;
  readonly commit: GroupCommit;
  readonly reconciliation: Reconciliation;
  /** Answers what other services ask of this one's journal. */
  readonly journalQueries: JournalQueries;
  readonly #env: NodeEnvironment;
  readonly #units: UnitsOfWork;
  readonly #deadlines: DeadlineTimer;
  readonly #retention: Retention;
  #putBack: PutBack | undefined;

  constructor(definition: ServiceDefinition<P>, env: NodeEnvironment) {
    const { contract, name } = definition;
    const { db, bus, clock, log, hit } = env;
    this.name = name;
    this.#env = env;
    this.parts = definition.build(db);
    const { parts } = this;
    this.journal = new Journal(db);
    const { journal } = this;
    this.commit = new GroupCommit(db, clock, hit);
    const { commit } = this;
    const outbox = new Outbox(db, journal, clock.newId());
    const events = contract.events;
    this.relay = new OutboxRelay({
      ...env,
      journal,
      outbox,
      commit,
      exchange: exchangeOf(name),
      deadLetterExchange,
      mandatory: (type) => Object.keys(events[type]?.reactions ?? {}).length > 0,
    });
    const published = parts.published?.bind(parts);
    this.#units = new UnitsOfWork({ contract, service: name, journal, commit, clock, published });
    const publishers = publishersFor(name, contract, env.journals ?? {});
    const inbox = new Inbox(
      db,
      publishers.map(({ source }) => source),
    );
    this.handler = new EventHandler({
      contract,
      service: name,
      reactions: parts.reactions,
      repeated: parts.repeated?.bind(parts),
      units: this.#units,
      inbox,
      journal,
      suspects: new SuspectMessages({ suspects: new Suspects(db), commit, clock }),
      clock,
      log,
      hit,
      subjectUnknown: () => this.reconciliation.request(),
    });
    this.reconciliation = new Reconciliation({
      service: name,
      publishers,
      inbox,
      handler: this.handler,
      commit,
      bus,
      clock,
      log,
      intervalMs: env.reconcileIntervalMs ?? reconcileIntervalMsDefault,
    });
    this.journalQueries = new JournalQueries(journal, (found) => this.#wasPutBack(found));
    this.#deadlines = new DeadlineTimer({
      deadlines: parts.deadlines,
      units: this.#units,
      clock,
      log,
      unreachable: (service) => this.reconciliation.isUnreachable(service),
    });
    this.#retention = new Retention({
      journal,
      inbox,
      commit,
      clock,
      log,
      retentionMs: env.retentionMs,
      confirmedUntil: () => this.relay.confirmedUntil,
      oldest: () => this.reconciliation.oldest(),
    });
    for (const participant of [journal, this.relay.mark, this.#deadlines]) commit.join(participant);
  }

  /** Connects, publishes what an earlier run left in the outbox, begins to handle events, and looks at what is overdue. */
  start(): void {
    this.#env.bus.start({
      delivered: (delivery) => this.handler.deliver(delivery),
      publishingChanged: () => this.relay.pump(),
      consumingBegan: () => this.reconciliation.request(),
    });
    this.relay.start();
    this.#deadlines.start();
    this.reconciliation.start();
    this.#retention.start();
  }

  /** Ends timers and takes no more deliveries. What is committed and not yet published stays in the outbox. */
  stop(): void {
    this.#deadlines.stop();
    this.handler.stop();
    this.relay.stop();
    this.reconciliation.stop();
    this.#retention.stop();
  }

  /**
   * Runs a command in the next group commit.
   * @returns its result, once that and every event it published are on disk
   * @throws what the command threw (nothing of it is stored); TransientError when the database cannot be written now
   */
  transact<R>(command: (tx: Transaction) => R, cause: Cause): Promise<R> {
    return new Promise((resolve, reject) =>
      this.submit(command, cause, (result) => (result.ok ? resolve(result.value) : reject(result.error))),
    );
  }

  /** The same with a callback, which is called in the very turn of the commit. */
  submit<R>(
    command: (tx: Transaction) => R,
    cause: Cause,
    done: (result: Result<R>) => void,
    lane: Lane = 'request',
  ): void {
    this.#units.submit({ lane, cause, run: command }, done);
  }

  /** Calls back for every event that this process publishes, once it is on disk. Returns a function that ends that. */
  onPublished: UnitsOfWork['onPublished'] = (listener) => this.#units.onPublished(listener);

  /** A moment in time, for reads. */
  moment(): Moment {
    const nowMs = this.#env.clock.nowMs();
    return { nowMs, now: isoTime(nowMs) };
  }

  /** The cause of something that this service does of its own accord. */
  newCause(): Cause {
    return newCause(this.#env.clock.newId(), this.#env.clock);
  }

  /** Set when a consumer knows more of this service's journal than its database does: it was put back to an earlier state. */
  get putBack(): PutBack | undefined {
    return this.#putBack;
  }

  #wasPutBack(found: PutBack): void {
    if (!this.#putBack) {
      this.#env.log.error(
        { ...found },
        'this database was put back to an earlier state: a consumer has seen events that it does not hold; what the other ' +
          'services know is fetched, and npm run audit lists the orders that disagree',
      );
      this.reconciliation.request();
    }
    this.#putBack = found;
  }
}

/** Whom a service subscribes to, and to what. */
function publishersFor(service: string, contract: Choreography, journals: Readonly<Record<string, JournalReader>>) {
  const types = consumedBy(contract, service);
  const sources = new Set(types.map((type) => contract.events[type]?.by ?? ''));
  return [...sources].map((source) => ({
    source,
    types: types.filter((type) => contract.events[type]?.by === source),
    reader: journals[source],
  }));
}
