// The rule no-failure-after-confirm: `confirmed` is the point of no return.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { knownAtEnd, type SagaPath } from './saga-paths.ts';

const rule = 'no-failure-after-confirm';

/**
 * The customer has been told yes, and the fences are down: whoever is told of a failure now has no outcome for it. A
 * later service may go on from here (shipping, mail), with events of its own that it sees through.
 */
export function checkNoFailureAfterConfirm(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return [
    ...checkFollowers(graph),
    ...checkConfirmedLast(graph, paths),
    ...paths.flatMap((path) => checkKept(graph, path)),
  ];
}

function checkFollowers(graph: SagaGraph): Finding[] {
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
  if (spec?.compensates !== undefined && graph.isEffect(spec.compensates))
    return `${spec.by} can still undo ${spec.compensates} by ${type}`;
  return undefined;
}

/** A step that runs beside the others and can still refuse must be waited for before the yes. */
function checkConfirmedLast(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const undisturbed = paths.filter((path) => !path.withdrawn);
  return undisturbed.flatMap((path) =>
    [...path.said.keys()]
      .filter((type) => graph.spec(type)?.final === 'confirmed')
      .flatMap((confirmed) => {
        const known = knownAtEnd(graph, path, confirmed);
        return undisturbed
          .filter((other) => !other.said.has(confirmed) && known.every((type) => other.said.has(type)))
          .map((other) => ({
            rule,
            message: `${graph.spec(confirmed)?.by} can say ${confirmed} on ${known.join(', ')} while another step can still refuse`,
            path: [...other.said.keys()],
          }));
      }),
  );
}

/** What a confirmed order was promised must not be taken back, neither before nor after. */
function checkKept(graph: SagaGraph, path: SagaPath): Finding[] {
  const said = [...path.said.keys()];
  const confirmed = said.find((type) => graph.spec(type)?.final === 'confirmed');
  if (!confirmed) return [];
  return said
    .filter((type) => graph.spec(type)?.compensates !== undefined)
    .map((type) => ({ rule, message: `a path has both ${confirmed} and ${type}`, path: said }));
}
