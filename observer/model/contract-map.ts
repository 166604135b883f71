// The contract as the live page needs it: each event with who may follow it with what, and whether an order can still be
// confirmed after it. Everything that the page knows about the saga comes from here; no event is known by name.
import { type Choreography, isSilent, servicesOf } from '../../shared/contract/language.ts';

export interface ReactionInfo {
  readonly service: string;
  /** Events that may follow. Empty: only silent outcomes. */
  readonly events: readonly string[];
  readonly silent: readonly string[];
}

export interface EventInfo {
  readonly type: string;
  readonly by: string;
  readonly trigger?: string;
  readonly compensates?: string;
  readonly final?: 'confirmed' | 'cancelled';
  readonly standalone: boolean;
  /** Whether a saga that holds this event can only be cancelled. */
  readonly failure: boolean;
  readonly reactions: readonly ReactionInfo[];
}

export interface ContractMap {
  readonly starts: string;
  readonly withdrawal: string;
  readonly services: readonly string[];
  readonly events: ReadonlyMap<string, EventInfo>;
}

export function contractMapOf(contract: Choreography): ContractMap {
  const events = new Map<string, EventInfo>();
  for (const [type, spec] of Object.entries(contract.events)) {
    events.set(type, {
      type,
      by: spec.by,
      ...(spec.trigger === undefined ? {} : { trigger: spec.trigger }),
      ...(spec.compensates === undefined ? {} : { compensates: spec.compensates }),
      ...(spec.final === undefined ? {} : { final: spec.final }),
      standalone: spec.standalone === true,
      failure: spec.standalone !== true && !reaches(contract, type, 'confirmed', new Set()),
      reactions: Object.entries(spec.reactions).map(([service, outcomes]) => ({
        service,
        events: outcomes.filter((outcome) => !isSilent(outcome)),
        silent: outcomes.filter(isSilent),
      })),
    });
  }
  return { starts: contract.starts, withdrawal: contract.withdrawal, services: servicesOf(contract), events };
}

function reaches(contract: Choreography, type: string, final: string, seen: Set<string>): boolean {
  const spec = contract.events[type];
  if (!spec || seen.has(type)) return false;
  seen.add(type);
  if (spec.final === final) return true;
  return Object.values(spec.reactions)
    .flat()
    .some((outcome) => !isSilent(outcome) && reaches(contract, outcome, final, seen));
}

/**
 * The shortest way from an event to an end of the saga, without the event itself: to a confirmed order while that is
 * possible, otherwise to a cancelled one.
 */
export function wayAhead(map: ContractMap, from: string): readonly string[] {
  const wanted = map.events.get(from)?.failure ? 'cancelled' : 'confirmed';
  let ways: (readonly string[])[] = [[from]];
  const seen = new Set([from]);
  while (ways.length > 0) {
    const reached = ways.find((way) => map.events.get(way.at(-1) ?? '')?.final === wanted);
    if (reached) return reached.slice(1);
    ways = ways.flatMap((way) =>
      (map.events.get(way.at(-1) ?? '')?.reactions ?? [])
        .flatMap(({ events }) => events)
        .filter((type) => !seen.has(type) && seen.add(type))
        .map((type) => [...way, type]),
    );
  }
  return [];
}
