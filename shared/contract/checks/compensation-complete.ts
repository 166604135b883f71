// The rule compensation-complete: an order is cancelled only when none of its effects remains.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { knownAtEnd, ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

const rule = 'compensation-complete';

/**
 * Each service commits on its own, so earlier steps are already done when a later one fails. On the path of that failure,
 * each service that completed a step must compensate it, and the end must wait for the compensation. Otherwise the order
 * is cancelled while the money is still gone. An effect is any success on the way to `confirmed`, except those of the
 * service that starts the saga.
 */
export function checkCompensationComplete(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const findings = [
    ...checkCompensable(graph),
    ...paths.flatMap((path) => [...checkCompensated(graph, path), ...checkEndWaits(graph, path)]),
  ];
  // A gap within a path would be reported again when the paths are compared with each other.
  return findings.length > 0 ? findings : checkEndIsKnown(graph, paths);
}

function effectsOn(graph: SagaGraph, path: SagaPath): string[] {
  return [...path.published.keys()].filter((type) => graph.isEffect(type));
}

function endsOn(graph: SagaGraph, path: SagaPath, final: 'confirmed' | 'cancelled'): string[] {
  return [...path.published.keys()].filter((type) => graph.spec(type)?.final === final);
}

function checkCompensable(graph: SagaGraph): Finding[] {
  return graph.types
    .filter((type) => graph.isEffect(type) && graph.compensationsOf(type).length === 0)
    .map((type) => ({
      rule,
      message: `no event compensates ${type}, so ${graph.spec(type)?.by} cannot undo it when a later step fails`,
      path: graph.pathTo(type),
    }));
}

function checkCompensated(graph: SagaGraph, path: SagaPath): Finding[] {
  if (endsOn(graph, path, 'cancelled').length === 0) return [];
  return effectsOn(graph, path).flatMap((effect) => {
    const compensations = graph.compensationsOf(effect);
    if (compensations.length === 0 || compensations.some((type) => path.published.has(type))) return [];
    const service = graph.spec(effect)?.by;
    const message = `${service} does not compensate ${effect} on the path of ${failureOn(graph, path)}: ${compensations.join(' or ')} is missing`;
    return [{ rule, message, path: [...path.published.keys()] }];
  });
}

function failureOn(graph: SagaGraph, path: SagaPath): string {
  if (path.withdrawn) return graph.contract.withdrawal;
  const failures = [...path.published.keys()].filter((type) => graph.isFailure(type) && !graph.spec(type)?.compensates);
  return failures[0] ?? 'a failure';
}

/** The end must not be published while a compensation is still on its way. */
function checkEndWaits(graph: SagaGraph, path: SagaPath): Finding[] {
  const compensations = effectsOn(graph, path)
    .flatMap((effect) => graph.compensationsOf(effect))
    .filter((type) => path.published.has(type));
  return endsOn(graph, path, 'cancelled').flatMap((end) => {
    const service = graph.spec(end)?.by ?? '';
    const triggers = path.published.get(end) ?? [];
    const comesAfter = (trigger: string, compensation: string) =>
      trigger === compensation || ledTo(graph, path, compensation, trigger);
    return compensations.flatMap((compensation) => {
      const early = triggers.filter(
        (trigger) => !comesAfter(trigger, compensation) && !graph.outcomesOf(trigger, service).includes('waits'),
      );
      if (early.length === 0 && triggers.some((trigger) => comesAfter(trigger, compensation))) return [];
      const subscribes =
        graph.outcomesOf(compensation, service).length > 0 || path.outcomes.has(reactionKey(compensation, service));
      const message = subscribes
        ? `${service} can publish ${end} on ${early.join(' or ') || triggers.join(' and ')} without waiting for ${compensation}`
        : `${service} publishes ${end} but does not subscribe to ${compensation}`;
      return [{ rule, message, path: [...path.published.keys()] }];
    });
  });
}

/**
 * The service that publishes the end knows only the events it has received. Suppose these suffice to end one path, and on
 * another path the same events arrive while a compensation is still on its way. Then the service either ends the second
 * path too early or waits forever on the first.
 */
function checkEndIsKnown(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return paths.flatMap((path) =>
    endsOn(graph, path, 'cancelled').flatMap((end) => {
      const known = knownAtEnd(graph, path, end);
      return (
        paths
          .filter((other) => other.published.has(end) && known.every((type) => other.published.has(type)))
          // The service that withdraws a saga knows that it did.
          .filter((other) => other.withdrawn === path.withdrawn || graph.spec(end)?.by !== graph.withdrawer)
          .flatMap((other) => {
            const isKnown = (compensation: string) =>
              known.some((type) => type === compensation || ledTo(graph, other, compensation, type));
            const pending = [...other.published.keys()].filter(
              (type) => graph.spec(type)?.compensates && !isKnown(type),
            );
            return pending.map((compensation) => ({
              rule,
              message: `${graph.spec(end)?.by} cannot tell from ${known.join(', ')} whether ${compensation} is still to come before ${end}`,
              path: [...other.published.keys()],
            }));
          })
      );
    }),
  );
}
