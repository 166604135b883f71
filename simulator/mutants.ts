// Planted bugs: common mistakes in sagas, each wrapped around the real code from outside, so that the services have
// no switch for them. The simulator must find every one; one that survives is a hole in the checks.

import type { InventoryParts } from '../inventory-service/service.ts';
import type { OrderStatus } from '../order-service/order.ts';
import type { OrderParts } from '../order-service/service.ts';
import type { PaymentParts } from '../payment-service/service.ts';
import type { SagaService } from '../services.ts';
import type { AnyEvent } from '../shared/contract/choreography.ts';
import { type Emission, emit, type ServiceName } from '../shared/contract/choreography.ts';
import { uuidBytes, uuidText } from '../shared/contract/event-id.ts';
import type { Bus, BusListener, OutgoingMessage, PublishOutcome } from '../shared/runtime/messaging/bus.ts';
import type { JournalReader } from '../shared/runtime/messaging/journal-queries.ts';
import type { Moment } from '../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceParts } from '../shared/runtime/node/service.ts';
import { type Database, isTransient } from '../shared/runtime/storage/database.ts';
import { checksumOf } from '../shared/runtime/storage/journal.ts';
import type { FaultKind } from './environment/faults.ts';
import { Random } from './environment/random.ts';
import { uuidV7 } from './environment/sim-clock.ts';
import { replaced, type SimDatabase, type StatementHook } from './environment/sim-database.ts';
import type { PromiseId } from './environment/violation.ts';

type Definition = SagaService;

export interface Mutant {
  readonly name: string;
  readonly bug: string;
  /** The promise that it breaks, and by which it must be found. */
  readonly promise: PromiseId;
  /** Faults that bring it to light. Absent: all. */
  readonly faults?: readonly FaultKind[];
  /** The disks are checkpointed now and then; see SimDatabase. */
  readonly checkpoints?: true;
  definition?(definition: Definition): Definition | undefined;
  statements?(service: ServiceName): StatementHook | undefined;
  bus?(bus: Bus, service: ServiceName, random: Random): Bus;
  opened?(database: SimDatabase, service: ServiceName): void;
  /** How another service's journal is read. */
  journal?(reader: JournalReader): JournalReader;
  /** How long journals keep events; without it: for ever. */
  readonly retentionMs?: number;
}

type React = (event: AnyEvent, at: Moment) => Emission | string;

/** Replaces one reaction of one service. */
function reaction<P = unknown>(
  service: ServiceName,
  type: string,
  build: (real: React, parts: P, db: Database) => React,
): Pick<Mutant, 'definition'> {
  return parts(service, (real, db) => {
    const reactions = real.reactions as unknown as Record<string, React>;
    const bugged = build(reactions[type] as React, real as P, db);
    return { ...real, reactions: { ...reactions, [type]: bugged } as never };
  });
}

function parts(
  service: ServiceName,
  change: (real: ServiceParts, db: Database) => ServiceParts,
): Pick<Mutant, 'definition'> {
  return {
    definition: (definition) =>
      definition.name === service
        ? { ...definition, build: (db: Database) => change(definition.build(db), db) }
        : undefined,
  };
}

/** Publishes every message in another way. */
function publishing(
  publish: (bus: Bus, message: OutgoingMessage, done: (outcome: PublishOutcome) => void, random: Random) => void,
): Pick<Mutant, 'bus'> {
  return {
    bus: (bus, _service, random) => around(bus, { publish: (message, done) => publish(bus, message, done, random) }),
  };
}

