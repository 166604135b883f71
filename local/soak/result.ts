// What a soak has found.
import type { Samples } from './samples.ts';
import type { Purchase } from './shoppers.ts';

/** A fault that has struck. Times are those of performance.now(). */
export interface Strike {
  readonly kind: string;
  readonly fromMs: number;
  untilMs: number;
  /** Longest time in which no order ended, while the fault lasted. */
  longestPauseMs?: number;
  /** What went wrong with inflicting it. */
  failure?: string;
}

export interface SoakResult {
  readonly startedAtMs: number;
  readonly purchases: readonly Purchase[];
  readonly strikes: readonly Strike[];
  readonly samples: Samples;
  readonly account: Account;
}

/** What was found in the end. The lists hold ids of orders. */
export interface Account {
  readonly attempts: number;
  readonly acknowledged: number;
  readonly ended: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly stuck: readonly string[];
  readonly unexpected: readonly string[];
  /** Keys that were answered with two orders. */
  readonly doubleAnswers: number;
  readonly disagreements: readonly string[];
  readonly poisonLetters: number;
  /** Dead letters that no poison message explains. */
  readonly otherLetters: readonly string[];
  /** What the services were still at when the time was over; undefined: they were done. */
  readonly unhealed: string | undefined;
}
