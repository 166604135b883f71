// The rule paths-end: every path ends, and ends once.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

const rule = 'paths-end';

/**
 * Every accepted order must end as confirmed or cancelled. On a path where every service has reacted and none has
 * published a final event, the order stays pending forever, and no retry helps.
 */
export function checkPathsEnd(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const findings = [
    ...paths.flatMap((path) => checkEnd(graph, path)),
    ...checkConfirmable(graph),
    ...checkBelongs(graph),
  ];
  // A path that is broken elsewhere makes waits look incomplete, so waits are checked only when the paths are whole.
  return findings.length > 0 ? findings : checkWaits(graph, paths);
}

function checkEnd(graph: SagaGraph, path: SagaPath): Finding[] {
  const published = [...path.published.keys()];
  const ends = published.filter((type) => graph.spec(type)?.final);
  if (ends.length === 1) return [];
  if (ends.length > 1) return [{ rule, message: `a path ends more than once: ${ends.join(' and ')}`, path: published }];
  // The walk takes final events last, so it stopped at the events that have no successor.
  const causes = new Set([...path.published.values()].flat());
  const stuck = published.filter((type) => !causes.has(type) && !graph.isEnd(type));
  const where = stuck.map((type) => `${type} (${outcomesAfter(graph, path, type)})`).join(' and ');
  return [{ rule, message: `a path stops without a final event, after ${where}`, path: published }];
}

function outcomesAfter(graph: SagaGraph, path: SagaPath, type: string): string {
  const subscribers = graph.subscribersOf(type);
  if (subscribers.length === 0) return 'no subscriber';
  return subscribers.map((name) => `${name}: ${path.outcomes.get(reactionKey(type, name)) ?? 'waits'}`).join(', ');
}

function checkConfirmable(graph: SagaGraph): Finding[] {
  const { starts } = graph.contract;
  if (graph.forward.size > 0 || !graph.spec(starts)) return [];
  return [{ rule, message: `no path from ${starts} ends in a final 'confirmed' event`, path: [starts] }];
}

/** Within a saga, only its start and its withdrawal have a trigger. Any other event with a trigger must be standalone. */
function checkBelongs(graph: SagaGraph): Finding[] {
  const { starts, withdrawal } = graph.contract;
  return graph.types
    .filter((type) => type !== starts && type !== withdrawal)
    .filter((type) => graph.spec(type)?.trigger !== undefined && !graph.spec(type)?.standalone)
    .map((type) => ({ rule, message: `${type} starts a path of its own and is not standalone`, path: [type] }));
}

/** A reaction that waits needs, on some path, another event that completes the wait. */
function checkWaits(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return graph.types.flatMap((type) =>
    graph.subscribersOf(type).flatMap((service) => {
      const pathsWithType = paths.filter((path) => path.published.has(type));
      if (pathsWithType.length === 0 || !graph.outcomesOf(type, service).includes('waits')) return [];
      if (pathsWithType.some((path) => hasPartner(graph, path, type, service))) return [];
      const onlyWaits = graph.eventsOf(type, service).length === 0;
      const partner = onlyWaits ? 'no event that is sure to arrive later' : 'no other event';
      return [
        { rule, message: `${service} waits on ${type}, but ${partner} completes the wait`, path: graph.pathTo(type) },
      ];
    }),
  );
}

/** Whether another event leads to the outcome. A reaction that only waits needs one that is sure to arrive later. */
function hasPartner(graph: SagaGraph, path: SagaPath, type: string, service: string): boolean {
  const awaited = graph.eventsOf(type, service);
  return [...path.published].some(([outcome, after]) => {
    if (graph.spec(outcome)?.by !== service) return false;
    if (awaited.length === 0) return after.some((other) => ledTo(graph, path, type, other));
    return awaited.includes(outcome) && after.some((other) => other !== type);
  });
}
