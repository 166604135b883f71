// The rule has-publisher: the table names nothing that does not exist, and every event is said by the one who may.
import { isSilent } from '../language.ts';
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

const rule = 'has-publisher';

/**
 * An event that nobody says is a step that never happens: whoever waits for it waits forever. An event said by two
 * services has no owner, and comes from an exchange where nobody looks for it. A misspelt name is both.
 */
export function checkHasPublisher(graph: SagaGraph): Finding[] {
  return [...checkRoots(graph), ...checkOutcomes(graph), ...checkEvents(graph)];
}

function checkRoots(graph: SagaGraph): Finding[] {
  const { starts, withdrawal } = graph.contract;
  return [
    { role: 'starts', type: starts },
    { role: 'withdrawal', type: withdrawal },
  ].flatMap(({ role, type }) => {
    const spec = graph.spec(type);
    if (!spec) return [finding(`'${role}' names ${type}, which is no event of the contract`, [type])];
    if (!spec.trigger) return [finding(`'${role}' names ${type}, which nobody says of their own accord`, [type])];
    return [];
  });
}

function checkOutcomes(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((type) =>
    graph.readersOf(type).flatMap((service) => {
      const outcomes = graph.outcomesOf(type, service);
      if (outcomes.length === 0) return [finding(`${service} reacts to ${type} with no outcome at all`, [type])];
      return outcomes.flatMap((outcome) => {
        if (isSilent(outcome)) return [];
        const way = [...graph.wayTo(type), outcome];
        const by = graph.spec(outcome)?.by;
        if (by === undefined) return [finding(`${service} reacts to ${type} with ${outcome}, which is no event`, way)];
        if (by === service) return [];
        return [finding(`${service} reacts to ${type} with ${outcome}, which only ${by} may say`, way)];
      });
    }),
  );
}

function checkEvents(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((type) => {
    const spec = graph.spec(type);
    if (!spec) return [];
    const findings: Finding[] = [];
    const isSaid = graph.triggersOf(type).some(({ service }) => service === spec.by);
    if (!spec.trigger && !isSaid) {
      findings.push(finding(`nothing makes ${spec.by} say ${type}: no reaction of it has that outcome`, [type]));
    }
    if (spec.compensates === undefined) return findings;
    const undone = graph.spec(spec.compensates);
    if (!undone)
      findings.push(finding(`${type} compensates ${spec.compensates}, which is no event`, [type, spec.compensates]));
    else if (undone.by !== spec.by) {
      findings.push(
        finding(`${type} of ${spec.by} compensates ${spec.compensates} of ${undone.by}`, [spec.compensates, type]),
      );
    }
    return findings;
  });
}

function finding(message: string, path: readonly string[]): Finding {
  return { rule, message, path };
}
