// Coverage: which faults, outcomes and races there are to bring about, and which of them have not come about.
import { serviceNames } from '../services.ts';
import { choreography } from '../shared/contract/choreography.ts';
import { failpoints } from '../shared/runtime/storage/group-commit.ts';
import { allFaults, type FaultKind } from './environment/faults.ts';
import { poisonKinds } from './environment/poison.ts';
import { instanceRaceNames, raceNames } from './races.ts';

/** From this many orders on, runs with all faults must bring about everything. */
export const ordersForEverything = 5_000;

/** Every outcome of every reaction, as the contract declares them. */
export const declaredOutcomes: readonly string[] = Object.entries(choreography.events).flatMap(([type, spec]) =>
  Object.entries(spec.reactions).flatMap(([service, outcomes]) =>
    (outcomes as readonly string[]).map((outcome) => `${service}: ${type} -> ${outcome}`),
  ),
);

/** What comes about only where order-service has several instances. */
const instanceFaults: ReadonlySet<string> = new Set(['instance-joins', 'instance-lost', 'instance-adopted']);

/** The names under which the faults of a kind are counted. */
function faultNames(kind: FaultKind): string[] {
  switch (kind) {
    case 'crash':
      return serviceNames.flatMap((name) => [...failpoints, 'between steps'].map((point) => `crash ${name} ${point}`));
    case 'poison':
      return poisonKinds.map((poison) => `poison ${poison}`);
    case 'clock-jump':
      return ['forwards', 'backwards', 'stopped'].map((how) => `clock-jump ${how}`);
    case 'crash-loop':
      return ['crash-loop', 'delivery limit reached'];
    // Counted by reaction; which of them break is left to chance.
    case 'broken-reaction':
      return [];
    case 'instance-adopted':
      return [kind, 'an adopted instance comes back'];
    default:
      return [kind];
  }
}

/** The same of what named instances make of the events of their peers, and of adoptions. */
const peerOutcomes: readonly string[] = Object.entries(choreography.events).flatMap(([type, spec]) =>
  Object.entries('peers' in spec ? spec.peers : {}).flatMap(([service, outcomes]) =>
    (outcomes as readonly string[]).map((outcome) => `${service}: ${type} -> ${outcome}`),
  ),
);

export function outcomesAndRacesOf(withInstances: boolean): readonly string[] {
  const among = withInstances ? [...peerOutcomes, ...instanceRaceNames] : [];
  return [...new Set([...declaredOutcomes, ...raceNames, ...among])];
}

export function faultsOf(kinds: readonly FaultKind[], withInstances = false): string[] {
  return kinds.filter((kind) => withInstances || !instanceFaults.has(kind)).flatMap(faultNames);
}

/** So rare that no number of orders brings it about for sure. The explorations of one order do, and their tests say so. */
const leftToExplorations: ReadonlySet<string> = new Set(['order-service: payment.failed -> ended']);
/** Among instances, some need an adoption at just the right moment: what did not come about is printed, and fails nothing. */
const leftToChance: ReadonlySet<string> = new Set(peerOutcomes.filter((name) => !declaredOutcomes.includes(name)));

/** What must come about in runs that are large enough, and has not. */
export function missed(...args: Parameters<typeof neverReached>): string[] {
  return neverReached(...args).filter((name) => !leftToExplorations.has(name) && !leftToChance.has(name));
}

/** What has not come about, in counts that may come from several runs with these kinds of faults. */
export function neverReached(
  counts: { readonly faults: ReadonlyMap<string, number>; readonly races: ReadonlyMap<string, number> },
  kinds: readonly FaultKind[] = allFaults,
  withInstances = false,
): string[] {
  return [
    ...faultsOf(kinds, withInstances).filter((name) => !counts.faults.get(name)),
    ...outcomesAndRacesOf(withInstances).filter((name) => !counts.races.get(name)),
  ];
}
