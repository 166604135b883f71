// The rule no-failure-after-confirm: `confirmed` is the point of no return.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { knownAtEnd, type SagaPath } from './saga-paths.ts';

const rule = 'no-failure-after-confirm';

/**
 * The customer has been promised the goods, and no service has an outcome for a failure from here on. Services that act
 * after the saga (shipping, mail) may follow, as long as they complete their own steps.
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
          ? [{ rule, message: `after ${confirmed}, ${breach}`, path: graph.shortestPath(confirmed, type) }]
          : [];
      }),
    );
}

/** Every event that can follow, also by way of final and standalone events. */
function followersOf(graph: SagaGraph, from: string): string[] {
  const followers = new Set(graph.next(from));
  for (const type of followers) for (const next of graph.next(type)) followers.add(next);
  return [...followers];
}

function breachOf(graph: SagaGraph, type: string): string | undefined {
  const spec = graph.spec(type);
  if (spec?.final === 'cancelled') return `the saga can still end as ${type}`;
  if (type === graph.contract.withdrawal) return `the saga can still be withdrawn by ${type}`;
  if (spec?.compensates !== undefined && graph.isEffect(spec.compensates))
    return `${spec.by} can still compensate ${spec.compensates} with ${type}`;
  return undefined;
}

/** The confirmation must wait for every parallel step that can still refuse. */
function checkConfirmedLast(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const undisturbed = paths.filter((path) => !path.withdrawn);
  return undisturbed.flatMap((path) =>
    [...path.published.keys()]
      .filter((type) => graph.spec(type)?.final === 'confirmed')
      .flatMap((confirmed) => {
        const known = knownAtEnd(graph, path, confirmed);
        return undisturbed
          .filter((other) => !other.published.has(confirmed) && known.every((type) => other.published.has(type)))
          .map((other) => ({
            rule,
            message: `${graph.spec(confirmed)?.by} can publish ${confirmed} on ${known.join(', ')} while another step can still refuse`,
            path: [...other.published.keys()],
          }));
      }),
  );
}

/** No step of a confirmed order may be compensated, neither before the confirmation nor after it. */
function checkKept(graph: SagaGraph, path: SagaPath): Finding[] {
  const published = [...path.published.keys()];
  const confirmed = published.find((type) => graph.spec(type)?.final === 'confirmed');
  if (!confirmed) return [];
  return published
    .filter((type) => graph.spec(type)?.compensates !== undefined)
    .map((type) => ({ rule, message: `a path has both ${confirmed} and ${type}`, path: published }));
}
