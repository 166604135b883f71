// The rule paths-end: every path comes to an end, and to one end only.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { reactionKey, type SagaPath } from './saga-paths.ts';

const rule = 'paths-end';

/**
 * "Every accepted order ends, as confirmed or as cancelled" begins here: a path on which everybody has reacted and
 * nobody has said the end is an order that is pending forever, and no retry helps it.
 */
export function checkPathsEnd(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return [...paths.flatMap((path) => checkEnd(graph, path)), ...checkConfirmable(graph), ...checkWaits(graph, paths)];
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

/** A reaction that waits needs, on some path, a partner that brings what it waits for. */
function checkWaits(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return graph.types.flatMap((type) =>
    graph
      .readersOf(type)
      .filter((service) => graph.outcomesOf(type, service).includes('waits'))
      .filter((service) => !paths.some((path) => hasPartner(graph, path, type, service)))
      .map((service) => ({
        rule,
        message: `${service} waits on ${type}, but no path has a partner that brings what it waits for`,
        path: graph.wayTo(type),
      })),
  );
}

function hasPartner(graph: SagaGraph, path: SagaPath, type: string, service: string): boolean {
  if (!path.said.has(type)) return false;
  const awaited = graph.eventsOf(type, service);
  return [...path.said].some(
    ([outcome, after]) =>
      graph.spec(outcome)?.by === service &&
      (awaited.length === 0 || awaited.includes(outcome)) &&
      after.some((other) => other !== type),
  );
}
