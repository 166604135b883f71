// The rule no-loops: following the reactions never leads back.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

/**
 * Services that answer each other's answers keep the broker busy forever, and each message is a new one, so no inbox
 * stops them. One finding per loop, whichever event of it comes first in the contract.
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

/** The shortest loop through an event, which it begins and ends; empty when there is none. */
function loopThrough(graph: SagaGraph, type: string): string[] {
  return graph
    .next(type)
    .map((next) => graph.shortestWay(next, type))
    .filter((way) => way.length > 0)
    .map((way) => [type, ...way])
    .reduce<string[]>((best, loop) => (best.length === 0 || loop.length < best.length ? loop : best), []);
}
