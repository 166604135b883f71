// The rule has-publisher: every name in the contract exists, and every event is published by the service that owns it.
import { z } from 'zod';
import { isSilent } from '../language.ts';
import type { Finding } from './finding.ts';
import type { SagaGraph } from './saga-graph.ts';

const rule = 'has-publisher';

/**
 * An event that nobody publishes is a step that never happens, and its subscribers wait forever. An event that a second
 * service publishes arrives at an exchange that its subscribers are not bound to. A misspelt name causes both.
 */
export function checkHasPublisher(graph: SagaGraph): Finding[] {
  return [...checkRoots(graph), ...checkOutcomes(graph), ...checkEvents(graph), ...checkSubjects(graph)];
}

function checkRoots(graph: SagaGraph): Finding[] {
  const { starts, withdrawal } = graph.contract;
  return [
    { role: 'starts', type: starts },
    { role: 'withdrawal', type: withdrawal },
  ].flatMap(({ role, type }) => {
    const spec = graph.spec(type);
    if (!spec) return [finding(`'${role}' names ${type}, which is not an event of the contract`, [type])];
    if (!spec.trigger)
      return [finding(`'${role}' names ${type}, which has no trigger and only follows from other events`, [type])];
    return [];
  });
}

function checkOutcomes(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((type) =>
    graph.reactingTo(type).flatMap((service) => {
      const outcomes = graph.allOutcomesOf(type, service);
      if (outcomes.length === 0) return [finding(`${service} reacts to ${type} without any outcome`, [type])];
      return outcomes.flatMap((outcome) => {
        if (isSilent(outcome)) return [];
        const path = [...graph.pathTo(type), outcome];
        const by = graph.spec(outcome)?.by;
        if (by === undefined)
          return [finding(`${service} reacts to ${type} with ${outcome}, which is not an event`, path)];
        if (by === service) return [];
        return [finding(`${service} reacts to ${type} with ${outcome}, which only ${by} may publish`, path)];
      });
    }),
  );
}

function checkEvents(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((type) => {
    const spec = graph.spec(type);
    if (!spec) return [];
    const findings: Finding[] = [];
    const isPublished = graph.triggersOf(type).some(({ service }) => service === spec.by);
    if (!spec.trigger && !isPublished) {
      findings.push(finding(`${spec.by} never publishes ${type}: none of its reactions has that outcome`, [type]));
    }
    if (spec.compensates === undefined) return findings;
    const compensated = graph.spec(spec.compensates);
    if (!compensated)
      findings.push(
        finding(`${type} compensates ${spec.compensates}, which is not an event`, [type, spec.compensates]),
      );
    else if (compensated.by !== spec.by) {
      findings.push(
        finding(
          `${type} compensates ${spec.compensates}, but ${spec.by} cannot compensate what ${compensated.by} did`,
          [spec.compensates, type],
        ),
      );
    }
    return findings;
  });
}

/** Without its subject, an event belongs to no order: its correlation id would be the word `undefined`. */
function checkSubjects(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((type) => {
    const spec = graph.spec(type);
    if (!spec) return [];
    const { required = [] } = z.toJSONSchema(spec.data, { io: 'input', unrepresentable: 'any' });
    if (required.includes(spec.subject)) return [];
    return [finding(`the subject of ${type}, '${spec.subject}', is not a required field of its data`, [type])];
  });
}

function finding(message: string, path: readonly string[]): Finding {
  return { rule, message, path };
}
