// What the model of every service does. A model is a second implementation of what a service decides, written from what was
// promised and without the service's code: given the same works in the same order, it says what must come of each.
import type { AnyEvent } from '../../shared/contract/choreography.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Finding, PromiseId, Violation } from '../environment/violation.ts';
import type { Answer, Asked, At, Due, Inability, Others } from './work.ts';

export interface ServiceModel {
  /** The tables that `differences` reads. A table of the service that is not among them fails the run. */
  readonly tables: readonly string[];
  /** A model that knows the same, and goes its own way from here. */
  copy(): ServiceModel;
  /** What must come of an event. It changes the model as the event must change the service. */
  react(event: AnyEvent, at: At): Due | Inability;
  /** What must come of a request. `got` is how it went: the model takes over what it cannot know, such as a new id. */
  request(asked: Asked, at: At, got: Answer): Due;
  /** What must come of a deadline that a service has met. */
  deadline(orderId: string, at: At, others: Others): Due;
  /** Where the tables differ from the model. */
  differences(db: Database): Iterable<Violation>;
}

export function refused(status: number, code: string): Due {
  return { answer: { ok: false, status, code }, emits: [] };
}

export function answered(value: unknown, emits: Due['emits'] = []): Due {
  return { answer: { ok: true, value }, emits };
}

export function silent(outcome: string): Due {
  return { outcome, emits: [] };
}

export function emits(type: string, data: unknown): Due {
  return { outcome: type, emits: [{ type, data }] };
}

/** Compares rows with what the model expects of them, by key. */
export function* rowDifferences<T>(
  promise: PromiseId,
  what: string,
  rows: Iterable<readonly [key: string, row: T]>,
  expected: ReadonlyMap<string, T>,
): Generator<Violation> {
  const seen = new Set<string>();
  for (const [key, row] of rows) {
    seen.add(key);
    const should = expected.get(key);
    const [is, must] = [JSON.stringify(row), JSON.stringify(should)];
    if (is !== must) yield { promise, ...finding(key, `${what} is ${is}, and must be ${must ?? 'absent'}`) };
  }
  for (const key of expected.keys()) {
    if (!seen.has(key)) yield { promise, ...finding(key, `${what} is missing`) };
  }
}

/** Compares a list, newest first, with what it must be, oldest first. Undefined: they are equal. */
export function listDifference<T>(list: Iterable<T | undefined>, expected: readonly T[]): string | undefined {
  let left = expected.length;
  for (const item of list) {
    left -= 1;
    if (item === undefined) return `number ${left + 1} is not stored`;
    const [is, must] = [JSON.stringify(item), JSON.stringify(expected[left])];
    if (is !== must) return `number ${left + 1} is ${is}, and must be ${must ?? 'absent'}`;
  }
  return left === 0 ? undefined : `the first ${left} are not on the list`;
}

function finding(subject: string, text: string): Finding {
  return { subject, text };
}
