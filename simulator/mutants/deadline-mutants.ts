// Deadlines of orders.
import { emit } from '../../shared/contract/choreography.ts';
import { replaced } from '../environment/sim-database.ts';
import { type Mutant, planted } from './mutant.ts';
import { deadlines, parts } from './planting.ts';

export const deadlineMutants: readonly Mutant[] = [
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
  planted(
    'P2',
    'ten-seconds-early',
    'an order is withdrawn ten seconds before its deadline',
    deadlines((real) => ({
      nextAtMs: () => {
        const atMs = real.nextAtMs();
        return atMs === undefined ? undefined : atMs - 10_000;
      },
      due: (nowMs, limit) => real.due(nowMs + 10_000, limit),
      meet: (orderId, tx, publishers) =>
        real.meet(
          orderId,
          {
            ...tx,
            nowMs: tx.nowMs + 10_000,
            steadyMs: tx.steadyMs + 10_000,
            newId: () => tx.newId(),
            publish: (emission) => tx.publish(emission),
          },
          publishers,
        ),
    })),
  ),
  planted(
    'P2',
    'ten-seconds-late',
    'an order is withdrawn ten seconds after its deadline',
    deadlines((real) => ({
      nextAtMs: () => {
        const atMs = real.nextAtMs();
        return atMs === undefined ? undefined : atMs + 10_000;
      },
      due: (nowMs, limit) => real.due(nowMs - 10_000, limit),
    })),
  ),
  planted('P2', 'deadline-ten-times-too-long', 'an order is due after ten times the time that it has', {
    statements: () => (text, statement) =>
      text.startsWith('INSERT INTO orders')
        ? replaced(statement, {
            run: (...values: unknown[]) => {
              const [placedAtMs, deadlineAtMs] = [Number(values[4]), Number(values[5])];
              return statement.run(...values.with(7, placedAtMs + 10 * (deadlineAtMs - placedAtMs)));
            },
          })
        : statement,
  }),
  planted(
    'P2',
    'only-one-deadline',
    'after a deadline was met, nobody looks for the next one before a restart',
    deadlines((real) => {
      let met = false;
      return {
        nextAtMs: () => (met ? undefined : real.nextAtMs()),
        meet: (orderId, tx, publishers) => {
          met = true;
          real.meet(orderId, tx, publishers);
        },
      };
    }),
  ),
  planted(
    'P2',
    'never-asks-again',
    'an order whose cancellation does not end never asks again',
    deadlines((real) => ({
      meet: (orderId, tx, publishers) => {
        const before = tx.publish.bind(tx);
        real.meet(
          orderId,
          {
            ...tx,
            newId: () => tx.newId(),
            publish: (emission) => {
              const { attempt } = emission.data as { readonly attempt?: number };
              return attempt === undefined ? before(emission) : (undefined as never);
            },
          },
          publishers,
        );
      },
    })),
  ),
  planted(
    'P2',
    'decides-about-a-rebuilt-order-at-once',
    'a rebuilt order is decided about before the journals of the others were compared',
    deadlines((real) => ({
      meet: (orderId, tx, publishers) =>
        real.meet(orderId, tx, { isUnreachable: (service) => publishers.isUnreachable(service), caughtUp: () => true }),
    })),
  ),
];
