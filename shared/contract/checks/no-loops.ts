// The rule no-loops: no chain of reactions leads back to where it started.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

/**
 * Services that react to each other's reactions keep the broker busy forever. Each message is a new event, so no inbox
 * stops them. There is one finding per loop, for the event that comes first in the contract.
 */
export function checkNoLoops(graph: SagaGraph): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const type of graph.types) {
    if (seen.has(type)) continue;
    const loop = loopThrough(graph, type);
    if (loop.length === 0) continue;
    for (const member of loop) seen.add(member);
    findings.push({ rule: 'no-loops', message: `${type} leads back to itself`, path: loop });
  }
  return findings;
}

/** The shortest loop from an event back to itself, with the event at both ends; empty if there is none. */
function loopThrough(graph: SagaGraph, type: string): string[] {
  return graph
    .next(type)
    .map((next) => graph.shortestPath(next, type))
    .filter((path) => path.length > 0)
    .map((path) => [type, ...path])
    .reduce<string[]>((best, loop) => (best.length === 0 || loop.length < best.length ? loop : best), []);
}
