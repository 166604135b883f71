// given / when / emits: what a service knows, what happens, what it says. Over the real tables in memory, no broker.
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
import type { AnyEvent } from '../../shared/contract/cloud-event.ts';
import type { SilentOutcome } from '../../shared/contract/language.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { migrationsOf, type ServiceDefinition, type ServiceParts } from '../../shared/runtime/node/service-node.ts';
import type { Transaction } from '../../shared/runtime/node/transaction.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf } from './events.ts';
import { HandClock } from './hand-clock.ts';

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
    this.#db = openDatabase(':memory:', migrationsOf(definition));
    this.parts = definition.build(this.#db);
  }

  /** What is so before anything happens. */
  has(setUp: (parts: P, tx: Transaction<S>) => void): this {
    this.#db.transaction(() => setUp(this.parts, this.#transaction([])))();
    return this;
  }

  /** What has happened elsewhere before. */
  heard<T extends ConsumedBy<S>>(type: T, data: DataOf<T>): this {
    this.#react(type, data);
    return this;
  }

  /** Something happens elsewhere. */
  when<T extends ConsumedBy<S>>(type: T, data: DataOf<T>): Result<S, P> {
    return this.#result(() => this.#react(type, data));
  }

  /** Somebody asks for something, or a time has come. */
  whenAsked(command: (parts: P, tx: Transaction<S>) => unknown): Result<S, P> {
    return this.#result(() => {
      const said: Emission[] = [];
      this.#db.transaction(() => command(this.parts, this.#transaction(said)))();
      return said;
    });
  }

  #result(run: () => readonly (Emission | string)[]): Result<S, P> {
    try {
      return new Result(this, run(), undefined);
    } catch (error) {
      return new Result(this, [], error);
    }
  }

  #react<T extends ConsumedBy<S>>(type: T, data: DataOf<T>): readonly (Emission | string)[] {
    const reactions = this.parts.reactions as unknown as Record<string, (event: AnyEvent, at: unknown) => unknown>;
    const event = eventOf(type, data, { id: this.clock.newId(), time: isoTime(this.clock.nowMs()) });
    return this.#db.transaction(() => {
      const outcome = reactions[type]?.(event as unknown as AnyEvent, this.#moment()) as Emission | string;
      const name = typeof outcome === 'string' ? outcome : outcome.type;
      const declared = (choreography.events[type as EventType].reactions as Record<string, readonly string[]>)[
        this.#name
      ];
      expect(declared, `outcomes that the contract declares for ${this.#name} and ${type}`).to.include(name);
      if (typeof outcome !== 'string') this.#say(outcome);
      return [outcome];
    })();
  }

  #say(emission: Emission): AnyEvent {
    choreography.events[emission.type].data.parse(emission.data);
    const event = eventOf(emission.type, emission.data, {
      id: this.clock.newId(),
      time: isoTime(this.clock.nowMs()),
    }) as unknown as AnyEvent;
    this.parts.record?.(event);
    return event;
  }

  #moment(): { nowMs: number; now: string } {
    return { nowMs: this.clock.nowMs(), now: isoTime(this.clock.nowMs()) };
  }

  #transaction(said: Emission[]): Transaction<S> {
    return {
      ...this.#moment(),
      newId: () => this.clock.newId(),
      emit: (emission) => {
        said.push(emission as Emission);
        return this.#say(emission as Emission);
      },
    };
  }
}

class Result<S extends ServiceName, P extends ServiceParts<S>> {
  readonly #given: Given<S, P>;
  readonly #said: readonly (Emission | string)[];
  readonly #error: unknown;

  constructor(known: Given<S, P>, said: readonly (Emission | string)[], error: unknown) {
    this.#given = known;
    this.#said = said;
    this.#error = error;
  }

  /** Exactly this event, and no other. */
  emits<T extends EventType & PublishedBy<S>>(type: T, data: DataOf<T>): this {
    this.#succeeded();
    expect(this.#said).to.deep.equal([{ type, data }]);
    return this;
  }

  /** One event of this type; its data is checked by the contract's schema only. */
  emitsA(type: EventType & PublishedBy<S>, count = 1): this {
    this.#succeeded();
    expect(this.#said.map((said) => (typeof said === 'string' ? said : said.type))).to.deep.equal(
      Array.from({ length: count }, () => type),
    );
    return this;
  }

  /** Nothing follows, for a reason that the contract knows. */
  says(outcome: SilentOutcome): this {
    this.#succeeded();
    expect(this.#said).to.deep.equal([outcome]);
    return this;
  }

  emitsNothing(): this {
    this.#succeeded();
    expect(this.#said).to.deep.equal([]);
    return this;
  }

  /** The sender did something wrong and is told so. */
  refuses(status: number, code: string, extras: Readonly<Record<string, unknown>> = {}): this {
    expect(this.#error).to.be.instanceOf(ProblemError);
    const problem = this.#error as ProblemError;
    expect({ status: problem.status, code: problem.code }).to.deep.equal({ status, code });
    expect(problem.extras).to.deep.include(extras);
    return this;
  }

  /** Something that can't be: the message will be dead-lettered. */
  breaks(message: RegExp): this {
    expect(this.#error).to.be.instanceOf(Error).and.not.to.be.instanceOf(ProblemError);
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
