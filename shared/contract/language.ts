// The vocabulary in which a choreography is written down, and the TypeScript types that follow from one.
// Nothing here runs a saga: a contract is read by people, by the compiler and by checks, never by a coordinator.
import type { z } from 'zod';

/**
 * Outcomes of a reaction that emit nothing. Each is a race or a join that the design knows about, so it is declared in
 * the contract like an event, is visible in the log, and must be reached by the tests.
 */
export const silentOutcomes = {
  noted: 'recorded; nothing follows from it',
  waits: 'recorded; something else must arrive before anything follows',
  fenced: 'the order was withdrawn before this arrived, so the step must not happen any more',
  compensated: 'this side had already given everything back, or had never taken anything, and has published that',
  withdrawn: 'the order was withdrawn before this success arrived; the undoing is already on its way',
  ended: 'the order had ended before this arrived, and this changes nothing',
  outdated: 'something newer about the same subject is known already',
  overruled: 'its publisher no longer decides about this order: another instance has taken its orders over',
  recovered:
    'the order was unknown here, since this database was put back to an earlier state; it was rebuilt from the event',
} as const;

export type SilentOutcome = keyof typeof silentOutcomes;

/** One event of a choreography. */
export interface EventSpec {
  /** The only service that may publish it. */
  readonly by: string;
  /** Shape of the event's `data`. Unknown fields are ignored by a reader. */
  readonly data: z.ZodType;
  /** The field of `data` that is also the CloudEvents `subject`: what the event is about. */
  readonly subject: string;
  /** What makes the publisher publish it of its own accord. Absent: it only ever follows from another event. */
  readonly trigger?: string;
  /** The earlier event whose effect this one takes back. */
  readonly compensates?: string;
  /** The saga ends here. `confirmed` is also the point of no return. */
  readonly final?: 'confirmed' | 'cancelled';
  /** It is not part of a saga: nothing has to follow. */
  readonly standalone?: true;
  /** Who reacts, and every outcome that the reaction may have: an event type, or a silent outcome. */
  readonly reactions: Readonly<Record<string, readonly string[]>>;
  /**
   * What there is beside that where the publisher, or a subscriber, runs as several named instances: reactions of the other
   * instances of its own service, and further outcomes of the reactions above.
   */
  readonly peers?: Readonly<Record<string, readonly string[]>>;
}

export interface Choreography {
  /** The event that starts a saga. */
  readonly starts: string;
  /** The event that takes a running saga back, at any moment. */
  readonly withdrawal: string;
  readonly events: Readonly<Record<string, EventSpec>>;
}

/** Keeps every literal of the table in its type, so that the compiler can hold the services to it. */
export function defineChoreography<const C extends Choreography>(contract: C): C {
  return contract;
}

export function isSilent(outcome: string): outcome is SilentOutcome {
  return Object.hasOwn(silentOutcomes, outcome);
}

/** Every service that a contract names, as publisher or as reader, in the order of their first mention. */
export function servicesOf(contract: Choreography): string[] {
  const names = new Set<string>();
  for (const spec of Object.values(contract.events)) {
    names.add(spec.by);
    for (const name of Object.keys(spec.reactions)) names.add(name);
  }
  return [...names];
}

/**
 * The event types that a service reacts to.
 * @param asInstance as one of several named instances, which also react to each other's events
 */
export function consumedBy(contract: Choreography, service: string, asInstance = false): string[] {
  return Object.entries(contract.events)
    .filter(([, { by, reactions, peers = {} }]) => {
      if (Object.hasOwn(reactions, service)) return true;
      return Object.hasOwn(peers, service) && (asInstance || by !== service);
    })
    .map(([type]) => type);
}

/** Whether a service can run as several named instances: it has reactions to its own events. */
export function canHavePeers(contract: Choreography, service: string): boolean {
  return consumedBy(contract, service, true).some((type) => contract.events[type]?.by === service);
}

// ---- types that follow from a contract C -------------------------------------------------------------------------

type Events<C extends Choreography> = C['events'];
export type TypeIn<C extends Choreography> = keyof Events<C> & string;
export type DataIn<C extends Choreography, T extends TypeIn<C>> = z.output<Events<C>[T]['data']>;

export type ServiceIn<C extends Choreography> =
  | Events<C>[TypeIn<C>]['by']
  | { [T in TypeIn<C>]: keyof Events<C>[T]['reactions'] & string }[TypeIn<C>];

/** The events of others that service S reacts to. */
export type ConsumedIn<C extends Choreography, S extends string> = {
  [T in TypeIn<C>]: S extends keyof Events<C>[T]['reactions']
    ? T
    : Events<C>[T]['by'] extends S
      ? never
      : S extends PeersOf<Events<C>[T]>
        ? T
        : never;
}[TypeIn<C>];

/** The events of its own service that an instance of service S reacts to. */
export type ConsumedFromPeersIn<C extends Choreography, S extends string> = {
  [T in TypeIn<C>]: Events<C>[T]['by'] extends S ? (S extends PeersOf<Events<C>[T]> ? T : never) : never;
}[TypeIn<C>];

type PeersOf<Spec> = Spec extends { readonly peers: infer P } ? keyof P : never;

export type PublishedIn<C extends Choreography, S extends string> = {
  [T in TypeIn<C>]: Events<C>[T]['by'] extends S ? T : never;
}[TypeIn<C>];

/** An event about to be published: type and data, without the envelope that the runtime adds. */
export type EmissionIn<C extends Choreography, T extends TypeIn<C>> = {
  [K in T]: { readonly type: K; readonly data: DataIn<C, K> };
}[T];

type Declared<C extends Choreography, S extends string, T extends TypeIn<C>> =
  | OutcomesOf<Events<C>[T]['reactions'], S>
  | (Events<C>[T] extends { readonly peers: infer P } ? OutcomesOf<P, S> : never);

type OutcomesOf<Reactions, S extends string> = S extends keyof Reactions
  ? Reactions[S] extends readonly (infer O)[]
    ? O
    : never
  : never;

/** What the reaction of service S to event T may return: one of the outcomes that the contract declares for it. */
export type OutcomeIn<C extends Choreography, S extends string, T extends TypeIn<C>> =
  | EmissionIn<C, Extract<Declared<C, S, T>, TypeIn<C>>>
  | Extract<Declared<C, S, T>, SilentOutcome>;
