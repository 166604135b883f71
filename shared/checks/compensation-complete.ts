// The rule compensation-complete: a cancelled order leaves nothing behind, and is not called cancelled before that.
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, reactionKey, type SagaPath } from './saga-paths.ts';

const rule = 'compensation-complete';

/**
 * Each service commits on its own, so a failure finds earlier steps already done. Whoever did one must hear of this
 * failure and say that it is undone, on this very path; and the end has to wait for that, or the order is called
 * cancelled while the money is still gone. An effect is every success on the way to `confirmed`, of a service other than the one
 * that starts the saga.
 */
export function checkCompensationComplete(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return [
    ...checkUndoable(graph),
    ...paths.flatMap((path) => [...checkUndone(graph, path), ...checkEndWaits(graph, path), ...checkKept(graph, path)]),
  ];
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
      message: `no event undoes ${type}, which ${graph.spec(type)?.by} has done when a later step fails`,
      path: graph.wayTo(type),
    }));
}

function checkUndone(graph: SagaGraph, path: SagaPath): Finding[] {
  if (endsOn(graph, path, 'cancelled').length === 0) return [];
  return effectsOn(graph, path).flatMap((effect) => {
    const undoings = graph.undoingsOf(effect);
    if (undoings.length === 0 || undoings.some((type) => path.said.has(type))) return [];
    const { failure, verb } = failureOn(graph, path);
    const message = `${graph.spec(effect)?.by} does not undo ${effect} when ${failure} ${verb}: no ${undoings.join(' or ')}`;
    return [{ rule, message, path: [...path.said.keys()] }];
  });
}

function failureOn(graph: SagaGraph, path: SagaPath): { failure: string; verb: string } {
  if (path.withdrawn) return { failure: graph.contract.withdrawal, verb: 'takes the saga back' };
  const refusals = [...path.said.keys()].filter((type) => !graph.forward.has(type) && !graph.spec(type)?.undoes);
  return { failure: refusals.find((type) => !graph.isEnd(type)) ?? 'the saga', verb: 'fails' };
}

/** The end must not be said while an undoing is still on its way. */
function checkEndWaits(graph: SagaGraph, path: SagaPath): Finding[] {
  const undoings = effectsOn(graph, path)
    .flatMap((effect) => graph.undoingsOf(effect))
    .filter((type) => path.said.has(type));
  return endsOn(graph, path, 'cancelled').flatMap((end) => {
    const service = graph.spec(end)?.by ?? '';
    const triggers = path.said.get(end) ?? [];
    const comesAfter = (trigger: string, undoing: string) => trigger === undoing || ledTo(path, undoing, trigger);
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

/** What a confirmed order was promised must not have been taken back on the way. */
function checkKept(graph: SagaGraph, path: SagaPath): Finding[] {
  if (endsOn(graph, path, 'confirmed').length === 0) return [];
  return [...path.said.keys()]
    .filter((type) => graph.spec(type)?.undoes !== undefined)
    .map((type) => ({ rule, message: `a path is confirmed although it has ${type}`, path: [...path.said.keys()] }));
}
