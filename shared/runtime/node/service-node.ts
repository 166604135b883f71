// One running service without its HTTP side: database, journal, inbox, relay, reactions, deadlines, wired together.
// The simulator runs exactly this, over a simulated broker and clock.
import { type Choreography, consumedBy, type EventSpec } from '../../contract/language.ts';
import { memberOf, serviceOf } from '../../contract/members.ts';
import { deadLetterExchange, exchangeOf } from '../../contract/topology.ts';
import { type Clock, isoTime } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { Bus } from '../messaging/bus.ts';
import { EventHandler } from '../messaging/event-handler.ts';
import { JournalQueries, type JournalReader, type PutBack } from '../messaging/journal-queries.ts';
import { OutboxRelay } from '../messaging/outbox-relay.ts';
import type { PeerReader } from '../messaging/peer-reader.ts';
import { Reconciliation } from '../messaging/reconciliation.ts';
import { SuspectMessages } from '../messaging/suspect-messages.ts';
import type { Tracing } from '../messaging/tracing.ts';
import { type Cause, type Moment, newCause, type Transaction, UnitsOfWork } from '../messaging/unit-of-work.ts';
import { UnitTraces } from '../messaging/unit-traces.ts';
import type { Database } from '../storage/database.ts';
import { GroupCommit, type HitFailpoint, type Lane, type Result } from '../storage/group-commit.ts';
import { Inbox } from '../storage/inbox.ts';
import { Journal } from '../storage/journal.ts';
import { Outbox } from '../storage/outbox.ts';
import { Suspects } from '../storage/suspects.ts';
import { TableReads } from '../storage/table-reads.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import { Retention } from './retention.ts';
import type { Joining, JoiningTools, ServiceDefinition, ServiceParts } from './service.ts';

export interface NodeEnvironment {
  readonly db: Database;
  /** Name of this instance, where the service has several; left out: it has no other instances. */
  readonly instance?: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** How the journals of others are read, by service or by named instance. One that is missing is not reconciled. */
  readonly journals?: Readonly<Record<string, JournalReader>>;
  /** The other instances of this service, for a named one. */
  readonly peers?: Readonly<Record<string, PeerReader>>;
  /** Time between two rounds of reconciliation, in milliseconds. */
  readonly reconcileIntervalMs?: number;
  /** How long the journal keeps events that were published, in milliseconds. Left out: for ever. */
  readonly retentionMs?: number;
  /** Most events in one message; see event-batch.ts. Default 1. */
  readonly batchMax?: number;
  /** Left out: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  readonly hit?: HitFailpoint;
}

const reconcileIntervalMsDefault = 10_000;

export class ServiceNode<P extends ServiceParts = ServiceParts> {
  readonly name: string;
  /** The service, or this named instance of it: the source of its events, and the name of its queue. */
  readonly member: string;
  readonly parts: P;
  readonly journal: Journal;
  readonly relay: OutboxRelay;
  readonly handler: EventHandler;
  readonly commit: GroupCommit;
  readonly reconciliation: Reconciliation;
  readonly clock: Clock;
  /** For what reads whole tables. */
  readonly tableReads: TableReads;
  /** Answers what other services ask of this one's journal. */
  readonly journalQueries: JournalQueries;
  readonly #env: NodeEnvironment;
  readonly #units: UnitsOfWork;
  readonly #deadlines: DeadlineTimer;
  readonly #retention: Retention;
  readonly #joining: Joining | undefined;
  readonly #inbox: Inbox;
  #putBack: PutBack | undefined;

