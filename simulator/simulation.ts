// One run: three services, a broker, people and faults, from one seed. First everything happens at once; then the faults
// stop, the system must become quiet, and the promises are checked; then everything comes again, and nothing may change.
import { checkPromises } from './checks/check-promises.ts';
import { sequenceDiagram } from './environment/history.ts';
import { isReady } from './environment/instances.ts';
import type { Violation } from './environment/violation.ts';
import { type PlannedEpisode, planEpisodes } from './episodes.ts';
import { becomeQuiet, endFaults } from './quiet.ts';
import { countOutcomes, namedRaces } from './races.ts';
import { replayEverything } from './replay.ts';
import type { RunOptions, RunResult } from './run.ts';
import { World } from './world.ts';

/** No run goes on for longer than this after its last order. */
const activeMsMax = 24 * 3_600_000;
const readyMsMax = 60_000;
/** After the last order, faults that wait for all instances still come, within this time. */
const allReadyMsMax = 600_000;

export function simulate(options: RunOptions): RunResult {
  const startedMs = performance.now();
  let episodes: PlannedEpisode[] = [];
  const world = new World(options, (order) => {
    while ((episodes.at(-1)?.at ?? Number.POSITIVE_INFINITY) <= order) episodes.pop()?.begin();
    world.whenAllReady.orderPlaced();
  });
  prepare(world);
  episodes = planEpisodes(world, { orders: options.orders, checkpoints: options.mutant?.checkpoints === true });
  world.workload.start();
  world.runWhile(() => !world.workload.done, activeMsMax);
  world.runWhile(() => world.whenAllReady.waits, allReadyMsMax);
  world.workload.end();
  endFaults(world);
  const faultsEndedMs = world.schedule.nowMs;
  const unquiet = becomeQuiet(world);
  const quietAfterMs = world.schedule.nowMs - faultsEndedMs;
  const violations = judge(world, unquiet);
  options.inspect?.(world.evidence());
  return { ...report(world, options, violations), quietAfterMs, realMs: performance.now() - startedMs };
}

/** Starts the services, opens accounts and stocks products, all without faults. */
function prepare(world: World): void {
  world.faults.active = false;
  for (const service of world.allServices) service.boot();
  world.workload.prepare();
  world.runFor(1_000);
  // An instance whose database is new compares all journals first.
  world.runWhile(() => !world.instances.standing.every(isReady), readyMsMax);
  for (const service of world.allServices) service.database.checkpoint();
  world.faults.active = true;
}

function judge(world: World, unquiet: readonly Violation[]): Violation[] {
  const { lost } = world.workload.answers;
  const violations = [
    ...unquiet,
    ...[...world.workload.answers.violations, ...world.published.violations].filter(
      ({ subject }) => !lost.has(subject),
    ),
    ...checkPromises(world.evidence()),
  ];
  return violations.length > 0 ? violations : replayEverything(world);
}

function report(
  world: World,
  options: RunOptions,
  violations: readonly Violation[],
): Omit<RunResult, 'quietAfterMs' | 'realMs'> {
  const { history, schedule, races } = world;
  countOutcomes(world.allServices, races);
  for (const [name, times] of namedRaces(world.evidence().databases, world.workload.answers)) races.add(name, times);
  const [first] = violations;
  return {
    seed: options.seed,
    orders: options.orders,
    instances: options.instances ?? 0,
    accepted: world.workload.answers.accepted.size,
    events: world.published.byId.size,
    steps: schedule.steps,
    faults: world.faults.counts,
    races: races.counts,
    virtualMs: schedule.nowMs,
    violations,
    hash: history.hash,
    diagram: history.keep && first ? sequenceDiagram(history.entries, first.subject) : undefined,
  };
}
