// How often, and how soon, an event is tried again whose handling failed.
import { backoffMs } from '../environment/clock.ts';
import { ContradictoryEventError, UnknownSubjectError } from './reaction.ts';

/** Times that a reaction which throws is tried before its event is dead-lettered. */
export const handlingAttempts = 3;
/** The same for an event about something unknown: what it refers to may be on its way. About two minutes in all. */
const unknownSubjectAttempts = 30;
/** After so many, in the first second, it makes room for others where reconciliation, or a person, brings it again. */
const unknownSubjectAttemptsInHand = 5;
const handlingRetryMinMs = 50;
const handlingRetryMaxMs = 5_000;
const transientRetryMinMs = 100;
/** What waits is tried in one group, so that often costs little; and a lock may be gone at any moment. */
const transientRetryMaxMs = 1_000;
/** Transient errors that one event may meet while others get through; a full or locked database is not the event's fault. */
export const transientAttempts = 20;

/** Before the next attempt at an event whose reaction has thrown so often. */
export function handlingRetryMs(failures: number): number {
  return backoffMs(failures, handlingRetryMinMs, handlingRetryMaxMs);
}

/** Before everything that waits is tried again, after so many transient errors in a row. */
export function transientRetryMs(errors: number): number {
  return backoffMs(errors, transientRetryMinMs, transientRetryMaxMs);
}

/** Whether an event has waited in hand for what it is about, as long as it may. */
export function hasWaitedInHand(error: unknown, failures: number): boolean {
  return error instanceof UnknownSubjectError && failures >= unknownSubjectAttemptsInHand;
}

/**
 * The dead-letter reason of an event whose reaction has thrown so often; undefined: it is tried again.
 * @param isRedriven it was dead-lettered before, so it has waited before
 */
export function reasonToGiveUp(error: unknown, failures: number, isRedriven: boolean): string | undefined {
  if (error instanceof ContradictoryEventError) return 'contradictory';
  if (error instanceof UnknownSubjectError) {
    const attempts = isRedriven ? unknownSubjectAttemptsInHand : unknownSubjectAttempts;
    return failures >= attempts ? 'unknown-subject' : undefined;
  }
  return failures >= handlingAttempts ? 'reaction-failed' : undefined;
}
