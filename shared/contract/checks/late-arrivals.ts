// The part of races-covered that looks past the end: events that can still arrive at the service that published it.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

/** Outcomes that fit an event that arrives when nothing may follow from it any more. */
const quiet = new Set<string>(['noted', 'withdrawn', 'ended', 'compensated', 'outdated']);

/**
 * A path ends as soon as one event suffices, and its other events may arrive later. Each of these needs a quiet outcome.
 * Otherwise an order that has ended would end again, or wait again.
 */
export function checkLateArrivals(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return paths.flatMap((path) =>
    [...path.published].flatMap(([end, triggers]) => {
      if (!graph.spec(end)?.final) return [];
      const service = graph.spec(end)?.by ?? '';
      const immediate = triggers.filter((type) => !graph.outcomesOf(type, service).includes('waits'));
      // If every trigger can wait, the last one brings the end, so none of them is late.
      const inTime = immediate.length > 0 ? immediate.slice(0, 1) : triggers;
      return [...path.published.keys()]
        .filter((type) => graph.outcomesOf(type, service).length > 0 && !graph.isEnd(type) && !inTime.includes(type))
        .filter((type) => !cameBefore(graph, path, type, service, end))
        .filter((type) => !graph.outcomesOf(type, service).some((outcome) => quiet.has(outcome)))
        .map((type) => ({
          rule: 'races-covered' as const,
          message: `${service} needs 'ended' on ${type}, which can arrive after ${inTime.join(' and ')} has led to ${end}`,
          path: [...path.published.keys()],
        }));
    }),
  );
}

/** Whether the end depended on this service's own reaction to the event. */
function cameBefore(graph: SagaGraph, path: SagaPath, type: string, service: string, end: string): boolean {
  const outcome = path.outcomes.get(reactionKey(type, service));
  return outcome !== undefined && outcome !== end && ledTo(graph, path, outcome, end);
}
