// Quiet: the faults have stopped, everything broken is repaired, and all work must end in time.
import { queueOf } from '../shared/contract/topology.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import { isReady } from './environment/instances.ts';
import { finalStatuses } from './environment/saga-event.ts';
import { epochMs } from './environment/sim-clock.ts';
import type { Violation } from './environment/violation.ts';
import type { World } from './world.ts';

/** From the end of the faults, or from the last deadline if that is later: three rounds of reconciliation. */
const quietMsMax = 900_000;
const deadlineMsMax = 2 * 3_600_000;
/** How often dead letters are put back. */
const redriveMs = 10_000;
const lookMs = 250;

export function endFaults({ faults, broker, brokenReactions, restarts, allServices, instances }: World): void {
  faults.active = false;
  broker.bindAll();
  broker.start();
  broker.block(false);
  broker.deliverDuplicates();
  brokenReactions.repairAll();
  restarts.reset();
  for (const service of allServices) {
    service.disarm();
    service.database.repair();
    service.wall.set();
    // Its deadlines go by what the clock said when it started.
    if (!service.clockRight) service.crash('between steps');
    service.boot();
  }
  for (const late of instances.waiting) instances.join(late);
}

export function becomeQuiet(world: World): Violation[] {
  const { schedule, deadLetters } = world;
  const nowMs = schedule.nowMs;
  let lastMs = nowMs;
  for (const { deadlineAtMs } of world.workload.answers.accepted.values()) {
    lastMs = Math.max(lastMs, deadlineAtMs - epochMs);
  }
  const boundMs = Math.min(lastMs - nowMs, deadlineMsMax) + quietMsMax;
  let seenSteps = -1;
  for (let waitedMs = 0; waitedMs < boundMs; ) {
    world.runFor(lookMs);
    waitedMs += lookMs;
    if (waitedMs % redriveMs === 0) deadLetters.redriveUnhandled();
    // Nothing has happened since the last look, so it would see the same.
    if (schedule.steps === seenSteps) continue;
    seenSteps = schedule.steps;
    if (workInProgress(world) === undefined && unendedOrder(world) === undefined) {
      if (!deadLetters.redriveUnhandled()) return [];
    }
  }
  return notQuiet(world, `within ${boundMs} ms after the faults stopped`);
}

function notQuiet(world: World, when: string): Violation[] {
  const work = workInProgress(world);
  const subject = unendedOrder(world);
  if (subject) {
    return [{ promise: 'P2', subject, text: `has not ended ${when}; also: ${work ?? 'no work is in progress'}` }];
  }
  return [{ promise: work?.includes('outbox') ? 'P9' : 'P8', subject: '', text: `${work}, ${when}` }];
}

/** Messages that are not acked, work inside the services, and journals not compared. Undefined: there is none. */
export function workInProgress({ broker, allServices, instances }: World): string | undefined {
  const unready = instances.standing.find((one) => !isReady(one));
  if (unready) return `${unready.member} is not ready: ${unready.node?.parts.notReady() ?? 'it is down'}`;
  const [awaited] = instances.awaited;
  if (awaited) return `${awaited.member} is gone, and is still to be adopted or to come back`;
  for (const { member, gone, node } of instances.adopted.keys())
    if (!gone && !node?.relay.drained) return `${member} has come back, and its outbox is not empty`;
  for (const { member: name, quiet } of allServices) {
    const queue = broker.queue(queueOf(name));
    const unacked = queue.enqueued - queue.acked.length - queue.deadLettered.length - queue.lost.length;
    if (unacked > 0) return `${unacked} messages of ${name} are neither acked nor dead-lettered nor lost`;
    if (!quiet) return `the outbox of ${name} is not empty, or it has work in progress`;
  }
  return unreconciled(allServices);
}

/** A consumer that has not compared all of a publisher's journal with its inbox. Undefined: there is none. */
function unreconciled(allServices: World['allServices']): string | undefined {
  for (const { member: name, node } of allServices) {
    for (const [publisher, { state, reconciledUntil }] of Object.entries(node?.reconciliation.status() ?? {})) {
      const service = allServices.find(({ member }) => member === publisher);
      // Of an instance that is gone for good, nothing more can be read.
      if (!service) continue;
      const head = service.node?.journal.head() ?? 0;
      if (state === 'reconciled' && reconciledUntil === head) continue;
      return `${name} has reconciled ${reconciledUntil} of ${head} events of ${publisher}, and is ${state}`;
    }
  }
  return undefined;
}

function unendedOrder({ instances }: World): string | undefined {
  for (const { database } of instances.standing) {
    const orderId = unendedIn(database.db);
    if (orderId !== undefined) return orderId;
  }
  return undefined;
}

function unendedIn(db: Database): string | undefined {
  const find = db.prepare<[string], string>(
    'SELECT order_id FROM orders WHERE status NOT IN (SELECT value FROM json_each(?)) LIMIT 1',
  );
  return find.pluck().get(JSON.stringify(finalStatuses));
}
