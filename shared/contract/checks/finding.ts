// What a check of the choreography reports, and the rules that it checks.

/** Every rule, and what it requires of a contract. */
export const rules = {
  'has-publisher': 'every event is published by its service, and every name in the contract exists',
  'consumed-or-final': 'every event has a subscriber, ends a saga, or is standalone',
  'no-loops': 'no event leads back to itself',
  'paths-end': 'every path ends in exactly one final event',
  'compensation-complete': 'when a step fails, every earlier step is compensated before the order ends',
  'races-covered': 'events that can overtake each other have an outcome for both orders',
  'no-failure-after-confirm': 'nothing is refused or compensated once the order is confirmed',
} as const;

export type RuleName = keyof typeof rules;

export interface Finding {
  readonly rule: RuleName;
  /** One sentence that names the service, the event and what is missing. */
  readonly message: string;
  /** The events (or services) that lead to the gap, in order. For display only. */
  readonly path: readonly string[];
}
