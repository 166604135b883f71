// What the observer sends to the live page: the shapes of its answers and of the messages of its stream. Times are
// milliseconds since 1970 unless their names say otherwise.

/** `undoing`: it can only be cancelled, and is not yet. */
export type SagaState = 'running' | 'undoing' | 'confirmed' | 'cancelled';

/** A saga as a line of the list. */
export interface SagaRow {
  readonly orderId: string;
  readonly userId: string;
  readonly products: readonly string[];
  /** Minor units. */
  readonly total?: number;
  readonly state: SagaState;
  readonly reason?: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly deadlineAt?: number;
  readonly lastEvent: string;
  readonly steps: number;
  readonly compensations: number;
  /** Services that must publish something before it continues. */
  readonly waitsFor: readonly string[];
  /** Why the journals contradict each other about it. */
  readonly disagreement?: string;
}

/** An event of a saga, as a row of the diagram. */
export interface SagaStep {
  readonly eventId: string;
  readonly type: string;
  /** The service of the contract. */
  readonly by: string;
  /** As the event names it: it may hold the instance. */
  readonly source: string;
  readonly at: number;
  /** The event of this saga that it follows from; absent: a request, or an event that is not known here. */
  readonly causeId?: string;
  readonly causationId: string;
  readonly readers: readonly string[];
  readonly final?: 'confirmed' | 'cancelled';
  readonly failure: boolean;
  readonly trigger?: string;
  /** Event whose effect it takes back. */
  readonly undoesId?: string;
  readonly compensates?: string;
  /** The same type was published before in this saga. */
  readonly repeated: boolean;
  /** Published after the saga had ended. */
  readonly late: boolean;
  readonly reason?: string;
  /** Milliseconds from its time to its arrival here. Absent: it was read from the past. */
  readonly seenAfterMs?: number;
  /** The CloudEvent. */
  readonly event: unknown;
}

/** Something that the contract allows next. */
export interface NextStep {
  readonly service: string;
  /** Any one of these. */
  readonly events: readonly string[];
  readonly causeId: string;
  readonly causeType: string;
  /** `must`: the saga waits for it; `may`: it depends on something else. */
  readonly kind: 'must' | 'may';
  readonly silent: readonly string[];
  readonly since: number;
  /** What would then follow, on the shortest way to an end. */
  readonly ahead: readonly string[];
}

export interface SagaDetail {
  readonly row: SagaRow;
  /** Each after its cause, then by time. */
  readonly steps: readonly SagaStep[];
  readonly next: readonly NextStep[];
  /** What may happen to it at any moment: the withdrawal, and what triggers that. */
  readonly anytime?: { readonly type: string; readonly by: string; readonly trigger: string };
  readonly requests: readonly { readonly title: string; readonly curl: string }[];
  readonly traceId?: string;
  /** Where the trace can be looked at. */
  readonly traceUrl?: string;
  /** The event that starts a saga has not been found. */
  readonly incomplete: boolean;
}

export interface ServiceState {
  readonly service: string;
  readonly url: string;
  readonly state: 'ready' | 'not-ready' | 'unreachable' | 'unknown';
  readonly warnings: readonly string[];
  readonly error?: string;
  readonly publisher?: string;
  readonly consumer?: string;
  readonly probeMs?: number;
  readonly outbox?: number;
  readonly queue?: number;
  readonly deadLetters?: number;
  readonly duplicates?: number;
  readonly journal: 'reading' | 'unreachable' | 'connecting' | 'shared';
  /** Median time from an event's writing to its arrival here, in milliseconds. */
  readonly lagMs?: number;
}

export interface Overview {
  readonly at: number;
  /** Per second, over the last few seconds. */
  readonly rates: Readonly<Record<'started' | 'confirmed' | 'cancelled', number>>;
  /** All orders that order-service knows of. */
  readonly orders: Readonly<Record<string, number>>;
  readonly waiting: readonly { readonly service: string; readonly orders: number; readonly oldestS: number }[];
  /** Of the last minutes. */
  readonly reasons: readonly { readonly reason: string; readonly count: number }[];
  readonly services: readonly ServiceState[];
  readonly broker: 'connected' | 'partly' | 'away' | 'unknown';
  readonly deadLetters: number;
  readonly disagreements: number;
  readonly kept: number;
  readonly chart: Chart;
}

/** Counts by second. `from` is the first second, since 1970. */
export interface Chart {
  readonly from: number;
  readonly started: readonly number[];
  readonly confirmed: readonly number[];
  readonly cancelled: readonly number[];
}

export interface SagaRows {
  readonly rows: readonly SagaRow[];
  /** New sagas that were left out, since there are too many to show all of them. */
  readonly skipped: number;
  /** More rows of the past follow. */
  readonly more: boolean;
  /** What the page holds is to be replaced. */
  readonly reset: boolean;
}

export interface MapRates {
  readonly events: readonly { readonly type: string; readonly perS: number }[];
  readonly outcomes: readonly {
    readonly type: string;
    readonly service: string;
    readonly outcome: string;
    readonly perS: number;
    readonly total: number;
  }[];
  readonly failures: readonly {
    readonly type: string;
    readonly service: string;
    readonly deadLettered: number;
    readonly duplicates: number;
  }[];
}

/** The contract, for the page. */
export interface ContractView {
  readonly starts: string;
  readonly withdrawal: string;
  readonly services: readonly string[];
  readonly events: readonly {
    readonly type: string;
    readonly by: string;
    readonly trigger?: string;
    readonly compensates?: string;
    readonly final?: 'confirmed' | 'cancelled';
    readonly standalone: boolean;
    readonly failure: boolean;
    readonly reactions: readonly {
      readonly service: string;
      readonly events: readonly string[];
      readonly silent: readonly string[];
    }[];
  }[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly does: string;
  /** Why it cannot be played here. */
  readonly unavailable?: string;
}

export interface TryOptions {
  readonly scenarios: readonly Scenario[];
  /** Absent: nothing can be stopped from here. */
  readonly controls?: { readonly services: readonly string[]; readonly broker: readonly string[] };
}

export interface Tried {
  readonly orderId: string;
  readonly note: string;
}

export interface DeadLetterView {
  readonly service: string;
  readonly letterId: string;
  readonly reason: string;
  readonly detail?: string;
  readonly type?: string;
  readonly subject?: string;
  readonly at?: string;
  readonly bytes: number;
  /** As text, cut off where it is long. */
  readonly body: string;
}

export interface DeadLetterList {
  /** Absent: the observer has no access to the broker, and only counts are known. */
  readonly letters?: readonly DeadLetterView[];
  readonly counts: readonly { readonly service: string; readonly count: number }[];
  readonly errors: readonly string[];
}