  constructor(definition: ServiceDefinition<P>, env: NodeEnvironment) {
    const { contract, name } = definition;
    const { db, bus, clock, log, tracing, hit } = env;
    this.name = name;
    this.clock = clock;
    this.member = memberOf(name, env.instance);
    this.#env = env;
    const isNamed = env.instance !== undefined;
    this.parts = definition.build(db, isNamed ? this.member : undefined);
    this.journal = new Journal(db);
    this.tableReads = new TableReads(db);
    this.commit = new GroupCommit(db, clock, hit);
    const { parts, member, journal, commit } = this;
    const outbox = new Outbox(db, journal, clock.newId());
    this.relay = new OutboxRelay({
      ...env,
      journal,
      outbox,
      commit,
      exchange: exchangeOf(name),
      deadLetterExchange,
      mandatory: (type) => hasSubscribers(contract.events[type], isNamed),
    });
    const published = parts.published?.bind(parts);
    const traces = tracing && new UnitTraces({ tracing, contract, service: name, db, commit });
    this.#units = new UnitsOfWork({ contract, member, journal, commit, clock, traces, published });
    const publishers = publishersFor(member, contract, env.journals ?? {});
    const sources = publishers.map(({ source }) => source);
    const inbox = new Inbox(db, sources);
    this.#inbox = inbox;
    this.handler = new EventHandler({
      contract,
      member,
      ...handlingOf(parts, isNamed),
      units: this.#units,
      inbox,
      journal,
      suspects: new SuspectMessages({ suspects: new Suspects(db), commit, clock }),
      clock,
      log,
      tracing,
      hit,
      subjectUnknown: () => this.reconciliation.requestSoon(),
      comesAgain: (event) => this.reconciliation.brings(event),
    });
    this.reconciliation = new Reconciliation({
      service: member,
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
      publishers: this.reconciliation,
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
    this.#joining = this.#join();
    for (const participant of [journal, this.relay.mark, this.#deadlines]) commit.join(participant);
  }

  /** Connects, publishes what an earlier run left in the outbox, begins to handle events, and looks at what is overdue. */
  start(): void {
    this.#env.bus.start({
      delivered: (delivery) => this.handler.deliver(delivery),
      publishingChanged: () => this.relay.publishingChanged(),
      consumingBegan: () => this.reconciliation.request(),
    });
    this.relay.start();
    this.#deadlines.start();
    this.reconciliation.start();
    this.#retention.start();
    this.#joining?.start();
  }

  /** Ends timers and takes no more deliveries. What is committed and not yet published stays in the outbox. */
  stop(): void {
    this.#joining?.stop();
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

  /** Named instances whose events come here although their addresses are not set. */
  strangers(): readonly string[] {
    return [...this.#inbox.strangers];
  }

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

  /** What a named instance has to do before it takes part. */
  #join(): Joining | undefined {
    const { instance, peers = {}, clock, log } = this.#env;
    if (instance === undefined) return undefined;
    const { handler, reconciliation } = this;
    const submit: JoiningTools['submit'] = (command, done) => this.submit(command, this.newCause(), done, 'event');
    return this.parts.join?.({ peers, handler, reconciliation, clock, log, submit });
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

/** What a service reacts to, and how; a named instance also to the events of its peers. */
function handlingOf(parts: ServiceParts, isNamed: boolean) {
  return {
    reactions: isNamed ? { ...parts.reactions, ...parts.peerReactions } : parts.reactions,
    handlesOwn: parts.handlesOwn ?? [],
    repeated: parts.repeated?.bind(parts),
  };
}

/** Whether somebody has to react to an event: at least the queue of a named instance is bound for those of its own service. */
function hasSubscribers(spec: EventSpec | undefined, isNamed: boolean): boolean {
  const { reactions = {}, peers = {} } = spec ?? {};
  return Object.keys(reactions).length > 0 || (isNamed && Object.keys(peers).length > 0);
}

/** Whom a service, or an instance of one, subscribes to, and to what. */
function publishersFor(member: string, contract: Choreography, journals: Readonly<Record<string, JournalReader>>) {
  const service = serviceOf(member);
  const types = consumedBy(contract, service, member !== service);
  const publishers = new Set(types.map((type) => contract.events[type]?.by ?? ''));
  return [...publishers].flatMap((publisher) => {
    const named = Object.keys(journals).filter((name) => name !== publisher && serviceOf(name) === publisher);
    const sources = named.length > 0 || publisher === service ? named.filter((name) => name !== member) : [publisher];
    return sources.map((source) => ({
      source,
      types: types.filter((type) => contract.events[type]?.by === publisher),
      reader: journals[source],
    }));
  });
}
