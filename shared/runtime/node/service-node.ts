// One running service without its HTTP side: database, inbox, outbox, relay, reactions, timers, wired together.
// The simulator runs exactly this, over a simulated broker and clock.

import {
  type ConsumedBy,
  choreography,
  type Emission,
  type Outcome,
  type ServiceName,
} from '../../contract/choreography.ts';
import {
  type AnyEvent,
  type CloudEvent,
  cloudEventContentType,
  dataSchemaOf,
  encodeEvent,
} from '../../contract/cloud-event.ts';
import { exchangeOf } from '../../contract/topology.ts';
import { type Clock, isoTime, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { Bus } from '../messaging/bus.ts';
import { EventHandler } from '../messaging/event-handler.ts';
import { OutboxRelay } from '../messaging/outbox-relay.ts';
import type { Database } from '../storage/database.ts';
import { GroupCommit, type GroupParticipant, type HitFailpoint, type Result } from '../storage/group-commit.ts';
import { Inbox, inboxSchema } from '../storage/inbox.ts';
import { Outbox, outboxSchema } from '../storage/outbox.ts';
import type { Cause, Moment, Transaction } from './transaction.ts';

/**
 * One function per event that the service hears. It runs inside the open transaction and returns one of the outcomes
 * that the contract declares: an event, or a silent outcome. It never publishes, awaits, reads a clock or makes an id.
 * A refusal is an event; a throw means that something is broken.
 */
export type Reactions<S extends ServiceName> = {
  readonly [T in ConsumedBy<S>]: (event: Extract<AnyEvent, { type: T }>, at: Moment) => Outcome<S, T>;
};

/** What a service is made of, once its database is open. */
export interface ServiceParts<S extends ServiceName> {
  readonly reactions: Reactions<S>;
  /** Called for every event the service itself says, inside the transaction that says it. */
  record?(event: AnyEvent): void;
  /** Something the service does of its own accord at a time that its database knows. */
  readonly alarm?: {
    /** When it is due next; undefined: nothing is. Called after every commit, so it must be quick. */
    nextAtMs(): number | undefined;
    /** Does what is due, a bounded part of it at a time. */
    ring(tx: Transaction<S>): void;
  };
}

export interface ServiceDefinition<S extends ServiceName, P extends ServiceParts<S> = ServiceParts<S>> {
  readonly name: S;
  /** TCP port of its HTTP interface where PORT is not set. */
  readonly port: number;
  /** Append only; see openDatabase. The runtime's own tables come first. */
  readonly migrations: readonly string[];
  build(db: Database): P;
}

/** The migrations of a service's database: the runtime's tables, then the service's own. */
export function migrationsOf(definition: { readonly migrations: readonly string[] }): string[] {
  return [inboxSchema + outboxSchema, ...definition.migrations];
}

export interface NodeEnvironment {
  readonly db: Database;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** Most events in one message; see event-batch.ts. Default 1. */
  readonly batchMax?: number;
  readonly reached?: HitFailpoint;
}

/** Longest sleep until the alarm is looked at again: the wall clock may jump. */
const alarmSleepMsMax = 2_000;
const alarmRetryMs = 1_000;

export class ServiceNode<S extends ServiceName, P extends ServiceParts<S> = ServiceParts<S>> {
  readonly name: S;
  readonly parts: P;
  readonly relay: OutboxRelay;
  readonly handler: EventHandler;
  readonly commit: GroupCommit;
  readonly #env: NodeEnvironment;
  readonly #outbox: Outbox;
  readonly #listeners = new Set<(event: CloudEvent) => void>();
  #alarm: { readonly atMs: number; readonly timer: Timer } | undefined;
  #running = false;

  constructor(definition: ServiceDefinition<S, P>, env: NodeEnvironment) {
    this.name = definition.name;
    this.#env = env;
    this.parts = definition.build(env.db);
    this.#outbox = new Outbox(env.db);
    this.relay = new OutboxRelay({ outbox: this.#outbox, ...env });
    const alarm: GroupParticipant = { begin() {}, committed: () => this.#armAlarm(), rolledBack() {} };
    this.commit = new GroupCommit(env.db, env.clock, [this.relay, alarm], env.reached);
    this.handler = new EventHandler({
      service: definition.name,
      inbox: new Inbox(env.db),
      commit: this.commit,
      clock: env.clock,
      log: env.log,
      reached: env.reached,
      react: (event, at) => {
        // The runner lets only types through that this service hears, which the compiler can't see.
        const reactions = this.parts.reactions as unknown as Record<
          string,
          (event: AnyEvent, at: Moment) => Emission | string
        >;
        const react = reactions[event.type];
        if (!react) throw new Error(`${this.name} has no reaction to ${event.type}`);
        return react(event, at);
      },
      emit: (emission, at, cause) => this.#emit(emission, at, cause),
      deadLetter: (message, nowMs) => this.#append(message, nowMs),
      committed: (events) => this.#tell(events),
    });
  }

  /** Connects, publishes what an earlier run left in the outbox, begins to react, and looks at what is overdue. */
  start(): void {
    this.#running = true;
    this.#env.bus.start({
      delivered: (delivery) => this.handler.deliver(delivery),
      publishingChanged: () => this.relay.pump(),
    });
    this.relay.start(this.commit);
    this.#armAlarm();
  }

  /** Ends timers and takes no more deliveries. What is committed and not yet published stays in the outbox. */
  stop(): void {
    this.#running = false;
    this.#alarm?.timer.cancel();
    this.#alarm = undefined;
    this.handler.stop();
    this.relay.stop();
  }

  /**
   * Runs a command in the next group commit.
   * @returns its result, once that and every event it emitted are on disk
   * @throws what the command threw (nothing of it is stored); TransientError when the database can't be written now
   */
  transact<R>(command: (tx: Transaction<S>) => R, cause: Cause): Promise<R> {
    return new Promise((resolve, reject) =>
      this.submit(command, cause, (result) => (result.ok ? resolve(result.value) : reject(result.error))),
    );
  }

  /** The same with a callback, which is called in the very turn of the commit. */
  submit<R>(command: (tx: Transaction<S>) => R, cause: Cause, done: (result: Result<R>) => void): void {
    const events: CloudEvent[] = [];
    this.commit.submit(
      () => {
        events.length = 0;
        return command(this.#transaction(cause, events));
      },
      (result) => {
        done(result);
        if (result.ok) this.#tell(events);
      },
    );
  }

  /** Calls back for every event this service says, after it is on disk. Returns a function that ends that. */
  onEmitted(listener: (event: CloudEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A moment in time, for reads. */
  moment(): Moment {
    const nowMs = this.#env.clock.nowMs();
    return { nowMs, now: isoTime(nowMs) };
  }

  #transaction(cause: Cause, events: CloudEvent[]): Transaction<S> {
    const at = this.moment();
    return {
      ...at,
      newId: () => this.#env.clock.newId(),
      emit: (emission) => {
        const event = this.#emit(emission as Emission, at, cause);
        events.push(event);
        return event;
      },
    };
  }

  #emit(emission: Emission, at: Moment, cause: Cause): CloudEvent {
    const spec = choreography.events[emission.type];
    const subject = (emission.data as Record<string, unknown>)[spec.subject] as string;
    const event: CloudEvent = {
      specversion: '1.0',
      id: this.#env.clock.newId(),
      type: emission.type,
      source: this.name,
      subject,
      time: at.now,
      datacontenttype: 'application/json',
      dataschema: dataSchemaOf(emission.type),
      correlationid: subject,
      causationid: cause.causationId,
      traceparent: cause.traceparent,
      data: emission.data,
    };
    this.#append(
      {
        exchange: exchangeOf(this.name),
        routingKey: event.type,
        body: encodeEvent(event),
        messageId: event.id,
        contentType: cloudEventContentType,
        mandatory: Object.keys(spec.reactions).length > 0,
        correlationId: subject,
      },
      at.nowMs,
    );
    this.parts.record?.(event as AnyEvent);
    return event;
  }

  #append(message: Parameters<Outbox['append']>[0], nowMs: number): void {
    this.relay.appended(this.#outbox.append(message, nowMs));
  }

  #tell(events: readonly CloudEvent[]): void {
    for (const event of events) for (const listener of this.#listeners) listener(event);
  }

  #armAlarm(): void {
    const { alarm } = this.parts;
    if (!alarm || !this.#running) return;
    const dueMs = alarm.nextAtMs();
    if (dueMs === undefined) return;
    if (this.#alarm && this.#alarm.atMs <= dueMs) return;
    this.#setAlarm(dueMs, Math.max(0, dueMs - this.#env.clock.nowMs()));
  }

  #setAlarm(dueMs: number, delayMs: number): void {
    this.#alarm?.timer.cancel();
    const timer = this.#env.clock.after(Math.min(delayMs, alarmSleepMsMax), () => this.#ring(dueMs));
    this.#alarm = { atMs: dueMs, timer };
  }

  #ring(dueMs: number): void {
    this.#alarm = undefined;
    if (!this.#running) return;
    if (this.#env.clock.nowMs() < dueMs) return this.#armAlarm();
    this.submit(
      (tx) => this.parts.alarm?.ring(tx),
      newCause(this.#env.clock.newId(), this.#env.clock),
      (result) => {
        if (result.ok || !this.#running) return;
        this.#env.log.error({ error: String(result.error) }, 'what was due could not be done now: it is tried again');
        this.#setAlarm(dueMs, alarmRetryMs);
      },
    );
  }
}

/** The cause of something that no event led to. */
export function newCause(causationId: string, clock: Clock, traceparent?: string): Cause {
  return { causationId, traceparent: traceparent ?? newTraceparent(clock) };
}

function newTraceparent(clock: Clock): string {
  const hex = () => clock.newId().replaceAll('-', '');
  return `00-${hex()}-${hex().slice(16)}-01`;
}
