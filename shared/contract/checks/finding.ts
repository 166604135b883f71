// What a check of the choreography can say, and the rules that it can name.

/** Every rule, and what it holds a contract to. */
export const rules = {
  'has-publisher': 'every event is said by somebody, and every name in the table exists',
  'consumed-or-final': 'every event is heard by somebody, or ends a saga, or stands alone',
  'no-loops': 'no event can lead back to itself',
  'paths-end': 'every path ends in exactly one final event',
  'compensation-complete': 'what was done before a failure is undone on the path of that failure, before it ends',
  'races-covered': 'both orders of everything that can overtake something else have an outcome',
  'no-failure-after-confirm': 'nothing is refused or undone after the point of no return',
} as const;

export type RuleName = keyof typeof rules;

export interface Finding {
  readonly rule: RuleName;
  /** One sentence that names the service, the event and what is missing. */
  readonly message: string;
  /** The events (or services) that lead to the gap, in order, for people. */
  readonly path: readonly string[];
}
