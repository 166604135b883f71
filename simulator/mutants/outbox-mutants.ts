// Outbox, relay and journal: how events get to the broker.
import { cloudEventBatchContentType } from '../../shared/contract/cloud-event.ts';
import { uuidBytes, uuidText } from '../../shared/contract/event-id.ts';
import { isTransient } from '../../shared/runtime/storage/database.ts';
import { checksumOf } from '../../shared/runtime/storage/journal.ts';
import { Random } from '../environment/random.ts';
import { uuidV7 } from '../environment/sim-clock.ts';
import { replaced } from '../environment/sim-database.ts';
import { type Mutant, planted } from './mutant.ts';
import { around, publishing, withoutEffect } from './planting.ts';

export const outboxMutants: readonly Mutant[] = [
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
  planted(
    'P9',
    'lost-is-confirmed',
    'what was on its way when the connection ended counts as confirmed',
    publishing((bus, message, done) =>
      bus.publish(message, (outcome) => done(outcome === 'lost' ? 'confirmed' : outcome)),
    ),
  ),
  planted(
    'P9',
    'lost-is-unanswered',
    'what was on its way when the connection ended is never answered',
    publishing((bus, message, done) =>
      bus.publish(message, (outcome) => {
        if (outcome !== 'lost') done(outcome);
      }),
    ),
  ),
  planted(
    'P9',
    'not-mandatory',
    'the broker is not asked to return what it cannot route',
    publishing((bus, message, done) => bus.publish({ ...message, mandatory: false }, done)),
  ),
  planted('P9', 'not-woken-at-reconnect', 'what waits for a connection waits for the next scan, half a minute later', {
    bus: (bus) =>
      around(bus, {
        start: (listener) => {
          let connected = false;
          bus.start({
            delivered: (delivery) => listener.delivered(delivery),
            consumingBegan: () => listener.consumingBegan?.(),
            publishingChanged: () => {
              if (!connected) listener.publishingChanged();
              connected = true;
            },
          });
        },
      }),
  }),
  planted(
    'P9',
    'bytes-differ',
    'an event is encoded again when it is published',
    publishing((bus, message, done) => {
      if (message.headers) return bus.publish(message, done);
      bus.publish({ ...message, body: Buffer.from(`${message.body.toString()} `) }, done);
    }),
  ),
  planted(
    'P9',
    'order-property-missing',
    'a message does not name its order in its properties',
    publishing((bus, message, done) => bus.publish({ ...message, correlationId: undefined }, done)),
  ),
  planted(
    'P9',
    'batch-loses-its-last',
    'the last event of a batch is left out',
    publishing((bus, message, done) => {
      if (message.contentType !== cloudEventBatchContentType) return bus.publish(message, done);
      const events = JSON.parse(message.body.toString()) as unknown[];
      bus.publish({ ...message, body: Buffer.from(JSON.stringify(events.slice(0, -1))) }, done);
    }),
  ),
  planted('P9', 'exceptions-forgotten', 'what the mark has passed and the broker has not taken is not remembered', {
    ...withoutEffect('INSERT OR IGNORE INTO outbox_exceptions'),
    faults: ['unroutable', 'crash', 'nack', 'broker-restart'],
  }),
  planted('P9', 'mark-goes-to-the-head', 'the mark of what is confirmed goes to the newest event', {
    statements: () => (sql, statement, db) => {
      if (!sql.startsWith('INSERT INTO outbox_marks')) return statement;
      const head = db.prepare<[], number>('SELECT coalesce(max(position), 0) FROM journal').pluck();
      return replaced(statement, { run: (id, _mark, atMs) => statement.run(id, head.get(), atMs) });
    },
  }),
];
