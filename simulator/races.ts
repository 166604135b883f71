// Which outcomes and races there are to be reached, and which of them a run did not reach.

import { serviceDefinitions as definitions } from '../services.ts';
import { choreography } from '../shared/contract/choreography.ts';
import type { Counter, FaultKind, Faults } from './faults.ts';
import { allFaults } from './faults.ts';
import { poisonKinds } from './poison.ts';
import { failpoints } from './sim-service.ts';
import type { Services, Workload } from './workload.ts';

/** From this many orders on, a run with all faults must reach everything. */
export const ordersForEverything = 5_000;

/** Every outcome of every reaction, as the contract declares them. */
export const declaredOutcomes: readonly string[] = Object.entries(choreography.events).flatMap(([type, spec]) =>
  Object.entries(spec.reactions).flatMap(([service, outcomes]) =>
    (outcomes as readonly string[]).map((outcome) => `${service}: ${type} -> ${outcome}`),
  ),
);

const named = [
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
  'paid and reserved, then withdrawn',
  'request repeated after a crash, with its key',
  'request answered 503, and repeated',
  'several events in one message',
];

/** Kinds of faults by the names under which they are counted. */
function faultNames(): string[] {
  const services = definitions.map(({ name }) => name);
  return allFaults.flatMap((kind): string[] => {
    if (kind === 'crash') {
      return services.flatMap((name) => [...failpoints, 'between steps'].map((point) => `crash ${name} ${point}`));
    }
    if (kind === 'poison') return poisonKinds.map((poison) => `poison ${poison}`);
    if (kind === 'clock-jump') return ['forwards', 'backwards', 'stopped'].map((how) => `clock-jump ${how}`);
    if (kind === 'broken-reaction') return [];
    if (kind === 'crash-loop') return ['crash-loop', 'delivery limit reached'];
    return [kind];
  });
}

export const everythingToReach: readonly string[] = [...faultNames(), ...declaredOutcomes, ...named];

/** What of all that did not happen, in counts that may come from several runs. */
export function neverReached(faults: ReadonlyMap<string, number>, races: ReadonlyMap<string, number>): string[] {
  return everythingToReach.filter((name) => !faults.get(name) && !races.get(name));
}

export function missingRaces(
  { orders, faults: kinds }: { readonly orders: number; readonly faults: readonly FaultKind[] },
  faults: Faults,
  races: Counter,
): string[] {
  if (orders < ordersForEverything || kinds.length < allFaults.length) return [];
  return neverReached(faults.counts, races.counts);
}

/** Races that can be told from the databases at the end. */
export function namedRaces(services: Services, { accepted }: Workload): [string, number][] {
  const { order, inventory } = services;
  const one = (db: typeof order.database.db, sql: string) => db.prepare<[], number>(sql).pluck().get() ?? 0;
  const withdrawnBy = order.database.db.prepare<[string], string>(
    "SELECT json_extract(data, '$.reason') FROM facts WHERE order_id = ? AND type = 'order.withdrawn'",
  );
  const timeOf = order.database.db.prepare<[string, string], string>(
    'SELECT time FROM facts WHERE order_id = ? AND type = ?',
  );
  let successFirst = 0;
  let deadlineFirst = 0;
  for (const { orderId, tie, deadlineAtMs } of accepted.values()) {
    if (!tie) continue;
    const confirmedAt = timeOf.pluck().get(orderId, 'order.confirmed') as string | undefined;
    // Handled within the two milliseconds that a group takes to form.
    if (confirmedAt && Math.abs(Date.parse(confirmedAt) - deadlineAtMs) <= 2) successFirst += 1;
    const withdrawnAt = timeOf.pluck().get(orderId, 'order.withdrawn') as string | undefined;
    const reserved = timeOf.pluck().get(orderId, 'inventory.reserved') as string | undefined;
    const reason = withdrawnBy.pluck().get(orderId) as string | undefined;
    if (reason === 'deadline' && reserved && withdrawnAt && Math.abs(Date.parse(withdrawnAt) - deadlineAtMs) <= 2) {
      deadlineFirst += 1;
    }
  }
  return [
    ['deadline tie: success came first', successFirst],
    ['deadline tie: the deadline came first', deadlineFirst],
    [
      'deadline passed',
      one(
        order.database.db,
        "SELECT count(*) FROM facts WHERE type = 'order.withdrawn' AND data LIKE '%\"deadline\"%'",
      ),
    ],
    [
      'some lines in stock, others not: none set aside',
      one(
        inventory.database.db,
        "SELECT count(*) FROM reservations WHERE status = 'rejected' AND json_array_length(shortages) < json_array_length(items)",
      ),
    ],
    [
      'the last units went to some of many',
      one(inventory.database.db, "SELECT count(*) FROM movements WHERE kind = 'reserve' AND stock_after = 0"),
    ],
    [
      'paid and reserved, then withdrawn',
      one(inventory.database.db, "SELECT count(*) FROM reservations WHERE status = 'released'"),
    ],
  ];
}
