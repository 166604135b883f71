// The ways of planting a bug around the real code: in an event, in a reaction, in SQL, on the bus, in what a service says of
// its journal.
import type { AnyEvent, Emission, EventType, ServiceName } from '../../shared/contract/choreography.ts';
import type { Bus, OutgoingMessage, PublishOutcome } from '../../shared/runtime/messaging/bus.ts';
import type { JournalReader } from '../../shared/runtime/messaging/journal-queries.ts';
import type { Moment, Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { Deadlines, ServiceParts } from '../../shared/runtime/node/service.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Random } from '../environment/random.ts';
import { replaced } from '../environment/sim-database.ts';
import type { Planting } from './mutant.ts';

export type React = (event: AnyEvent, at: Moment) => Emission | string;

/** Data of an event, as a bug may change them. */
type Data = Record<string, unknown>;

/** Replaces one reaction of one service. */
export function reaction<P = unknown>(
  service: ServiceName,
  type: EventType,
  build: (real: React, parts: P, db: Database) => React,
): Planting {
  return parts(service, (real, db) => {
    const reactions = real.reactions as unknown as Record<string, React>;
    const bugged = build(reactions[type] as React, real as P, db);
    return { ...real, reactions: { ...reactions, [type]: bugged } as never };
  });
}

export function parts(service: ServiceName, change: (real: ServiceParts, db: Database) => ServiceParts): Planting {
  return {
    definition: (definition) =>
      definition.name === service
        ? { ...definition, build: (db: Database, member?: string) => change(definition.build(db, member), db) }
        : undefined,
  };
}

export function deadlines(change: (real: Deadlines) => Partial<Deadlines>): Planting {
  return parts('order-service', (real) => {
    if (!real.deadlines) throw new Error('order-service has deadlines');
    const { deadlines: own } = real;
    const same: Deadlines = {
      nextAtMs: () => own.nextAtMs(),
      due: (nowMs, limit) => own.due(nowMs, limit),
      meet: (orderId, tx, publishers) => own.meet(orderId, tx, publishers),
    };
    return { ...real, deadlines: { ...same, ...change(own) } };
  });
}

/** Every event of this type says something else, whatever has led to it. */
export function saying(service: ServiceName, type: EventType, change: (data: Data) => Data): Planting {
  const changed = <E extends { readonly type: string; readonly data: unknown }>(emission: E): E =>
    emission.type === type ? { ...emission, data: change(emission.data as Data) } : emission;
  const publishing = (tx: Transaction): Transaction => ({
    ...tx,
    newId: () => tx.newId(),
    publish: (emission) => tx.publish(changed(emission)),
  });
  return {
    transaction: (tx, of) => (of === service ? publishing(tx) : tx),
    ...parts(service, (real) => {
      const reactions = Object.entries(real.reactions).map(([consumed, react]): [string, React] => [
        consumed,
        (event, at) => {
          const outcome = (react as unknown as React)(event, at);
          return typeof outcome === 'string' ? outcome : changed(outcome);
        },
      ]);
      const own = real.deadlines;
      return {
        ...real,
        reactions: Object.fromEntries(reactions) as never,
        deadlines: own && {
          nextAtMs: () => own.nextAtMs(),
          due: (nowMs, limit) => own.due(nowMs, limit),
          meet: (orderId, tx, publishers) => own.meet(orderId, publishing(tx), publishers),
        },
      };
    }),
  };
}

/** Envelopes are made differently: in the journal, and so in what is published. */
export function enveloping(change: (event: Record<string, unknown>) => Record<string, unknown>): Planting {
  const rewritten = (body: Buffer): Buffer => {
    const event = JSON.parse(body.toString()) as Record<string, unknown> | Record<string, unknown>[];
    return Buffer.from(JSON.stringify(Array.isArray(event) ? event.map(change) : change(event)));
  };
  return {
    statements: () => (sql, statement) =>
      sql.startsWith('INSERT INTO journal')
        ? replaced(statement, {
            run: (...values: unknown[]) =>
              statement.run(...values.slice(0, 7), values[5] === null ? rewritten(values[7] as Buffer) : values[7]),
          })
        : statement,
    ...publishing((bus, message, done) =>
      bus.publish(message.headers ? message : { ...message, body: rewritten(message.body) }, done),
    ),
  };
}

/** Other SQL in the place of a piece of a statement; of one service, or of all. */
export function sql(where: string | RegExp, from: string | RegExp, to: string, only?: ServiceName): Planting {
  return {
    statements: (service) => (text, statement, db) => {
      const matches = typeof where === 'string' ? text.includes(where) : where.test(text);
      if (!matches || (only !== undefined && service !== only)) return statement;
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`nothing to replace in: ${text}`);
      return db.prepare(changed);
    },
  };
}

/** A statement does nothing, and says that it has changed so many rows. */
export function withoutEffect(starts: string, changes = 1, only?: ServiceName): Planting {
  return {
    statements: (service) => (text, statement) =>
      text.startsWith(starts) && (only === undefined || service === only)
        ? replaced(statement, { run: () => ({ changes, lastInsertRowid: 0 }) })
        : statement,
  };
}

/** Publishes every message in another way. */
export function publishing(
  publish: (bus: Bus, message: OutgoingMessage, done: (outcome: PublishOutcome) => void, random: Random) => void,
): Planting {
  return {
    bus: (bus, _service, random) => around(bus, { publish: (message, done) => publish(bus, message, done, random) }),
  };
}

export function around(bus: Bus, changes: Partial<Bus>): Bus {
  return {
    start: (listener) => bus.start(listener),
    canPublish: () => bus.canPublish(),
    publish: (message, done) => bus.publish(message, done),
    backlog: (done) => bus.backlog(done),
    status: () => bus.status(),
    stopConsuming: () => bus.stopConsuming(),
    stop: () => bus.stop(),
    ...changes,
  };
}

/** What an instance answers its peers is different. */
export function peersAnswering(change: (path: string, answer: unknown) => unknown): Planting {
  return {
    peer: (real) => ({
      get: (path, query, done) =>
        real.get(path, query, (answer) => done(answer instanceof Error ? answer : change(path, answer))),
    }),
  };
}

/** What a consumer is told about a publisher's journal is different. */
export function reading(change: (real: JournalReader) => Partial<JournalReader>): Planting {
  return {
    journal: (real) => ({
      digests: (query, done) => real.digests(query, done),
      ids: (query, done) => real.ids(query, done),
      events: (positions, done) => real.events(positions, done),
      ...change(real),
    }),
  };
}
