// What a service gives to the runtime: its tables, its reactions, its deadlines. saga.ts binds these types to the events of
// this saga's contract, so that a missing or undeclared reaction does not compile.
import type { CloudEvent } from '../../contract/cloud-event.ts';
import type { Choreography } from '../../contract/language.ts';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { EventHandler } from '../messaging/event-handler.ts';
import type { PeerReader } from '../messaging/peer-reader.ts';
import type { Reaction } from '../messaging/reaction.ts';
import type { Reconciliation } from '../messaging/reconciliation.ts';
import type { Transaction } from '../messaging/unit-of-work.ts';
import type { Database } from '../storage/database.ts';
import type { Result } from '../storage/group-commit.ts';
import type { EraseStep } from './erasure.ts';

/** Things that a service does of its own accord at a time that its database knows. */
export interface Deadlines {
  /** When the next one is due, by Transaction.steadyMs; undefined: there is none. Called after every commit, so it must be quick. */
  nextAtMs(): number | undefined;
  /** The keys of those that are due, the most urgent first. */
  due(nowMs: number, limit: number): readonly string[];
  /**
   * Does what is due for one key, if it still is, in a transaction of its own.
   */
  meet(key: string, tx: Transaction, publishers: KnownPublishers): void;
}

/** What reconciliation knows of the services that this one subscribes to. */
export interface KnownPublishers {
  /** Its journal cannot be read now: there is no use in asking it anything. */
  isUnreachable(service: string): boolean;
  /**
   * All that their journals held a few seconds after this process began was handled here: so was what they made of events
   * that an earlier run had published.
   */
  caughtUp(): boolean;
}

/** What a named instance has to do before it takes part. */
export interface Joining {
  start(): void;
  stop(): void;
}

/** What it may use for that. */
export interface JoiningTools {
  /** The other instances of its service. */
  readonly peers: Readonly<Record<string, PeerReader>>;
  readonly handler: Pick<EventHandler, 'handleFetched'>;
  readonly reconciliation: Pick<Reconciliation, 'status' | 'oldest'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Runs in a transaction, and calls back in the very turn of its commit. */
  submit<R>(command: (tx: Transaction) => R, done: (result: Result<R>) => void): void;
}

/** What a service is made of, once its database is open. */
export interface ServiceParts {
  /** One function per event type that the service subscribes to. */
  readonly reactions: Readonly<Record<string, Reaction>>;
  /** The same for events of its own service: a named instance subscribes to them, too. */
  readonly peerReactions?: Readonly<Record<string, Reaction>> | undefined;
  /** Types of which an instance handles its own events as well, when they come back to it through its queue. */
  readonly handlesOwn?: readonly string[];
  /** Called for every event that the service publishes, inside its transaction, for the service's own records. */
  published?(event: CloudEvent): void;
  readonly deadlines?: Deadlines | undefined;
  /** For a named instance: begins with the node, and ends with it. */
  join?(tools: JoiningTools): Joining;
  /**
   * Called for an event that was handled before, under the same id, inside the transaction.
   * @throws ContradictoryEventError when it says something else now: it is an alarm, not a duplicate
   */
  repeated?(event: CloudEvent): void;
  /** Erase a person from the service's own tables, one after the other. Left out: they name none. */
  readonly erasing?: readonly EraseStep[];
  /**
   * Deletes all records of these orders, inside the transaction; what is not known is left out.
   * @param placedBeforeMs they were placed before
   * @returns how many records of orders it were
   * @throws ProblemError 409 when one has not ended, as far as this service knows
   */
  deleteOrders?(orderIds: readonly string[], placedBeforeMs: number): number;
}

export interface ServiceDefinition<P extends ServiceParts = ServiceParts> {
  readonly contract: Choreography;
  readonly name: string;
  /** TCP port of its HTTP interface where PORT is not set. */
  readonly port: number;
  /** SQL scripts, the runtime's among them (runtimeSchema). Append only; see openDatabase. */
  readonly migrations: readonly string[];
  /** @param member `order-service.a` for a named instance; left out: the service has no other instances */
  build(db: Database, member?: string): P;
}
