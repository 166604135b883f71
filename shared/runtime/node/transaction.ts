// What a command or a reaction may use while its transaction is open: the moment, new ids, and a way to say events.

import type { Emission, PublishedBy, ServiceName } from '../../contract/choreography.ts';
import type { CloudEvent } from '../../contract/cloud-event.ts';

/** When a transaction happens. Handed in, so that the same input gives the same result. */
export interface Moment {
  readonly nowMs: number;
  /** The same as ISO 8601 UTC. */
  readonly now: string;
}

/** Where something came from; it is passed on in every event that follows from it. */
export interface Cause {
  /** Id of the event or of the HTTP request. */
  readonly causationId: string;
  readonly traceparent: string;
}

export interface Transaction<S extends ServiceName = ServiceName> extends Moment {
  newId(): string;
  /** Stores an event in the outbox: it is published if, and only if, this transaction commits. */
  emit(emission: Emission<PublishedBy<S>>): CloudEvent;
}
