// Dead letters, counted by reason and event type. It needs memory for the groups, not for the letters.
import type { LetterFacts } from './letter.ts';

export interface LetterGroup {
  readonly reason: string;
  readonly type: string | undefined;
  readonly count: number;
  /** ISO 8601; undefined when no time is known. */
  readonly oldestAt: string | undefined;
}

/** Reasons and types may come from anybody: what is beyond this is counted together. */
const groupsMax = 500;
const nameCharsMax = 100;
const others = '(others)';

interface Group {
  readonly reason: string;
  readonly type: string | undefined;
  count: number;
  oldestMs: number;
}

export class Summary {
  readonly #groups = new Map<string, Group>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(letter: LetterFacts): void {
    this.#count += 1;
    const group = this.#groupOf(letter.reason.slice(0, nameCharsMax), letter.type?.slice(0, nameCharsMax));
    group.count += 1;
    const atMs = Date.parse(letter.deadLetteredAt ?? '');
    if (atMs < group.oldestMs) group.oldestMs = atMs;
  }

  /** The largest first. */
  groups(): LetterGroup[] {
    return [...this.#groups.values()]
      .map(({ reason, type, count, oldestMs }) => ({
        reason,
        type,
        count,
        oldestAt: oldestMs === Number.POSITIVE_INFINITY ? undefined : new Date(oldestMs).toISOString(),
      }))
      .sort((a, b) => b.count - a.count);
  }

  #groupOf(reason: string, type: string | undefined): Group {
    const key = JSON.stringify([reason, type]);
    const known = this.#groups.get(key);
    if (known) return known;
    if (this.#groups.size >= groupsMax && reason !== others) return this.#groupOf(others, undefined);
    const group = { reason, type, count: 0, oldestMs: Number.POSITIVE_INFINITY };
    this.#groups.set(key, group);
    return group;
  }
}
