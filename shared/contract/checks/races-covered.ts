// The rule races-covered: messages arrive in any order, so whatever can overtake something needs an outcome for both orders.
import type { Finding } from './finding.ts';
import { checkLateArrivals } from './late-arrivals.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, type SagaPath } from './saga-paths.ts';

const rule = 'races-covered';

/**
 * A withdrawal races with every step: the queue of a service gives no promise about events of different publishers. A
 * missing fence takes money for an order that was cancelled before; a missing "nothing had happened yet" leaves the
 * order waiting for an answer that never comes. Both orders of each pair therefore stand in the contract.
 */
export function checkRacesCovered(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return [
    ...checkHearsWithdrawal(graph),
    ...checkFences(graph, paths),
    ...checkWithdrawalOutcomes(graph),
    ...checkOvertaking(graph, paths),
    ...checkSettled(graph),
    ...checkWithdrawn(graph),
    ...checkLateArrivals(graph, paths),
  ];
}

function checkHearsWithdrawal(graph: SagaGraph): Finding[] {
  const { withdrawal } = graph.contract;
  const hearers = graph.readersOf(withdrawal);
  return stepServices(graph)
    .filter((service) => service !== graph.withdrawer && !hearers.includes(service))
    .map((service) =>
      finding(
        `${service} does not hear ${withdrawal}, so it can't take back ${graph.effectsOf(service).join(' or ')}`,
        [withdrawal, service],
      ),
    );
}

/** A step that comes after what takes it back must not happen any more. */
function checkFences(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const { withdrawal } = graph.contract;
  return graph
    .readersOf(withdrawal)
    .flatMap((service) =>
      forwardReactionsOf(graph, service).flatMap((type) => fenceMissing(graph, type, service, withdrawal)),
    )
    .concat(
      overtakers(graph, paths).flatMap(({ overtaker, service, effect }) =>
        graph
          .triggersOf(effect)
          .filter((trigger) => trigger.service === service)
          .flatMap(({ type }) => fenceMissing(graph, type, service, overtaker)),
      ),
    );
}

function fenceMissing(graph: SagaGraph, type: string, service: string, overtaker: string): Finding[] {
  if (graph.outcomesOf(type, service).includes('fenced')) return [];
  return [finding(`${service} has no 'fenced' on ${type}, for when ${overtaker} arrives first`, [overtaker, type])];
}

/** Whatever a service has or hasn't done by now, it has an answer to the withdrawal. */
function checkWithdrawalOutcomes(graph: SagaGraph): Finding[] {
  const { withdrawal } = graph.contract;
  return graph.readersOf(withdrawal).flatMap((service) => {
    const steps = forwardReactionsOf(graph, service);
    const outcomes = graph.outcomesOf(withdrawal, service);
    const findings: Finding[] = [];
    if (steps.length > 0 && !outcomes.some((outcome) => graph.isVoiding(outcome))) {
      const message = `${service} has no answer to ${withdrawal} for when nothing had happened yet`;
      findings.push(finding(message, [withdrawal, ...steps]));
    }
    for (const effect of graph.effectsOf(service)) {
      const undoings = graph.undoingsOf(effect);
      if (undoings.length === 0 || undoings.some((type) => outcomes.includes(type))) continue;
      const message = `${service} has no ${undoings.join(' or ')} on ${withdrawal}, for when ${effect} came first`;
      findings.push(finding(message, [effect, withdrawal]));
    }
    const refusals = steps.flatMap((type) => graph.eventsOf(type, service)).filter((type) => !graph.forward.has(type));
    if (refusals.length > 0 && !outcomes.includes('compensated')) {
      const message = `${service} has no 'compensated' on ${withdrawal}, for when it has said ${refusals.join(' or ')} before`;
      findings.push(finding(message, [...refusals, withdrawal]));
    }
    return findings;
  });
}

/** Where steps run side by side, the refusal of one can reach another before that one's own turn. */
function checkOvertaking(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return overtakers(graph, paths).flatMap(({ overtaker, service, effect }) => {
    const outcomes = graph.outcomesOf(overtaker, service);
    if (outcomes.some((outcome) => outcome === 'noted' || graph.isVoiding(outcome))) return [];
    return [
      finding(`${service} has no answer to ${overtaker} for when it arrives before ${effect}`, [overtaker, effect]),
    ];
  });
}

/** Compensations other than the withdrawal which can happen although the effect that they undo has not (yet). */
function overtakers(graph: SagaGraph, paths: readonly SagaPath[]) {
  return graph.types
    .filter((type) => type !== graph.contract.withdrawal)
    .flatMap((overtaker) =>
      graph.readersOf(overtaker).flatMap((service) =>
        graph.eventsOf(overtaker, service).flatMap((outcome) => {
          const effect = graph.spec(outcome)?.compensates;
          if (effect === undefined || !graph.isEffect(effect)) return [];
          const isFree = paths.some((path) => path.said.has(overtaker) && !ledTo(graph, path, effect, overtaker));
          return isFree ? [{ overtaker, service, effect }] : [];
        }),
      ),
    );
}

/** What can be undone for two reasons is undone once: whichever comes second finds it settled. */
function checkSettled(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((undoing) => {
    const undone = graph.spec(undoing)?.compensates;
    const triggers = graph.triggersOf(undoing);
    if (undone === undefined || !graph.isEffect(undone) || triggers.length < 2) return [];
    return triggers
      .filter(({ type, service }) => !graph.outcomesOf(type, service).includes('compensated'))
      .map(({ type, service }) => {
        const others = triggers.map((trigger) => trigger.type).filter((other) => other !== type);
        const message = `${service} has no 'compensated' on ${type}, for when ${others.join(' or ')} has led to ${undoing} before`;
        return finding(message, [...others, type]);
      });
  });
}

/** A success that crosses the withdrawal must not confirm, and must not go further. */
function checkWithdrawn(graph: SagaGraph): Finding[] {
  const { withdrawal } = graph.contract;
  return graph.types.flatMap((type) =>
    graph.readersOf(type).flatMap((service) => {
      const forward = graph.eventsOf(type, service).filter((outcome) => graph.forward.has(outcome));
      const outcomes = graph.outcomesOf(type, service);
      if (forward.length === 0) return [];
      if (service === graph.withdrawer) {
        if (outcomes.includes('withdrawn')) return [];
        return [
          finding(`${service} has no 'withdrawn' on ${type}, for after it has said ${withdrawal}`, [withdrawal, type]),
        ];
      }
      const confirms = forward.filter((outcome) => graph.spec(outcome)?.final === 'confirmed');
      if (confirms.length === 0 || graph.readersOf(withdrawal).includes(service)) return [];
      return [
        finding(`${service} says ${confirms.join()} and does not hear ${withdrawal}`, [withdrawal, type, ...confirms]),
      ];
    }),
  );
}

/** The events on the way to `confirmed` on which a service acts: it succeeds or refuses. */
function forwardReactionsOf(graph: SagaGraph, service: string): string[] {
  return graph.types.filter(
    (type) =>
      graph.forward.has(type) &&
      !graph.isEnd(type) &&
      !graph.isCompensating(type, service) &&
      graph.eventsOf(type, service).some((outcome) => graph.forward.has(outcome)),
  );
}

function stepServices(graph: SagaGraph): string[] {
  const names = [...graph.forward].filter((type) => graph.isEffect(type)).map((type) => graph.spec(type)?.by ?? '');
  return [...new Set(names)];
}

function finding(message: string, path: readonly string[]): Finding {
  return { rule, message, path };
}
