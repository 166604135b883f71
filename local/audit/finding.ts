// What the audit reports: which rule is broken, by what, and what would repair it.
import type { ServiceName } from '../../shared/contract/choreography.ts';

export interface Broken {
  /** Name of the rule, such as `cancelled-charged`. */
  readonly rule: string;
  /** The promise behind it, as docs/guarantees.md numbers them. */
  readonly promise: 'P2' | 'P3' | 'P4' | 'P5';
  /** What should be so, or is not. */
  readonly text: string;
  readonly repair: string;
  /** Whether `--repair` can do it without the risk of charging, or setting aside, twice. */
  readonly repairable: boolean;
}

export interface Disagreement {
  readonly about: 'order' | 'product' | 'totals';
  /** The order, the product, or the service whose totals they are. */
  readonly id: string;
  /** What each service holds; null: nothing. */
  readonly holds: Readonly<Partial<Record<ServiceName, unknown>>>;
  readonly broken: readonly Broken[];
}

/** How far a service is with reading the journal of another. */
export type ReconciliationState = (service: ServiceName, publisher: ServiceName) => string;

/** The clock, and what the user allows. */
export interface Timing {
  nowMs(): number;
  delay(ms: number): Promise<unknown>;
  /** How long after its deadline an order may be open. */
  readonly graceMs: number;
  /** How long a disagreement must last. */
  readonly settleMs: number;
}
