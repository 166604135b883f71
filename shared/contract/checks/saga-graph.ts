// The contract as a graph: which event leads to which, which events lie on the way to the good end, and which of those
// leave an effect behind. Names that the table mentions and does not define are left out here: has-publisher tells.
import type { Choreography, EventSpec } from '../language.ts';

export class SagaGraph {
  readonly contract: Choreography;
  /** Events on the way from the start to `confirmed`, both included. */
  readonly forward: ReadonlySet<string>;
  /** The service that starts a saga. Its own part is the order itself, which ends as `cancelled` and needs no undoing. */
  readonly origin: string | undefined;
  /** The service that takes a saga back. */
  readonly withdrawer: string | undefined;

  constructor(contract: Choreography) {
    this.contract = contract;
    this.origin = this.spec(contract.starts)?.by;
    this.withdrawer = this.spec(contract.withdrawal)?.by;
    const reached = this.reachableFrom(contract.starts);
    this.forward = new Set([...reached].filter((type) => this.#leadsToConfirmed(type)));
  }

  get types(): string[] {
    return Object.keys(this.contract.events);
  }

  spec(type: string): EventSpec | undefined {
    return Object.hasOwn(this.contract.events, type) ? this.contract.events[type] : undefined;
  }

  /** The services that react to an event. */
  readersOf(type: string): string[] {
    return Object.keys(this.spec(type)?.reactions ?? {});
  }

  outcomesOf(type: string, service: string): readonly string[] {
    const reactions = this.spec(type)?.reactions ?? {};
    return (Object.hasOwn(reactions, service) ? reactions[service] : undefined) ?? [];
  }

  /** The outcomes of a reaction that are events. */
  eventsOf(type: string, service: string): string[] {
    return this.outcomesOf(type, service).filter((outcome) => this.spec(outcome));
  }

  /** The events that can follow directly from an event. */
  next(type: string): string[] {
    return [...new Set(this.readersOf(type).flatMap((service) => this.eventsOf(type, service)))];
  }

  /** Every reaction of the contract that can have this outcome. */
  triggersOf(outcome: string): { type: string; service: string }[] {
    return this.types.flatMap((type) =>
      this.readersOf(type)
        .filter((service) => this.outcomesOf(type, service).includes(outcome))
        .map((service) => ({ type, service })),
    );
  }

  /** A saga goes no further here: it has ended, or this was never part of it. */
  isEnd(type: string): boolean {
    const spec = this.spec(type);
    return spec?.final !== undefined || spec?.standalone === true;
  }

  /**
   * Whether an event leaves something behind that a failure must undo: a success on the way to `confirmed`, of a
   * service other than the one whose order it is.
   */
  isEffect(type: string): boolean {
    return this.forward.has(type) && !this.isEnd(type) && this.spec(type)?.by !== this.origin;
  }

  /** Whether the saga fails by this event: off the way, and towards the other end or an undoing. */
  isFailure(type: string): boolean {
    if (this.forward.has(type) || this.spec(type)?.standalone) return false;
    return [...this.reachableFrom(type)].some(
      (to) => this.spec(to)?.final === 'cancelled' || this.spec(to)?.compensates,
    );
  }

  effectsOf(service: string): string[] {
    return this.types.filter((type) => this.isEffect(type) && this.spec(type)?.by === service);
  }

  /** The events that undo an event. */
  undoingsOf(type: string): string[] {
    return this.types.filter((other) => this.spec(other)?.compensates === type);
  }

  /** Says that nothing had been done and nothing will be: off the way, and compensates nothing. */
  isVoiding(type: string): boolean {
    const spec = this.spec(type);
    return spec !== undefined && !this.forward.has(type) && spec.compensates === undefined && !this.isEnd(type);
  }

  /** Whether this reaction takes back what the service did, or makes sure that it never will. */
  isCompensating(type: string, service: string): boolean {
    if (type === this.contract.withdrawal) return true;
    return this.eventsOf(type, service).some((outcome) => this.spec(outcome)?.compensates !== undefined);
  }

  /** All events that can follow from an event, itself included, breadth first. Nothing follows from an end. */
  reachableFrom(type: string): Set<string> {
    const reached = new Set(this.spec(type) ? [type] : []);
    for (const at of reached) if (!this.isEnd(at)) for (const to of this.next(at)) reached.add(to);
    return reached;
  }

  /** The shortest way from one event to another, both included; empty when there is none. */
  shortestWay(from: string, to: string): string[] {
    const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
    for (const at of cameFrom.keys()) {
      if (at === to) return wayBack(cameFrom, to);
      for (const next of this.next(at)) if (!cameFrom.has(next)) cameFrom.set(next, at);
    }
    return [];
  }

  /** The shortest way that a saga or its withdrawal gets to an event; just the event when there is none. */
  wayTo(type: string): string[] {
    const { starts, withdrawal } = this.contract;
    const ways = [this.shortestWay(starts, type), this.shortestWay(withdrawal, type)];
    return ways.find((way) => way.length > 0) ?? [type];
  }

  #leadsToConfirmed(type: string): boolean {
    return [...this.reachableFrom(type)].some((end) => this.spec(end)?.final === 'confirmed');
  }
}

function wayBack(cameFrom: ReadonlyMap<string, string | undefined>, to: string): string[] {
  const way: string[] = [];
  for (let at: string | undefined = to; at !== undefined; at = cameFrom.get(at)) way.unshift(at);
  return way;
}
