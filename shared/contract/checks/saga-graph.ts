// The contract as a graph: which event leads to which, which events lie on the way to `confirmed`, and which of those
// have an effect that a failure must compensate. Undefined names are left out: has-publisher reports them.
import type { Choreography, EventSpec } from '../language.ts';

export class SagaGraph {
  readonly contract: Choreography;
  /** Events on the way from the start to `confirmed`, both included. */
  readonly forward: ReadonlySet<string>;
  /** The service that starts a saga. It owns the order, which ends as `cancelled` and needs no compensation. */
  readonly origin: string | undefined;
  /** The service that withdraws a saga. */
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

  /** The services that subscribe to an event. */
  subscribersOf(type: string): string[] {
    return Object.keys(this.spec(type)?.reactions ?? {});
  }

  /** The same, with the instances that react to each other's events. */
  reactingTo(type: string): string[] {
    return [...new Set([...this.subscribersOf(type), ...Object.keys(this.spec(type)?.peers ?? {})])];
  }

  /** The same as `outcomesOf`, with the further ones that there are where a service has several instances. */
  allOutcomesOf(type: string, service: string): readonly string[] {
    const peers = this.spec(type)?.peers ?? {};
    return [...this.outcomesOf(type, service), ...((Object.hasOwn(peers, service) ? peers[service] : undefined) ?? [])];
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
    return [...new Set(this.subscribersOf(type).flatMap((service) => this.eventsOf(type, service)))];
  }

  /** Every reaction of the contract that can have this outcome. */
  triggersOf(outcome: string): { type: string; service: string }[] {
    return this.types.flatMap((type) =>
      this.subscribersOf(type)
        .filter((service) => this.outcomesOf(type, service).includes(outcome))
        .map((service) => ({ type, service })),
    );
  }

  /** The saga stops here: the event is final, or it is not part of a saga. */
  isEnd(type: string): boolean {
    const spec = this.spec(type);
    return spec?.final !== undefined || spec?.standalone === true;
  }

  /**
   * Whether an event has an effect that a failure must compensate: a success on the way to `confirmed`, published by a
   * service other than the one that owns the order.
   */
  isEffect(type: string): boolean {
    return this.forward.has(type) && !this.isEnd(type) && this.spec(type)?.by !== this.origin;
  }

  /** Whether the saga fails with this event: it leads away from `confirmed`, to `cancelled` or to a compensation. */
  isFailure(type: string): boolean {
    if (this.forward.has(type) || this.spec(type)?.standalone) return false;
    return [...this.reachableFrom(type)].some(
      (to) => this.spec(to)?.final === 'cancelled' || this.spec(to)?.compensates,
    );
  }

  effectsOf(service: string): string[] {
    return this.types.filter((type) => this.isEffect(type) && this.spec(type)?.by === service);
  }

  /** The events that compensate an event. */
  compensationsOf(type: string): string[] {
    return this.types.filter((other) => this.spec(other)?.compensates === type);
  }

  /** Whether an event leaves nothing to compensate: it is off the way to `confirmed` and is not a compensation itself. */
  isVoiding(type: string): boolean {
    const spec = this.spec(type);
    return spec !== undefined && !this.forward.has(type) && spec.compensates === undefined && !this.isEnd(type);
  }

  /** Whether this reaction compensates what the service did, or makes sure that it never does it. */
  isCompensating(type: string, service: string): boolean {
    if (type === this.contract.withdrawal) return true;
    return this.eventsOf(type, service).some((outcome) => this.spec(outcome)?.compensates !== undefined);
  }

  /** All events that can follow from an event, including itself, breadth first. Nothing follows from an end. */
  reachableFrom(type: string): Set<string> {
    const reached = new Set(this.spec(type) ? [type] : []);
    for (const at of reached) if (!this.isEnd(at)) for (const to of this.next(at)) reached.add(to);
    return reached;
  }

  /** The shortest path from one event to another, both included; empty if there is none. */
  shortestPath(from: string, to: string): string[] {
    const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
    for (const at of cameFrom.keys()) {
      if (at === to) return pathBack(cameFrom, to);
      for (const next of this.next(at)) if (!cameFrom.has(next)) cameFrom.set(next, at);
    }
    return [];
  }

  /** The shortest path from the start or from the withdrawal to an event; just the event if there is none. */
  pathTo(type: string): string[] {
    const { starts, withdrawal } = this.contract;
    const paths = [this.shortestPath(starts, type), this.shortestPath(withdrawal, type)];
    return paths.find((path) => path.length > 0) ?? [type];
  }

  #leadsToConfirmed(type: string): boolean {
    return [...this.reachableFrom(type)].some((end) => this.spec(end)?.final === 'confirmed');
  }
}

function pathBack(cameFrom: ReadonlyMap<string, string | undefined>, to: string): string[] {
  const path: string[] = [];
  for (let at: string | undefined = to; at !== undefined; at = cameFrom.get(at)) path.unshift(at);
  return path;
}
