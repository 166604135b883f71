// given / when / publishes: what a service knows, what happens, what it publishes. Over the real tables in memory, without
// a broker.
import { expect } from 'chai';
import {
  type ConsumedBy,
  choreography,
  type DataOf,
  type Emission,
  type EventType,
  type PublishedBy,
  type ServiceName,
} from '../../shared/contract/choreography.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import type { EventSpec, SilentOutcome } from '../../shared/contract/language.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import type { Reaction } from '../../shared/runtime/messaging/reaction.ts';
import type { Moment } from '../../shared/runtime/messaging/unit-of-work.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import type { ServiceDefinition, ServiceParts, Transaction } from '../../shared/saga.ts';
import { eventOf } from './events.ts';
import { HandClock } from './hand-clock.ts';

/** An event that was published, or a silent outcome. */
type Outcome = { readonly type: string; readonly data: unknown } | string;

/** What a test may want otherwise in the envelope of an event. */
type Changes = Partial<Pick<CloudEvent, 'source'>>;

/** A service of which nothing is known yet. */
export function given<S extends ServiceName, P extends ServiceParts<S>>(
  definition: ServiceDefinition<S, P>,
): Given<S, P> {
  return new Given(definition);
}

class Given<S extends ServiceName, P extends ServiceParts<S>> {
  readonly parts: P;
  readonly clock = new HandClock();
  readonly #name: S;
  readonly #db: Database;

  constructor(definition: ServiceDefinition<S, P>) {
    this.#name = definition.name;
    this.#db = openDatabase(':memory:', definition.migrations);
    this.parts = definition.build(this.#db);
  }

  /** What is so before anything happens. */
  has(setUp: (parts: P, tx: Transaction<S>) => void): this {
    this.#db.transaction(() => setUp(this.parts, this.#transaction([])))();
    return this;
  }

  /** An event that was consumed before. */
  consumed<T extends ConsumedBy<S>>(type: T, data: DataOf<T>): this {
    this.#react(type, data);
    return this;
  }

  /** An event is consumed. */
  when<T extends ConsumedBy<S>>(type: T, data: DataOf<T>, changes?: Changes): Result<S, P> {
    return this.#result(() => this.#react(type, data, changes));
  }

  /** A command runs: somebody asks for something, or its time has come. */
  whenAsked(command: (parts: P, tx: Transaction<S>) => unknown): Result<S, P> {
    return this.#result(() => {
      const published: Outcome[] = [];
      this.#db.transaction(() => command(this.parts, this.#transaction(published)))();
      return published;
    });
  }

  #result(run: () => readonly Outcome[]): Result<S, P> {
    try {
      return new Result(this, run(), undefined);
    } catch (error) {
      return new Result(this, [], error);
    }
  }

  #react<T extends ConsumedBy<S>>(type: T, data: DataOf<T>, changes: Changes = {}): readonly Outcome[] {
    const reactions: Readonly<Record<string, Reaction>> = this.parts.reactions;
    const event = eventOf(type, data, { id: this.clock.newId(), time: isoTime(this.clock.nowMs()), ...changes });
    return this.#db.transaction(() => {
      const outcome = reactions[type]?.(event, this.#moment());
      if (outcome === undefined) throw new Error(`${this.#name} has no reaction to ${type}`);
      const name = typeof outcome === 'string' ? outcome : outcome.type;
      const { reactions: alone, peers = {} }: EventSpec = choreography.events[type];
      const declared = [...(alone[this.#name] ?? []), ...(peers[this.#name] ?? [])];
      expect(declared, `outcomes that the contract declares for ${this.#name} and ${type}`).to.include(name);
      if (typeof outcome !== 'string') this.#publish(outcome as Emission);
      return [outcome];
    })();
  }

  #publish({ type, data }: Emission, id = this.clock.newId()): CloudEvent {
    choreography.events[type].data.parse(data);
    const event = eventOf(type, data, { id, time: isoTime(this.clock.nowMs()) });
    this.parts.published?.(event);
    return event;
  }

  #moment(): Moment {
    return { nowMs: this.clock.nowMs(), now: isoTime(this.clock.nowMs()) };
  }

  #transaction(published: Outcome[]): Transaction<S> {
    return {
      ...this.#moment(),
      steadyMs: this.clock.steadyMs(),
      newId: () => this.clock.newId(),
      publish: (emission, causeId) => {
        published.push(emission);
        return this.#publish(emission as Emission, causeId && causedEventId(causeId, this.#name, emission.type));
      },
    };
  }
}

class Result<S extends ServiceName, P extends ServiceParts<S>> {
  readonly #given: Given<S, P>;
  readonly #outcomes: readonly Outcome[];
  readonly #error: unknown;

  constructor(known: Given<S, P>, outcomes: readonly Outcome[], error: unknown) {
    this.#given = known;
    this.#outcomes = outcomes;
    this.#error = error;
  }

  /** Exactly this event, and no other. */
  publishes<T extends EventType & PublishedBy<S>>(type: T, data: DataOf<T>): this {
    this.#succeeded();
    expect(this.#outcomes).to.deep.equal([{ type, data }]);
    return this;
  }

  /** One event of this type, or as many as it says; the data is checked by the contract's schema only. */
  publishesA(type: EventType & PublishedBy<S>, count = 1): this {
    this.#succeeded();
    expect(this.#outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.type))).to.deep.equal(
      Array.from({ length: count }, () => type),
    );
    return this;
  }

  /** No event, for a reason that the contract declares. */
  isSilent(outcome: SilentOutcome): this {
    this.#succeeded();
    expect(this.#outcomes).to.deep.equal([outcome]);
    return this;
  }

  publishesNothing(): this {
    this.#succeeded();
    expect(this.#outcomes).to.deep.equal([]);
    return this;
  }

  /** The sender did something wrong, and the answer names it. */
  refuses(status: number, code: string, extras: Readonly<Record<string, unknown>> = {}): this {
    expect(this.#error).to.be.instanceOf(ProblemError);
    const problem = this.#error as ProblemError;
    expect({ status: problem.status, code: problem.code }).to.deep.equal({ status, code });
    expect(problem.extras).to.deep.include(extras);
    return this;
  }

  /** Something that cannot be: the message is retried or dead-lettered, depending on the class of the error. */
  throws(message: RegExp, errorClass: abstract new (...parameters: never[]) => Error = Error): this {
    expect(this.#error).to.be.instanceOf(errorClass).and.not.to.be.instanceOf(ProblemError);
    expect((this.#error as Error).message).to.match(message);
    return this;
  }

  /** What is so afterwards. */
  leaving(check: (parts: P) => void): Given<S, P> {
    check(this.#given.parts);
    return this.#given;
  }

  #succeeded(): void {
    if (this.#error) throw this.#error;
  }
}
