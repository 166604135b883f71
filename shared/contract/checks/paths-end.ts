// The rule paths-end: every path comes to an end, and to one end only.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

const rule = 'paths-end';

/**
 * "Every accepted order ends, as confirmed or as cancelled" begins here: a path on which everybody has reacted and
 * nobody has said the end is an order that is pending forever, and no retry helps it.
 */
export function checkPathsEnd(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const findings = [
    ...paths.flatMap((path) => checkEnd(graph, path)),
    ...checkConfirmable(graph),
    ...checkBelongs(graph),
  ];
  // A join whose partner never comes is worth telling only where the paths are whole otherwise.
  return findings.length > 0 ? findings : checkWaits(graph, paths);
}

function checkEnd(graph: SagaGraph, path: SagaPath): Finding[] {
  const said = [...path.said.keys()];
  const ends = said.filter((type) => graph.spec(type)?.final);
  if (ends.length === 1) return [];
  if (ends.length > 1) return [{ rule, message: `a path ends more than once: ${ends.join(' and ')}`, path: said }];
  // The walk takes the end last of all, so whatever has no successor is where it stopped.
  const causes = new Set([...path.said.values()].flat());
  const stuck = said.filter((type) => !causes.has(type) && !graph.isEnd(type));
  const where = stuck.map((type) => `${type} (${outcomesAfter(graph, path, type)})`).join(' and ');
  return [{ rule, message: `a path stops without an end, after ${where}`, path: said }];
}

function outcomesAfter(graph: SagaGraph, path: SagaPath, type: string): string {
  const readers = graph.readersOf(type);
  if (readers.length === 0) return 'nobody reacts';
  return readers.map((name) => `${name}: ${path.outcomes.get(reactionKey(type, name)) ?? 'waits'}`).join(', ');
}

function checkConfirmable(graph: SagaGraph): Finding[] {
  const { starts } = graph.contract;
  if (graph.forward.size > 0 || !graph.spec(starts)) return [];
  return [{ rule, message: `no path from ${starts} ends in a final 'confirmed' event`, path: [starts] }];
}

/** Only a start and a withdrawal come of themselves within a saga; anything else that does so stands alone, or is lost. */
function checkBelongs(graph: SagaGraph): Finding[] {
  const { starts, withdrawal } = graph.contract;
  return graph.types
    .filter((type) => type !== starts && type !== withdrawal)
    .filter((type) => graph.spec(type)?.trigger !== undefined && !graph.spec(type)?.standalone)
    .map((type) => ({ rule, message: `${type} begins a path of its own, and is not standalone`, path: [type] }));
}

/** A reaction that waits needs, on some path, something else that brings what it waits for. */
function checkWaits(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return graph.types.flatMap((type) =>
    graph.readersOf(type).flatMap((service) => {
      const on = paths.filter((path) => path.said.has(type));
      if (on.length === 0 || !graph.outcomesOf(type, service).includes('waits')) return [];
      if (on.some((path) => hasPartner(graph, path, type, service))) return [];
      const message = `${service} waits on ${type}, but nothing brings what it waits for`;
      const isLast = graph.eventsOf(type, service).length === 0 ? ', if that came before' : '';
      return [{ rule, message: message + isLast, path: graph.wayTo(type) }];
    }),
  );
}

/** Whether another event leads to the outcome. A reaction that can only wait needs one that is sure to come after it. */
function hasPartner(graph: SagaGraph, path: SagaPath, type: string, service: string): boolean {
  const awaited = graph.eventsOf(type, service);
  return [...path.said].some(([outcome, after]) => {
    if (graph.spec(outcome)?.by !== service) return false;
    if (awaited.length === 0) return after.some((other) => ledTo(graph, path, type, other));
    return awaited.includes(outcome) && after.some((other) => other !== type);
  });
}
