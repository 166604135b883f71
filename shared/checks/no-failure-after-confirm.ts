// The rule no-failure-after-confirm: `confirmed` is the point of no return.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

const rule = 'no-failure-after-confirm';

/**
 * The customer has been told yes, and the fences are down: whoever is told of a failure now has no outcome for it. A
 * later service may go on from here (shipping, mail), with events of its own that it sees through.
 */
export function checkNoFailureAfterConfirm(graph: SagaGraph): Finding[] {
  return graph.types
    .filter((type) => graph.spec(type)?.final === 'confirmed')
    .flatMap((confirmed) =>
      followersOf(graph, confirmed).flatMap((type) => {
        const breach = breachOf(graph, type);
        return breach
          ? [{ rule, message: `after ${confirmed}, ${breach}`, path: graph.shortestWay(confirmed, type) }]
          : [];
      }),
    );
}

/** Everything that can follow, through ends and standalone events as well. */
function followersOf(graph: SagaGraph, from: string): string[] {
  const followers = new Set(graph.next(from));
  for (const type of followers) for (const next of graph.next(type)) followers.add(next);
  return [...followers];
}

function breachOf(graph: SagaGraph, type: string): string | undefined {
  const spec = graph.spec(type);
  if (spec?.final === 'cancelled') return `the saga can still end as ${type}`;
  if (type === graph.contract.withdrawal) return `the saga can still be taken back by ${type}`;
  if (spec?.undoes !== undefined && graph.isEffect(spec.undoes))
    return `${spec.by} can still undo ${spec.undoes} by ${type}`;
  return undefined;
}
