// Inbox: how events take effect, once.
import type { BusListener, Delivery } from '../../shared/runtime/messaging/bus.ts';
import { replaced } from '../environment/sim-database.ts';
import { type Mutant, planted } from './mutant.ts';
import { around, sql } from './planting.ts';

/** Messages are handed over differently. */
function delivering(hand: (delivery: Delivery, listener: BusListener) => void): Pick<Mutant, 'bus'> {
  return {
    bus: (bus) =>
      around(bus, {
        start: (listener) =>
          bus.start({
            publishingChanged: () => listener.publishingChanged(),
            consumingBegan: () => listener.consumingBegan?.(),
            delivered: (delivery) => hand(delivery, listener),
          }),
      }),
  };
}

/** How the statement begins that records an event as handled. */
export const insertHandled = 'INSERT INTO inbox (event_id, handled_at_ms, publisher, position, checksum) VALUES';

export const inboxMutants: readonly Mutant[] = [
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
    // An event is brought again by reconciliation; what nobody else has is lost when its handler crashes.
    faults: ['poison', 'crash'],
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
  planted('P8', 'inbox-outside-savepoint', 'an event whose reaction has thrown is in the inbox all the same', {
    statements: () => {
      let last: unknown[] | undefined;
      let insert: { run(...values: unknown[]): unknown } | undefined;
      return (text, statement) => {
        if (text.startsWith(insertHandled)) {
          insert = statement;
          return replaced(statement, {
            run: (...values: unknown[]) => {
              last = values;
              return statement.run(...values);
            },
          });
        }
        if (text !== 'ROLLBACK TO work') return statement;
        return replaced(statement, {
          run: () => {
            const result = statement.run();
            if (last) insert?.run(...last);
            last = undefined;
            return result;
          },
        });
      };
    },
  }),
  planted(
    'P8',
    'redrive-ignored',
    'a dead letter that is redriven counts as a duplicate',
    sql(insertHandled, /DO UPDATE.*/s, 'DO NOTHING'),
  ),
  planted(
    'P8',
    'ack-forgotten',
    'now and then a message is not acked',
    delivering((delivery, listener) =>
      listener.delivered(delivery.messageId?.endsWith('77') ? { ...delivery, ack() {} } : delivery),
    ),
  ),
  planted(
    'P8',
    'duplicate-rejected',
    'a message that was delivered before is rejected',
    delivering((delivery, listener) => (delivery.redelivered ? delivery.reject() : listener.delivered(delivery))),
  ),
  planted(
    'P8',
    'handed-on-damaged',
    'now and then a byte of a message is lost on its way to the handler',
    delivering((delivery, listener) =>
      listener.delivered(
        delivery.messageId?.endsWith('77') ? { ...delivery, body: delivery.body.subarray(1) } : delivery,
      ),
    ),
  ),
];