function around(bus: Bus, changes: Partial<Bus>): Bus {
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

export const mutants: readonly Mutant[] = [
  {
    name: 'no-inbox',
    bug: 'an event takes effect every time it is delivered',
    promise: 'P6',
    statements: () => (sql, statement) =>
      sql.startsWith('INSERT INTO inbox (event_id, handled_at_ms, publisher, position, checksum) VALUES')
        ? replaced(statement, {
            run: (...values: unknown[]) => ({ ...statement.run(...values), changes: 1 }),
          })
        : statement,
  },
  {
    name: 'ack-before-commit',
    bug: 'a message is acked when it arrives',
    promise: 'P8',
    bus: (bus) =>
      around(bus, {
        start: (listener: BusListener) =>
          bus.start({
            publishingChanged: () => listener.publishingChanged(),
            consumingBegan: () => listener.consumingBegan?.(),
            delivered: (delivery) => {
              delivery.ack();
              listener.delivered({ ...delivery, ack() {} });
            },
          }),
      }),
  },
  {
    name: 'delete-before-confirm',
    bug: 'the outbox deletes a message as soon as it is published',
    promise: 'P9',
    ...publishing((bus, message, done) => {
      bus.publish(message, () => {});
      done('confirmed');
    }),
  },
  {
    name: 'unroutable-is-confirmed',
    bug: 'a message that is returned as unroutable counts as confirmed',
    promise: 'P9',
    ...publishing((bus, message, done) =>
      bus.publish(message, (outcome) => done(outcome === 'unroutable' ? 'confirmed' : outcome)),
    ),
  },
  {
    name: 'nacked-is-confirmed',
    bug: 'a nack from the broker counts as a confirm',
    promise: 'P9',
    ...publishing((bus, message, done) =>
      bus.publish(message, (outcome) => done(outcome === 'nacked' ? 'confirmed' : outcome)),
    ),
  },
  {
    name: 'id-made-at-publish',
    bug: 'an event gets its id when it is published, so a second attempt has another one',
    promise: 'P6',
    ...publishing((bus, message, done, random) => {
      const id = uuidV7(2_000_000_000_000, random);
      const body = Buffer.from(message.body.toString().replace(/"id":"[^"]+"/, `"id":"${id}"`));
      bus.publish({ ...message, messageId: id, body }, done);
    }),
  },
  {
    name: 'old-outbox-ignored',
    bug: 'what an earlier process left in the outbox is not published',
    promise: 'P9',
    statements: () => (sql, statement, db) => {
      if (sql !== 'SELECT min(confirmed_until) FROM outbox_marks') return statement;
      const head = db.prepare<[], number>('SELECT coalesce(max(position), 0) FROM journal').pluck();
      return replaced(statement, { get: () => head.get() });
    },
  },
  {
    name: 'journal-beside-transaction',
    bug: 'events are stored in a transaction of their own, after that of the state',
    promise: 'P9',
    statements: () => {
      const rows: unknown[][] = [];
      return (sql, statement, db) => {
        if (sql.startsWith('INSERT INTO journal')) {
          return replaced(statement, {
            run: (...values: unknown[]) => {
              rows.push(values);
              return { changes: 1, lastInsertRowid: 0 };
            },
          });
        }
        if (sql === 'ROLLBACK' || sql === 'BEGIN IMMEDIATE') return statement;
        if (sql !== 'COMMIT') return statement;
        const insert = db.prepare(
          `INSERT OR IGNORE INTO journal (position, event_id, checksum, type, subject, dead_letter, written_at_ms, body)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        );
        return replaced(statement, {
          run: () => {
            const result = statement.run();
            try {
              for (const row of rows.splice(0)) insert.run(...row);
            } catch (error) {
              if (!isTransient(error)) throw error;
            }
            return result;
          },
        });
      };
    },
  },
  {
    name: 'no-savepoint',
    bug: 'what a reaction has written before it throws is committed with the rest of its group',
    promise: 'P2',
    statements: () => (sql, statement) =>
      sql === 'ROLLBACK TO work' ? replaced(statement, { run: () => ({ changes: 0, lastInsertRowid: 0 }) }) : statement,
  },
  {
    name: 'dead-letter-not-stored',
    bug: 'dead letters are published from memory, without the outbox',
    promise: 'P8',
    statements: () => (sql, statement) =>
      !sql.startsWith('INSERT INTO journal')
        ? statement
        : replaced(statement, {
            run: (...values: unknown[]) =>
              values[5] === null ? statement.run(...values) : { changes: 1, lastInsertRowid: 0 },
          }),
  },
  {
    name: 'synchronous-normal',
    bug: 'a commit is answered before it is on disk (synchronous=NORMAL)',
    promise: 'P1',
    checkpoints: true,
    opened: (database) => void database.db.pragma('synchronous = NORMAL'),
  },
  {
    name: 'no-fence-in-payment',
    bug: 'a withdrawal that comes before its order leaves no fence in payment-service',
    promise: 'P7',
    ...reaction('payment-service', 'order.withdrawn', (real, _parts, db) => {
      const removeFence = db.prepare("DELETE FROM payments WHERE order_id = ? AND status = 'voided'");
      return (event, at) => {
        const outcome = real(event, at);
        removeFence.run(event.subject);
        return outcome;
      };
    }),
  },
  {
    name: 'no-fence-in-inventory',
    bug: 'a withdrawal that comes before the payment leaves no fence in inventory-service',
    promise: 'P7',
    ...reaction('inventory-service', 'order.withdrawn', (real, _parts, db) => {
      const removeFence = db.prepare("DELETE FROM reservations WHERE order_id = ? AND status = 'voided'");
      return (event, at) => {
        const outcome = real(event, at);
        removeFence.run(event.subject);
        return outcome;
      };
    }),
  },
  {
    name: 'refund-unchecked',
    bug: 'a withdrawal refunds an order without checking that it was charged',
    promise: 'P3',
    ...reaction<PaymentParts>('payment-service', 'order.withdrawn', (real, { store }) => (event, at) => {
      const known = store.payment(event.subject);
      if (known?.status === 'failed' && store.account(known.userId)) {
        store.enter(known.userId, 'refund', known.amount, event.subject, at.nowMs);
      }
      return real(event, at);
    }),
  },
  {
    name: 'refund-twice',
    bug: 'a refusal and a withdrawal of the same order each refund it',
    promise: 'P3',
    opened: ({ db }, service) => {
      if (service === 'payment-service') db.exec('DROP INDEX ledger_once');
    },
    ...reaction<PaymentParts>('payment-service', 'inventory.rejected', (real, { store }) => (event, at) => {
      const known = store.payment(event.subject);
      if (known?.status === 'refunded') store.enter(known.userId, 'refund', known.amount, event.subject, at.nowMs);
      return real(event, at);
    }),
  },
  {
    name: 'partial-reservation',
    bug: 'the lines that are in stock stay set aside when another one is not',
    promise: 'P4',
    ...reaction<InventoryParts>('inventory-service', 'payment.completed', (real, { store }) => (event, at) => {
      const outcome = real(event, at);
      if (typeof outcome !== 'string' && outcome.type === 'inventory.rejected' && event.type === 'payment.completed') {
        const short = new Set(outcome.data.shortages.map(({ productId }) => productId));
        for (const { productId, qty } of event.data.items) {
          if (!short.has(productId)) store.move(productId, 'reserve', -qty, event.subject, at.nowMs);
        }
      }
      return outcome;
    }),
  },
  {
    name: 'stock-not-returned',
    bug: 'a reservation is marked as released, and its stock is not returned',
    promise: 'P4',
    ...reaction<InventoryParts>('inventory-service', 'order.withdrawn', (real, { store }) => (event, at) => {
      const known = store.reservation(event.subject);
      if (known?.status !== 'reserved') return real(event, at);
      store.putReservation({ ...known, status: 'released' }, at.nowMs);
      return emit('inventory.released', { orderId: known.orderId, items: [...known.items] });
    }),
  },
  {
    name: 'confirm-after-withdrawn',
    bug: 'success confirms an order that has been withdrawn',
    promise: 'P7',
    ...reaction<OrderParts>('order-service', 'inventory.reserved', (real, { store }) => (event, at) => {
      const outcome = real(event, at);
      const order = store.order(event.subject);
      if (outcome !== 'withdrawn' || order?.status !== 'cancelling') return outcome;
      store.setStatus(order.orderId, 'confirmed', undefined);
      return emit('order.confirmed', { orderId: order.orderId, userId: order.userId, total: order.total });
    }),
  },
  {
    name: 'last-event-wins',
    bug: 'the status of an order follows from the last event alone, in whatever order they come',
    promise: 'P7',
    definition: (definition) =>
      definition.name !== 'order-service'
        ? undefined
        : {
            ...definition,
            build: (db: Database) => {
              const real = definition.build(db) as unknown as OrderParts;
              const statusAfter: Record<string, OrderStatus> = {
                'payment.completed': 'pending',
                'payment.failed': 'cancelled',
                'inventory.reserved': 'confirmed',
                'inventory.rejected': 'cancelling',
                'payment.refunded': 'cancelled',
              };
              const reactions = Object.fromEntries(
                Object.entries(real.reactions).map(([type, react]) => [
                  type,
                  (event: AnyEvent, at: Moment) => {
                    const outcome = (react as React)(event, at);
                    const status = statusAfter[type];
                    if (status) real.store.setStatus(event.subject, status, undefined);
                    return outcome;
                  },
                ]),
              );
              return { ...real, reactions } as never;
            },
          },
  },
  {
    name: 'deadline-ignores-confirmed',
    bug: 'the deadline withdraws an order that is confirmed',
    promise: 'P3',
    ...parts('order-service', (real, db) => {
      const notWithdrawn = `status IN ('pending', 'confirmed')
        AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.order_id = orders.order_id AND type = 'order.withdrawn')`;
      const due = db.prepare<[number], { order_id: string }>(
        `SELECT order_id FROM orders WHERE deadline_at_ms <= ? AND ${notWithdrawn} LIMIT 100`,
      );
      const next = db
        .prepare<[], number | null>(`SELECT min(deadline_at_ms) FROM orders WHERE ${notWithdrawn}`)
        .pluck();
      return {
        ...real,
        deadlines: {
          nextAtMs: () => next.get() ?? undefined,
          due: (nowMs) => due.all(nowMs).map(({ order_id }) => order_id),
          meet: (orderId, tx) => {
            tx.publish(emit('order.withdrawn', { orderId, userId: 'somebody', reason: 'deadline' }));
          },
        },
      };
    }),
  },
  {
    name: 'cursor-too-early',
    bug: 'a range of a journal counts as reconciled before what is missing of it was handled',
    promise: 'P8',
    journal: (reader) => ({
      digests: (query, done) => reader.digests(query, done),
      ids: (_query, done) => reader.events([], () => done([])),
      events: (positions, done) => reader.events(positions, done),
    }),
  },
  {
    name: 'digest-of-half',
    bug: 'a digest leaves out the first half of its range, in the journal and in the inbox',
    promise: 'P8',
    statements: () => (sql, statement) => {
      if (!sql.startsWith('SELECT count(*) AS count')) return statement;
      const ofInbox = sql.includes('FROM inbox');
      return replaced(statement, {
        get: (...values: unknown[]) => {
          const at = ofInbox ? 1 : 0;
          const [after, until] = [Number(values[at]), Number(values[at + 1])];
          values[at] = Math.ceil((after + until) / 2);
          return statement.get(...values);
        },
      });
    },
  },
  {
    name: 'ids-not-from-their-cause',
    bug: 'an event that follows from another gets a new id each time that its cause is handled',
    promise: 'P12',
    statements: () => {
      const random = new Random(1);
      return (sql, statement) =>
        !sql.startsWith('INSERT INTO journal')
          ? statement
          : replaced(statement, {
              run: (position, id, checksum, type, subject, deadLetter, atMs, body) => {
                const old = uuidText(id as Buffer);
                // Version 8: it is made from its cause.
                if (old.charAt(14) !== '8') {
                  return statement.run(position, id, checksum, type, subject, deadLetter, atMs, body);
                }
                const text = uuidV7(Number.parseInt(old.slice(0, 13).replace('-', ''), 16), random);
                const bytes = uuidBytes(text);
                const changed = Buffer.from((body as Buffer).toString().replace(old, text));
                return statement.run(position, bytes, checksumOf(bytes), type, subject, deadLetter, atMs, changed);
              },
            });
    },
  },
  {
    name: 'retention-cuts-unsent',
    bug: 'retention deletes what the broker has not confirmed',
    promise: 'P9',
    faults: ['unroutable', 'blocked', 'broker-restart'],
    retentionMs: 100,
    statements: () => (sql, statement) => {
      // The inbox keeps everything: only what retention does to the journal is looked at.
      if (sql.startsWith('DELETE FROM inbox')) {
        return replaced(statement, { run: () => ({ changes: 0, lastInsertRowid: 0 }) });
      }
      if (!sql.startsWith('DELETE FROM journal')) return statement;
      const head = Number.MAX_SAFE_INTEGER;
      return replaced(statement, { run: (_upTo, ...rest) => statement.run(head, ...rest) });
    },
  },
  {
    name: 'cancelled-too-early',
    bug: 'an order ends as cancelled before it has been refunded',
    promise: 'P2',
    ...reaction<OrderParts>('order-service', 'inventory.released', (real, { store }, db) => {
      const cancel = db.prepare("UPDATE orders SET status = 'cancelled' WHERE order_id = ?");
      return (event, at) => {
        const outcome = real(event, at);
        if (outcome === 'waits' && store.order(event.subject)?.status === 'cancelling') cancel.run(event.subject);
        return outcome;
      };
    }),
  },
];
