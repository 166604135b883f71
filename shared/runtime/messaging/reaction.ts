// A reaction as the runtime calls it, and the errors with which it says that it cannot handle an event.
import type { CloudEvent } from '../../contract/cloud-event.ts';
import type { Emission, Moment } from './unit-of-work.ts';

/**
 * Thrown by a reaction to an event about something that this service does not know, and should: the event that made it
 * known was lost or is late. Reconciliation fetches that one; meanwhile this one is retried.
 */
export class UnknownSubjectError extends Error {
  override readonly name = 'UnknownSubjectError';
}

/**
 * Thrown by a reaction to an event that contradicts what this service knows: another amount, a payment that exists already.
 * It is dead-lettered at once: trying again would change nothing.
 */
export class ContradictoryEventError extends Error {
  override readonly name = 'ContradictoryEventError';
}

/**
 * A synchronous function from an event, inside the open transaction, to one of the outcomes that the contract declares:
 * an event to publish, or a silent outcome. (Declared as a method so that reactions may take narrower event types.)
 */
export type Reaction = { react(event: CloudEvent, at: Moment): Emission | string }['react'];
