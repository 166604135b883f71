// The rule compensation-complete: a cancelled order leaves nothing behind, and is not called cancelled before that.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { knownAtEnd, ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

const rule = 'compensation-complete';

/**
 * Each service commits on its own, so a failure finds earlier steps already done. Whoever did one must hear of this
 * failure and say that it is undone, on this very path; and the end has to wait for that, or the order is called
 * cancelled while the money is still gone. An effect is every success on the way to `confirmed`, of a service other than the one
 * that starts the saga.
 */
export function checkCompensationComplete(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const findings = [
    ...checkUndoable(graph),
    ...paths.flatMap((path) => [...checkUndone(graph, path), ...checkEndWaits(graph, path)]),
  ];
  // While something is missing from the paths themselves, comparing them with each other only repeats it.
  return findings.length > 0 ? findings : checkEndIsKnown(graph, paths);
}

function effectsOn(graph: SagaGraph, path: SagaPath): string[] {
  return [...path.said.keys()].filter((type) => graph.isEffect(type));
}

function endsOn(graph: SagaGraph, path: SagaPath, final: 'confirmed' | 'cancelled'): string[] {
  return [...path.said.keys()].filter((type) => graph.spec(type)?.final === final);
}

function checkUndoable(graph: SagaGraph): Finding[] {
  return graph.types
    .filter((type) => graph.isEffect(type) && graph.undoingsOf(type).length === 0)
    .map((type) => ({
      rule,
      message: `no event compensates ${type}, which ${graph.spec(type)?.by} has done when a later step fails`,
      path: graph.wayTo(type),
    }));
}

function checkUndone(graph: SagaGraph, path: SagaPath): Finding[] {
  if (endsOn(graph, path, 'cancelled').length === 0) return [];
  return effectsOn(graph, path).flatMap((effect) => {
    const undoings = graph.undoingsOf(effect);
    if (undoings.length === 0 || undoings.some((type) => path.said.has(type))) return [];
    const service = graph.spec(effect)?.by;
    const message = `${service} does not undo ${effect} on the path of ${failureOn(graph, path)}: no ${undoings.join(' or ')}`;
    return [{ rule, message, path: [...path.said.keys()] }];
  });
}

function failureOn(graph: SagaGraph, path: SagaPath): string {
  if (path.withdrawn) return graph.contract.withdrawal;
  const off = [...path.said.keys()].filter((type) => graph.isFailure(type) && !graph.spec(type)?.compensates);
  return off[0] ?? 'a failure';
}

/** The end must not be said while an undoing is still on its way. */
function checkEndWaits(graph: SagaGraph, path: SagaPath): Finding[] {
  const undoings = effectsOn(graph, path)
    .flatMap((effect) => graph.undoingsOf(effect))
    .filter((type) => path.said.has(type));
  return endsOn(graph, path, 'cancelled').flatMap((end) => {
    const service = graph.spec(end)?.by ?? '';
    const triggers = path.said.get(end) ?? [];
    const comesAfter = (trigger: string, undoing: string) =>
      trigger === undoing || ledTo(graph, path, undoing, trigger);
    return undoings.flatMap((undoing) => {
      const early = triggers.filter(
        (trigger) => !comesAfter(trigger, undoing) && !graph.outcomesOf(trigger, service).includes('waits'),
      );
      if (early.length === 0 && triggers.some((trigger) => comesAfter(trigger, undoing))) return [];
      const hears = graph.outcomesOf(undoing, service).length > 0 || path.outcomes.has(reactionKey(undoing, service));
      const message = hears
        ? `${service} can say ${end} on ${early.join(' or ') || triggers.join(' and ')} without waiting for ${undoing}`
        : `${service} says ${end} without ever hearing of ${undoing}`;
      return [{ rule, message, path: [...path.said.keys()] }];
    });
  });
}

/**
 * Whoever says the end knows only what it has heard. If that is enough for the end of one path, and on another path the
 * same has been heard while an undoing is still on its way, then it ends that one too early or waits forever on this one.
 */
function checkEndIsKnown(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return paths.flatMap((path) =>
    endsOn(graph, path, 'cancelled').flatMap((end) => {
      const known = knownAtEnd(graph, path, end);
      return (
        paths
          .filter((other) => other.said.has(end) && known.every((type) => other.said.has(type)))
          // Whoever takes a saga back knows that it did.
          .filter((other) => other.withdrawn === path.withdrawn || graph.spec(end)?.by !== graph.withdrawer)
          .flatMap((other) => {
            const isKnown = (undoing: string) =>
              known.some((type) => type === undoing || ledTo(graph, other, undoing, type));
            const pending = [...other.said.keys()].filter((type) => graph.spec(type)?.compensates && !isKnown(type));
            return pending.map((undoing) => ({
              rule,
              message: `${graph.spec(end)?.by} can't tell from ${known.join(', ')} whether ${undoing} is still to come before ${end}`,
              path: [...other.said.keys()],
            }));
          })
      );
    }),
  );
}
