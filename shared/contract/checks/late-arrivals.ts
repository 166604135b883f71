// The part of races-covered that looks past the end: what can still arrive at the service that has said it.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

/** Outcomes that are right for an event that arrives when nothing may follow from it any more. */
const quiet = new Set<string>(['noted', 'withdrawn', 'ended', 'compensated', 'outdated']);

/**
 * The end comes as soon as one event is enough for it, and everything else of the path may arrive later. Each of those
 * needs a quiet outcome, or an ended order would end again, or wait again.
 */
export function checkLateArrivals(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return paths.flatMap((path) =>
    [...path.said].flatMap(([end, triggers]) => {
      if (!graph.spec(end)?.final) return [];
      const service = graph.spec(end)?.by ?? '';
      const immediate = triggers.filter((type) => !graph.outcomesOf(type, service).includes('waits'));
      // With nobody in a hurry the last of the triggers brings the end, so none of them is late.
      const inTime = immediate.length > 0 ? immediate.slice(0, 1) : triggers;
      return [...path.said.keys()]
        .filter((type) => graph.outcomesOf(type, service).length > 0 && !graph.isEnd(type) && !inTime.includes(type))
        .filter((type) => !cameBefore(graph, path, type, service, end))
        .filter((type) => !graph.outcomesOf(type, service).some((outcome) => quiet.has(outcome)))
        .map((type) => ({
          rule: 'races-covered' as const,
          message: `${service} has no 'ended' on ${type}, which can arrive after ${inTime.join(' and ')} has led to ${end}`,
          path: [...path.said.keys()],
        }));
    }),
  );
}

/** Whether the end needed this service's own answer to the event first. */
function cameBefore(graph: SagaGraph, path: SagaPath, type: string, service: string, end: string): boolean {
  const outcome = path.outcomes.get(reactionKey(type, service));
  return outcome !== undefined && outcome !== end && ledTo(graph, path, outcome, end);
}
