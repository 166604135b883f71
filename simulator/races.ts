// The races that a run must bring about, by name, and how often each came about: counted on the way or from the databases.
import type { PerService } from '../services.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import type { Counter } from './environment/faults.ts';
import type { SimService } from './environment/sim-service.ts';
import type { Accepted, Answers } from './workload/answers.ts';

export const raceNames = [
  'cancel while pending: accepted',
  'cancel while cancelling: accepted',
  'cancel while cancelled: accepted',
  'cancel while confirmed: 409',
  'cancel while unknown: 404',
  'deadline tie: success came first',
  'deadline tie: the deadline came first',
  'deadline passed',
  'some lines in stock, others not: none set aside',
  'the last units went to some of many',
  'the balance was exactly enough',
  'the balance was one too few',
  'paid and reserved, then withdrawn',
  'request repeated after a crash, with its key',
  'request answered 503, and repeated',
  'several events in one message',
];

/** The same where order-service has several instances. */
export const instanceRaceNames = [
  'read at an instance that knows the version it brings',
  'read that waits for its Saga-Minimum-Version',
  'cancelled at an instance that does not decide',
  'two instances accepted one key',
  'an open order was adopted',
];

/** Counts the outcomes of all reactions, as `service: event -> outcome`. */
export function countOutcomes(services: readonly SimService[], counter: Counter): void {
  for (const service of services) {
    service.count();
    for (const [outcome, times] of service.outcomes.counts) counter.add(`${service.name}: ${outcome}`, times);
  }
}

/** Races that can be seen in the databases at the end. */
export function namedRaces(
  databases: PerService<Database>,
  { accepted }: Pick<Answers, 'accepted'>,
): [string, number][] {
  const order = databases['order-service'];
  const payment = databases['payment-service'];
  const inventory = databases['inventory-service'];
  const count = (db: typeof order, sql: string) => db.prepare<[], number>(sql).pluck().get() ?? 0;
  return [
    ...deadlineTies(order, [...accepted.values()]),
    [
      'deadline passed',
      count(order, "SELECT count(*) FROM facts WHERE type = 'order.withdrawn' AND data LIKE '%\"deadline\"%'"),
    ],
    [
      'some lines in stock, others not: none set aside',
      count(
        inventory,
        "SELECT count(*) FROM reservations WHERE status = 'rejected' AND json_array_length(shortages) < json_array_length(items)",
      ),
    ],
    [
      'the last units went to some of many',
      count(inventory, "SELECT count(*) FROM movements WHERE kind = 'reserve' AND stock_after = 0"),
    ],
    [
      'the balance was exactly enough',
      count(
        payment,
        "SELECT count(*) FROM ledger WHERE kind = 'charge' AND balance_after = 0 AND user_id LIKE 'edge-%'",
      ),
    ],
    [
      'the balance was one too few',
      count(
        payment,
        `SELECT count(*) FROM payments JOIN accounts USING (user_id)
         WHERE status = 'failed' AND reason = 'insufficient_funds' AND balance = amount - 1 AND user_id LIKE 'edge-%'`,
      ),
    ],
    [
      'two instances accepted one key',
      count(payment, "SELECT count(*) FROM payments WHERE reason = 'duplicate_request'"),
    ],
    [
      'paid and reserved, then withdrawn',
      count(inventory, "SELECT count(*) FROM reservations WHERE status = 'released'"),
    ],
  ];
}

/** A group takes this long to form. */
const groupMs = 2;

function deadlineTies(db: Database, accepted: readonly Accepted[]): [string, number][] {
  const fact = db.prepare<[string, string], { time: string; reason: string | null }>(
    "SELECT time, json_extract(data, '$.reason') AS reason FROM facts WHERE order_id = ? AND type = ?",
  );
  let successFirst = 0;
  let deadlineFirst = 0;
  for (const { orderId, tie, deadlineAtMs } of accepted) {
    if (!tie) continue;
    const atDeadline = (time: string) => Math.abs(Date.parse(time) - deadlineAtMs) <= groupMs;
    const confirmed = fact.get(orderId, 'order.confirmed');
    if (confirmed && atDeadline(confirmed.time)) successFirst += 1;
    const withdrawn = fact.get(orderId, 'order.withdrawn');
    const reserved = fact.get(orderId, 'inventory.reserved');
    if (withdrawn?.reason === 'deadline' && reserved && atDeadline(withdrawn.time)) deadlineFirst += 1;
  }
  return [
    ['deadline tie: success came first', successFirst],
    ['deadline tie: the deadline came first', deadlineFirst],
  ];
}
