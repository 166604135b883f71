// Which dead letters a command is about.
import { UsageError } from '../../local/usage-error.ts';
import type { LetterFacts } from './letter.ts';

/** A letter must meet everything that is set. */
export interface LetterFilter {
  readonly reason?: string | undefined;
  /** Of the event. */
  readonly type?: string | undefined;
  /** Of the event: the order. */
  readonly subject?: string | undefined;
  /** Dead-lettered at this time or later, in milliseconds since 1970. A letter whose time is unknown does not meet it. */
  readonly sinceMs?: number | undefined;
}

export function matches(filter: LetterFilter, letter: LetterFacts): boolean {
  const { reason, type, subject, sinceMs } = filter;
  return (
    (reason === undefined || letter.reason === reason) &&
    (type === undefined || letter.type === type) &&
    (subject === undefined || letter.subject === subject) &&
    (sinceMs === undefined || Date.parse(letter.deadLetteredAt ?? '') >= sinceMs)
  );
}

export function matchesAll({ reason, type, subject, sinceMs }: LetterFilter): boolean {
  return reason === undefined && type === undefined && subject === undefined && sinceMs === undefined;
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @param text `90s`, `30m`, `2h`, `7d` before now, or an ISO 8601 date or time; UTC where it names no offset
 * @returns milliseconds since 1970
 * @throws UsageError
 */
export function sinceFrom(text: string, nowMs: number): number {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount !== undefined) return nowMs - Number(amount) * (unitMs[unit] ?? 0);
  const [, day, time = 'T00:00', offset = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  const ms = Date.parse(`${day}${time}${offset}`);
  if (!Number.isNaN(ms)) return ms;
  throw new UsageError(
    `--since ${text} is wrong: it must be like 90s, 30m, 2h, 7d, 2026-11-21 or 2026-11-21T15:04:05Z`,
  );
}
