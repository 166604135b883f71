// The rule consumed-or-final: what a service says is heard by somebody, or is meant to be the last word.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

/**
 * An event of a saga that nobody reacts to is where an order hangs. It is also not routed anywhere: the broker returns
 * it to a publisher who can only try again.
 */
export function checkConsumedOrFinal(graph: SagaGraph): Finding[] {
  return graph.types
    .filter((type) => !graph.isEnd(type) && graph.readersOf(type).length === 0)
    .map((type) => ({
      rule: 'consumed-or-final',
      message: `nobody reacts to ${type}, and it is neither final nor standalone`,
      path: graph.wayTo(type),
    }));
}
