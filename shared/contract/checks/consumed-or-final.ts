// The rule consumed-or-final: every event has a subscriber, unless nothing needs to follow from it.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

/**
 * An order gets stuck at a saga event that nobody subscribes to. The broker cannot route such an event either: it
 * returns it to the publisher, which can only try again.
 */
export function checkConsumedOrFinal(graph: SagaGraph): Finding[] {
  return graph.types
    .filter((type) => !graph.isEnd(type) && graph.subscribersOf(type).length === 0)
    .map((type) => ({
      rule: 'consumed-or-final',
      message: `nobody subscribes to ${type}, and it is neither final nor standalone`,
      path: graph.pathTo(type),
    }));
}
