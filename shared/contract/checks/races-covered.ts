// The rule races-covered: messages arrive in any order, so two events that can overtake each other need an outcome for
// both orders.
import type { Finding } from './finding.ts';
import { checkLateArrivals } from './late-arrivals.ts';
import type { SagaGraph } from './saga-graph.ts';
import { ledTo, type SagaPath } from './saga-paths.ts';

const rule = 'races-covered';

/**
 * A withdrawal races with every step, because a queue does not order the events of different publishers. Without a fence,
 * a service takes money for an order that is already cancelled. Without an outcome for "nothing was done yet", the order
 * waits forever. So the contract must declare outcomes for both orders of each pair.
 */
export function checkRacesCovered(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return [
    ...checkSubscribesToWithdrawal(graph),
    ...checkFences(graph, paths),
    ...checkWithdrawalOutcomes(graph),
    ...checkOvertaking(graph, paths),
    ...checkCompensatedOnce(graph),
    ...checkWithdrawn(graph),
    ...checkLateArrivals(graph, paths),
  ];
}

function checkSubscribesToWithdrawal(graph: SagaGraph): Finding[] {
  const { withdrawal } = graph.contract;
  const subscribers = graph.subscribersOf(withdrawal);
  return stepServices(graph)
    .filter((service) => service !== graph.withdrawer && !subscribers.includes(service))
    .map((service) =>
      finding(
        `${service} does not subscribe to ${withdrawal}, so it cannot compensate ${graph.effectsOf(service).join(' or ')}`,
        [withdrawal, service],
      ),
    );
}

/** A step that arrives after its own compensation must not be carried out. */
function checkFences(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  const { withdrawal } = graph.contract;
  return graph
    .subscribersOf(withdrawal)
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
  return [finding(`${service} needs 'fenced' on ${type}, in case ${overtaker} arrives first`, [overtaker, type])];
}

/** A service needs an outcome on the withdrawal for everything it may or may not have done before. */
function checkWithdrawalOutcomes(graph: SagaGraph): Finding[] {
  const { withdrawal } = graph.contract;
  return graph.subscribersOf(withdrawal).flatMap((service) => {
    const steps = forwardReactionsOf(graph, service);
    const outcomes = graph.outcomesOf(withdrawal, service);
    const findings: Finding[] = [];
    if (steps.length > 0 && !outcomes.some((outcome) => graph.isVoiding(outcome))) {
      const message = `${service} has no outcome on ${withdrawal} for the case that it has done nothing yet`;
      findings.push(finding(message, [withdrawal, ...steps]));
    }
    for (const effect of graph.effectsOf(service)) {
      const compensations = graph.compensationsOf(effect);
      if (compensations.length === 0 || compensations.some((type) => outcomes.includes(type))) continue;
      const message = `${service} needs ${compensations.join(' or ')} on ${withdrawal}, in case ${effect} came first`;
      findings.push(finding(message, [effect, withdrawal]));
    }
    const refusals = steps.flatMap((type) => graph.eventsOf(type, service)).filter((type) => !graph.forward.has(type));
    if (refusals.length > 0 && !outcomes.includes('compensated')) {
      const message = `${service} needs 'compensated' on ${withdrawal}, in case it has already published ${refusals.join(' or ')}`;
      findings.push(finding(message, [...refusals, withdrawal]));
    }
    return findings;
  });
}

/** When steps run in parallel, the refusal of one can reach another service before that service's own step. */
function checkOvertaking(graph: SagaGraph, paths: readonly SagaPath[]): Finding[] {
  return overtakers(graph, paths).flatMap(({ overtaker, service, effect }) => {
    const outcomes = graph.outcomesOf(overtaker, service);
    if (outcomes.some((outcome) => outcome === 'noted' || graph.isVoiding(outcome))) return [];
    return [
      finding(`${service} has no outcome on ${overtaker} for the case that it arrives before ${effect}`, [
        overtaker,
        effect,
      ]),
    ];
  });
}

/** Events other than the withdrawal that compensate an effect and can arrive before it. */
function overtakers(graph: SagaGraph, paths: readonly SagaPath[]) {
  return graph.types
    .filter((type) => type !== graph.contract.withdrawal)
    .flatMap((overtaker) =>
      graph.subscribersOf(overtaker).flatMap((service) =>
        graph.eventsOf(overtaker, service).flatMap((outcome) => {
          const effect = graph.spec(outcome)?.compensates;
          if (effect === undefined || !graph.isEffect(effect)) return [];
          const canOvertake = paths.some(
            (path) => path.published.has(overtaker) && !ledTo(graph, path, effect, overtaker),
          );
          return canOvertake ? [{ overtaker, service, effect }] : [];
        }),
      ),
    );
}

/** An effect that two events can compensate must be compensated once: the second event finds that already done. */
function checkCompensatedOnce(graph: SagaGraph): Finding[] {
  return graph.types.flatMap((compensation) => {
    const compensated = graph.spec(compensation)?.compensates;
    const triggers = graph.triggersOf(compensation);
    if (compensated === undefined || !graph.isEffect(compensated) || triggers.length < 2) return [];
    return triggers
      .filter(({ type, service }) => !graph.outcomesOf(type, service).includes('compensated'))
      .map(({ type, service }) => {
        const others = triggers.map((trigger) => trigger.type).filter((other) => other !== type);
        const message = `${service} needs 'compensated' on ${type}, in case ${others.join(' or ')} has already led to ${compensation}`;
        return finding(message, [...others, type]);
      });
  });
}

/** A success that arrives after the withdrawal must neither confirm the order nor lead to another step. */
function checkWithdrawn(graph: SagaGraph): Finding[] {
  const { withdrawal } = graph.contract;
  return graph.types.flatMap((type) =>
    graph.subscribersOf(type).flatMap((service) => {
      const forward = graph.eventsOf(type, service).filter((outcome) => graph.forward.has(outcome));
      const outcomes = graph.outcomesOf(type, service);
      if (forward.length === 0) return [];
      if (service === graph.withdrawer) {
        if (outcomes.includes('withdrawn')) return [];
        return [
          finding(`${service} needs 'withdrawn' on ${type}, in case it has already published ${withdrawal}`, [
            withdrawal,
            type,
          ]),
        ];
      }
      const confirms = forward.filter((outcome) => graph.spec(outcome)?.final === 'confirmed');
      if (confirms.length === 0 || graph.subscribersOf(withdrawal).includes(service)) return [];
      return [
        finding(`${service} publishes ${confirms.join()} but does not subscribe to ${withdrawal}`, [
          withdrawal,
          type,
          ...confirms,
        ]),
      ];
    }),
  );
}

/** The events on the way to `confirmed` that make a service act: it succeeds or refuses. */
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
