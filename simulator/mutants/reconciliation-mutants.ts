// Reconciliation, and databases that were put back.
import type { OrderParts } from '../../order-service/service.ts';
import type { PaymentParts } from '../../payment-service/service.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import { ContradictoryEventError } from '../../shared/runtime/messaging/reaction.ts';
import { Counter } from '../environment/faults.ts';
import { replaced, type StatementHook } from '../environment/sim-database.ts';
import { insertHandled } from './inbox-mutants.ts';
import { type Mutant, planted } from './mutant.ts';
import { reaction, reading } from './planting.ts';

/** Attempts after which an event about something unknown is acked, and left to reconciliation. */
const attemptsInHand = 5;

function deferredCountsAsHandled(): StatementHook {
  const undone = new Counter();
  let last = '';
  return (sql, statement) => {
    if (sql.startsWith(insertHandled))
      return replaced(statement, {
        run: (id, ...values) => {
          last = hex(id);
          return statement.run(id, ...values);
        },
      });
    if (sql === 'ROLLBACK TO work')
      return replaced(statement, {
        run: () => {
          undone.add(last);
          return statement.run();
        },
      });
    if (!sql.startsWith('SELECT coalesce(position, 0) FROM inbox')) return statement;
    return replaced(statement, { get: (id) => (undone.get(hex(id)) >= attemptsInHand ? 0 : statement.get(id)) });
  };
}

function hex(id: unknown): string {
  return (id as Buffer).toString('hex');
}

export const reconciliationMutants: readonly Mutant[] = [
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
    // Without what brings lost events again in other ways.
    faults: ['queue-deleted', 'queue-purged'],
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
  planted(
    'P8',
    'fetched-are-dropped',
    'what the broker has lost is fetched and not handled',
    reading(() => ({ events: (_positions, done) => done([]) })),
  ),
  planted(
    'P8',
    'only-the-first-fetched',
    'of several events that are missing, one is fetched',
    reading((real) => ({ events: (positions, done) => real.events(positions.slice(0, 1), done) })),
  ),
  planted(
    'P8',
    'fetches-all-types',
    'events are fetched that the service does not subscribe to',
    reading((real) => ({
      ids: (query, done) => real.ids({ ...query, types: Object.keys(choreography.events) }, done),
    })),
  ),
  planted(
    'P8',
    'journals-unread',
    'no journal can ever be read',
    reading(() => ({ digests: (_query, done) => done(new Error('connection refused')) })),
  ),
  planted(
    'P12',
    'put-back-unnoticed-by-consumer',
    'a consumer does not notice that a journal ends before what it has seen',
    {
      ...reading((real) => ({
        digests: (query, done) =>
          real.digests(query, (answer) =>
            done(
              answer instanceof Error
                ? answer
                : {
                    ...answer,
                    anchor: query.anchor,
                    anchorWrittenAtMs: undefined,
                    head: Math.max(answer.head, query.after),
                  },
            ),
          ),
      })),
      // Most databases are put back before their journal was read to where it ends.
      orders: 600,
    },
  ),
  planted('P12', 'handled-events-unasked', 'no handled event is held against the journal of its publisher', {
    statements: () => (sql, statement) =>
      sql.includes('dead_letter = 0 ORDER BY position DESC')
        ? replaced(statement, { iterate: () => [].values() })
        : statement,
  }),
  planted(
    'P12',
    'deferred-and-dropped',
    'an event about something unknown is left to reconciliation, which does not take it for missing',
    {
      // Nothing is unknown for so long, unless it was lost with a database.
      faults: ['put-back', 'delay', 'message-lost'],
      statements: () => deferredCountsAsHandled(),
    },
  ),
  planted('P12', 'lost-order-not-rebuilt', 'an order that only payment-service knows is not rebuilt', {
    ...reaction<OrderParts>(
      'order-service',
      'payment.completed',
      (real, { store }) =>
        (event, at) =>
          store.order(event.subject) ? real(event, at) : 'noted',
    ),
  }),
  planted(
    'P7',
    'unknown-payment-given-up',
    'stock that is refused for a payment that is not known yet counts as compensated',
    {
      orders: 400,
      // With all faults, one run in six comes to it.
      faults: ['put-back', 'delay', 'message-lost'],
      ...reaction<PaymentParts>(
        'payment-service',
        'inventory.rejected',
        (real, { store }) =>
          (event, at) =>
            store.payment(event.subject) ? real(event, at) : 'compensated',
      ),
    },
  ),
  planted('P7', 'refused-step-noted', 'stock that is reserved although it was refused before counts as withdrawn', {
    orders: 400,
    // What a database that was put back decides anew comes out otherwise where stock was short.
    faults: ['put-back', 'delay', 'message-lost'],
    ...reaction<OrderParts>('order-service', 'inventory.reserved', (real) => (event, at) => {
      try {
        return real(event, at);
      } catch (error) {
        if (error instanceof ContradictoryEventError && error.message.includes('of which')) return 'withdrawn';
        throw error;
      }
    }),
  }),
];
