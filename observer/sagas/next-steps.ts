// What the contract allows next in a saga of which these events are known. Pure.
import { type ContractMap, type EventInfo, type ReactionInfo, wayAhead } from '../model/contract-map.ts';
import type { NextStep } from '../model/messages.ts';
import type { SeenEvent } from './seen-event.ts';

type Known = Pick<SeenEvent, 'eventId' | 'type' | 'causationId' | 'atMs'>;

/** Silent outcomes that say: something else must arrive first, or nothing follows. The others are races. */
const waiting: ReadonlySet<string> = new Set(['waits', 'noted']);

export function nextSteps(map: ContractMap, events: readonly Known[]): NextStep[] {
  const infos = events.map((event) => ({ event, info: map.events.get(event.type) }));
  if (infos.some(({ info }) => info?.final)) return [];
  const failing = infos.some(({ info }) => info?.failure);
  const types = new Set(events.map(({ type }) => type));
  const steps = infos.flatMap(({ event, info }) =>
    (info?.reactions ?? [])
      .filter((reaction) => isOpen(reaction, event, events, types, map))
      .map((reaction) => stepOf(map, reaction, event, failing)),
  );
  // What must come first; each set of outcomes once, since any one of its causes may lead to it.
  const sorted = steps.sort((a, b) => Number(a.kind === 'may') - Number(b.kind === 'may'));
  const seen = new Set<string>();
  return sorted.filter(({ service, events: outcomes }) => {
    const key = `${service} ${outcomes.join(' ')}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Whether nothing that this service has published answers the event yet. */
function isOpen(
  { service, events: outcomes }: ReactionInfo,
  cause: Known,
  events: readonly Known[],
  types: ReadonlySet<string>,
  map: ContractMap,
): boolean {
  if (outcomes.length === 0 || outcomes.some((outcome) => types.has(outcome))) return false;
  return !events.some(({ causationId, type }) => causationId === cause.eventId && map.events.get(type)?.by === service);
}

function stepOf(map: ContractMap, { service, events, silent }: ReactionInfo, cause: Known, failing: boolean): NextStep {
  // Races need a failure: while there is none, only a reaction that may wait for others is uncertain.
  const may = silent.some((outcome) => waiting.has(outcome)) || (failing && silent.includes('fenced'));
  const preferredOutcome = preferred(map, events);
  return {
    service,
    events,
    silent,
    causeId: cause.eventId,
    causeType: cause.type,
    kind: may ? 'may' : 'must',
    since: cause.atMs,
    // A late success leads to its own undoing, not to a confirmed order.
    ahead: failing && !map.events.get(preferredOutcome)?.failure ? [] : wayAhead(map, preferredOutcome),
  };
}

/** The outcome whose continuation is shown: the one that keeps the order alive. */
function preferred(map: ContractMap, events: readonly string[]): string {
  const infos = events.flatMap((type): EventInfo | [] => map.events.get(type) ?? []);
  return (infos.find(({ failure }) => !failure) ?? infos[0])?.type ?? '';
}
