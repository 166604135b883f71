// The runtime's types, bound to a contract C: a reaction that is missing, or that returns an outcome which C does not
// declare, does not compile. saga.ts fills in this saga's contract; each example fills in its own.
import type { CloudEvent } from '../../contract/cloud-event.ts';
import type {
  Choreography,
  ConsumedFromPeersIn,
  ConsumedIn,
  DataIn,
  EmissionIn,
  OutcomeIn,
  PublishedIn,
  ServiceIn,
} from '../../contract/language.ts';
import type { Moment, Transaction } from '../messaging/unit-of-work.ts';
import type { Deadlines, ServiceDefinition, ServiceParts } from './service.ts';

/**
 * One function per event that service S subscribes to. It runs inside the open transaction and returns one of the outcomes
 * that the contract declares: an event, or a silent outcome. It never publishes, awaits, reads a clock or makes an id.
 * A refusal is an event; a throw means that something is broken.
 */
export type ReactionsIn<C extends Choreography, S extends ServiceIn<C>> = {
  readonly [T in ConsumedIn<C, S>]: {
    react(event: CloudEvent<T, DataIn<C, T>>, at: Moment): OutcomeIn<C, S, T>;
  }['react'];
};

/** The same for the events of its own service that an instance of service S reacts to. */
export type PeerReactionsIn<C extends Choreography, S extends ServiceIn<C>> = {
  readonly [T in ConsumedFromPeersIn<C, S>]: {
    react(event: CloudEvent<T, DataIn<C, T>>, at: Moment): OutcomeIn<C, S, T>;
  }['react'];
};

/** What a command of service S may use while its transaction is open. */
export interface TransactionIn<C extends Choreography, S extends ServiceIn<C>> extends Omit<Transaction, 'publish'> {
  /** Writes an event to the journal: it is published if, and only if, this transaction commits. */
  publish(emission: EmissionIn<C, PublishedIn<C, S>>, causeId?: string): CloudEvent;
}

export interface ServicePartsIn<C extends Choreography, S extends ServiceIn<C>> extends ServiceParts {
  readonly reactions: ReactionsIn<C, S>;
  readonly peerReactions?: PeerReactionsIn<C, S>;
  readonly deadlines?: Deadlines;
}

export interface ServiceDefinitionIn<C extends Choreography, S extends ServiceIn<C>, P extends ServicePartsIn<C, S>>
  extends ServiceDefinition<P> {
  readonly contract: C;
  readonly name: S;
}
