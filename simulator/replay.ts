// Replay: after the end, dead letters, duplicates from hours ago and every event ever published are delivered again.
// Nothing may change.
import { cloudEventBatchContentType, encodeBatch } from '../shared/contract/cloud-event.ts';
import type { OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import { checkMessages } from './checks/check-promises.ts';
import { repeatedAnswers } from './checks/repeated-answers.ts';
import { digestsOf } from './digest.ts';
import type { Violation } from './environment/violation.ts';
import { workInProgress } from './quiet.ts';
import type { World } from './world.ts';

/** Within this time the late duplicates come; idle services cost steps, too. */
const lateMsMax = 2 * 3_600_000;
const replayMsMax = 600_000;
const batchMax = 50;

export function replayEverything(world: World): Violation[] {
  const { schedule, published, history, allServices } = world;
  const digests = () => allServices.map(({ database }) => digestsOf(database.db));
  const before = digests();
  const eventsBefore = published.byId.size;
  deliverAgain(world);
  world.runFor(1_000);
  world.runWhile(() => schedule.steps % 64 !== 0 || workInProgress(world) !== undefined, replayMsMax);
  const work = workInProgress(world);
  if (work) return [{ promise: 'P8', subject: '', text: `after everything came again: ${work}` }];
  const after = digests();
  for (const tables of after) for (const [table, digest] of tables) history.mix(`${table} ${digest}`);
  const changed = allServices.flatMap(({ member }, index) => {
    const tables = [...(after[index] ?? [])].filter(([table, digest]) => before[index]?.get(table) !== digest);
    return tables.length > 0 ? [`${member} (${tables.map(([table]) => table).join(', ')})`] : [];
  });
  if (changed.length > 0) {
    return [{ promise: 'P6', subject: '', text: `what came again changed ${changed.join(', ')}` }];
  }
  // A withdrawal that asked again and was dead-lettered is answered when it is redriven.
  const repeated = repeatedAnswers(published.byId);
  const added = [...published.byId.values()].slice(eventsBefore).filter(({ messageId }) => !repeated.has(messageId));
  const last = added.at(-1);
  if (last) {
    const text = `what came again led to ${added.length} events, such as ${last.routingKey}`;
    return [{ promise: 'P6', subject: last.correlationId ?? '', text }];
  }
  return checkMessages(world.evidence());
}

/** A few alone, most of them in batches, as after a time under load. */
function inBatches(events: readonly OutgoingMessage[]): OutgoingMessage[] {
  const alone = Math.ceil(events.length / 10);
  const byRoute = new Map<string, OutgoingMessage[]>();
  for (const event of events.slice(alone)) {
    const known = byRoute.get(event.routingKey);
    if (known) known.push(event);
    else byRoute.set(event.routingKey, [event]);
  }
  const batches = [...byRoute.values()].flatMap((sameRoute) =>
    Array.from({ length: Math.ceil(sameRoute.length / batchMax) }, (_, index) =>
      batchOf(sameRoute.slice(index * batchMax, (index + 1) * batchMax)),
    ),
  );
  return [...events.slice(0, alone), ...batches];
}

function batchOf(events: readonly OutgoingMessage[]): OutgoingMessage {
  const [first] = events;
  if (!first) throw new Error('a batch without events');
  if (events.length === 1) return first;
  const body = encodeBatch(events.map((event) => event.body));
  return { ...first, body, contentType: cloudEventBatchContentType, correlationId: undefined };
}

function deliverAgain(world: World): void {
  const { faults, schedule, broker, published } = world;
  const random = world.random.stream('again');
  // What is about something that was lost with a database may take effect for the first time.
  const { lost } = world.workload.answers;
  if (faults.kinds.has('redrive')) world.deadLetters.redriveAll(2, lost);
  const events = [...published.byId.values()].filter(({ correlationId = '' }) => !lost.has(correlationId));
  if (faults.kinds.has('late-duplicates')) {
    for (const event of events) {
      if (!random.chance(0.02)) continue;
      for (let copies = random.between(2, 6); copies > 0; copies--) {
        faults.add('late-duplicates');
        schedule.after(random.below(lateMsMax), () => broker.route(event));
      }
    }
    world.runFor(lateMsMax);
  }
  if (faults.kinds.has('replay')) {
    faults.add('replay', events.length);
    for (const message of random.shuffle(inBatches(random.shuffle(events)))) broker.route(message);
  }
}
