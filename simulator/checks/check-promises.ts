// The promises, checked from outside once it is quiet: from the services' databases, from what the broker took, and from
// what people were answered. The checks read tables, not the services' code, except for the pure `statusOf`.

import type { Finding, PromiseId, Violation } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import { type OrderRecords, readOrderRecords } from './order-records.ts';
import { acceptedOrdersAreKept } from './p1-accepted.ts';
import { everyOrderEnds } from './p2-ends.ts';
import { moneyIsConserved } from './p3-money.ts';
import { stockIsConserved } from './p4-stock.ts';
import { servicesAgree } from './p5-agreement.ts';
import {
  instancesConverge,
  instancesPublishTheirJournals,
  keysAreChargedOnce,
  oneInstanceDecides,
} from './p5-instances.ts';
import { eventsArePublishedOnce } from './p6-once.ts';
import { orderOfArrivalDoesNotMatter } from './p7-any-order.ts';
import { noMessageVanishes } from './p8-messages.ts';
import { stateAndEventsMatch } from './p9-published.ts';
import { nothingUnaskedIsStored } from './p10-bad-input.ts';
import { putBackIsHarmless } from './p12-put-back.ts';

type Check = (evidence: Evidence, orders: OrderRecords) => Iterable<Finding>;

const checks: Readonly<Record<PromiseId, Check>> = {
  P1: acceptedOrdersAreKept,
  P2: all(everyOrderEnds, oneInstanceDecides),
  P3: all(moneyIsConserved, keysAreChargedOnce),
  P4: stockIsConserved,
  P5: all(servicesAgree, instancesConverge),
  P6: eventsArePublishedOnce,
  P7: orderOfArrivalDoesNotMatter,
  P8: noMessageVanishes,
  P9: all(stateAndEventsMatch, instancesPublishTheirJournals),
  P10: nothingUnaskedIsStored,
  P12: putBackIsHarmless,
};

function all(...several: readonly Check[]): Check {
  return function* (evidence, orders) {
    for (const check of several) yield* check(evidence, orders);
  };
}

/** At most this many violations of each promise: the first few are enough to see what is wrong. */
const violationsMax = 5;

/** Whether every message is accounted for: all that can have changed when nothing but messages has. */
export function checkMessages(evidence: Evidence): Violation[] {
  const findings = excused('P8', noMessageVanishes(evidence), evidence);
  return firstOf(findings, violationsMax).map((finding) => ({ promise: 'P8', ...finding }));
}

export function checkPromises(evidence: Evidence): Violation[] {
  const orders = readOrderRecords(evidence.databases);
  const objections = [...(evidence.model?.violations() ?? [])];
  return (Object.keys(checks) as PromiseId[]).flatMap((promise) =>
    [
      ...firstOf(excused(promise, checks[promise](evidence, orders), evidence), violationsMax),
      ...objections.filter((objection) => objection.promise === promise).slice(0, violationsMax),
    ].map(({ subject, text }) => ({ promise, subject, text })),
  );
}

/** Without what may disagree because it was lost with a database that was put back. P12 holds for that, too. */
function* excused(promise: PromiseId, findings: Iterable<Finding>, { lost }: Evidence): Generator<Finding> {
  for (const finding of findings) if (promise === 'P12' || !lost.has(finding.subject)) yield finding;
}

function firstOf<T>(items: Iterable<T>, most: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    first.push(item);
    if (first.length === most) break;
  }
  return first;
}
