// A unit of work: a command or a reaction, the state it changes, and the events it publishes, in one transaction.
// Everything that a service does goes through here, whether a request or an event asked for it.
import { type CloudEvent, createEvent, encodeEvent } from '../../contract/cloud-event.ts';
import { causedEventId } from '../../contract/event-id.ts';
import type { Choreography } from '../../contract/language.ts';
import { serviceOf } from '../../contract/members.ts';
import { type Clock, isoTime } from '../environment/clock.ts';
import type { GroupCommit, Lane, Result } from '../storage/group-commit.ts';
import type { Journal } from '../storage/journal.ts';
import type { Span, TraceContext } from './tracing.ts';
import type { UnitTraces } from './unit-traces.ts';

/** When a transaction happens. Handed in, so that the same input gives the same result. */
export interface Moment {
  readonly nowMs: number;
  /** The same as ISO 8601 UTC. */
  readonly now: string;
}

/** Where something came from; passed on in every event that follows from it. */
export interface Cause extends TraceContext {
  /** Id of the event or of the HTTP request. */
  readonly causationId: string;
  /** Of the work that asks for the transaction, where it is traced. */
  readonly span?: Span | undefined;
}

/** An event about to be published, without its envelope. */
export interface Emission {
  readonly type: string;
  readonly data: unknown;
}

/** What a command may use while its transaction is open. */
export interface Transaction extends Moment {
  /** For what is due: as nowMs, but it does not jump with the wall clock while the process lives. */
  readonly steadyMs: number;
  newId(): string;
  /**
   * Writes an event to the journal: it is published if, and only if, this transaction commits.
   * @param causeId the event that it follows from, where that is not what this work handles: it gets the id that a reaction
   *   to that event would give it
   */
  publish(emission: Emission, causeId?: string): CloudEvent;
}

export interface UnitOfWork<R> {
  readonly lane: Lane;
  readonly cause: Cause;
  readonly run: (tx: Transaction) => R;
  /** The id of each event that it publishes. Left out: new ones. */
  readonly eventId?: (type: string) => string;
}

export interface UnitOfWorkOptions {
  readonly contract: Choreography;
  /** The service, or the named instance of it: the `source` of its events. */
  readonly member: string;
  readonly journal: Journal;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  /** Left out: nothing is traced. */
  readonly traces?: UnitTraces | undefined;
  /** Called for each published event, inside its transaction. */
  readonly published?: ((event: CloudEvent) => void) | undefined;
}

export class UnitsOfWork {
  readonly #options: UnitOfWorkOptions;
  readonly #listeners = new Set<(event: CloudEvent) => void>();

  constructor(options: UnitOfWorkOptions) {
    this.#options = options;
  }

  /** Runs the work in the next group commit, then calls `done`, in the very turn of the commit. */
  submit<R>(work: UnitOfWork<R>, done: (result: Result<R>) => void): void {
    const published: CloudEvent[] = [];
    this.#options.commit.submit(
      () => {
        // It may run again, after a group that failed.
        published.length = 0;
        return work.run(this.#transaction(work, published));
      },
      (result) => {
        if (result.ok) this.#options.traces?.committed(work.cause.span, published);
        done(result);
        if (result.ok) for (const event of published) for (const listener of this.#listeners) listener(event);
      },
      work.lane,
    );
  }

  /** Calls back for every event that this process publishes, once it is on disk. Returns a function that ends that. */
  onPublished(listener: (event: CloudEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #transaction({ cause, eventId }: UnitOfWork<unknown>, published: CloudEvent[]): Transaction {
    const { contract, member, journal, clock, traces } = this.#options;
    const nowMs = clock.nowMs();
    const now = isoTime(nowMs);
    return {
      nowMs,
      now,
      steadyMs: clock.steadyMs(),
      newId: () => clock.newId(),
      publish: (emission, causeId) => {
        const id =
          causeId === undefined
            ? (eventId?.(emission.type) ?? clock.newId())
            : causedEventId(causeId, serviceOf(member), emission.type);
        const { traceparent, tracestate } = traces ? traces.contextOf(emission, cause) : cause;
        const event = createEvent(contract, emission, {
          id,
          source: member,
          time: now,
          causationId: causeId ?? cause.causationId,
          traceparent,
          tracestate,
          position: journal.nextPosition,
        });
        journal.append({ eventId: id, type: event.type, subject: event.subject, body: encodeEvent(event) }, nowMs);
        published.push(event);
        this.#options.published?.(event);
        return event;
      },
    };
  }
}

/** The cause of something that no event led to. */
export function newCause(causationId: string, clock: Clock): Cause {
  return { causationId, traceparent: newTraceparent(clock) };
}

function newTraceparent(clock: Clock): string {
  const hex = () => clock.newId().replaceAll('-', '');
  return `00-${hex()}-${hex().slice(16)}-01`;
}
