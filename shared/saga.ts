// The runtime's types, bound to this saga's contract: a reaction that is missing, or that returns an outcome which the
// contract does not declare, does not compile.
import type {
  ConsumedBy,
  choreography,
  Emission,
  EventOf,
  Outcome,
  PublishedBy,
  ServiceName,
} from './contract/choreography.ts';
import type { CloudEvent } from './contract/cloud-event.ts';
import type { Transaction as AnyTransaction, Moment } from './runtime/messaging/unit-of-work.ts';
import type {
  ServiceDefinition as AnyServiceDefinition,
  ServiceParts as AnyServiceParts,
  Deadlines,
} from './runtime/node/service.ts';

/**
 * One function per event that service S subscribes to. It runs inside the open transaction and returns one of the outcomes
 * that the contract declares: an event, or a silent outcome. It never publishes, awaits, reads a clock or makes an id.
 * A refusal is an event; a throw means that something is broken.
 */
export type Reactions<S extends ServiceName> = {
  readonly [T in ConsumedBy<S>]: { react(event: EventOf<T>, at: Moment): Outcome<S, T> }['react'];
};

/** What a command of service S may use while its transaction is open. */
export interface Transaction<S extends ServiceName> extends Omit<AnyTransaction, 'publish'> {
  /** Writes an event to the journal: it is published if, and only if, this transaction commits. */
  publish(emission: Emission<PublishedBy<S>>): CloudEvent;
}

export interface ServiceParts<S extends ServiceName> extends AnyServiceParts {
  readonly reactions: Reactions<S>;
  readonly deadlines?: Deadlines;
}

export interface ServiceDefinition<S extends ServiceName, P extends ServiceParts<S>> extends AnyServiceDefinition<P> {
  readonly contract: typeof choreography;
  readonly name: S;
}
