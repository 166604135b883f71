// What one service asks of another's journal in order to find out what it has missed, and the answers. The same answers go
// out over HTTP and in the simulator.
import type { Digest, Journal, JournalEntry } from '../storage/journal.ts';

/** Positions covered by one digest. */
export const rangeSize = 1_000;
/** Most digests in one answer: it bounds what one request reads. */
const rangesMax = 20;
/** Most events fetched by one request. */
export const fetchMax = 200;

export interface DigestQuery {
  /** Who asks. */
  readonly consumer: string;
  /** The event types that it subscribes to. */
  readonly types: readonly string[];
  /** Where it has got to, and which event stood there; undefined at the beginning. */
  readonly after: number;
  readonly anchor: string | undefined;
  /** Events above it may still be on their way. */
  readonly until: number;
}

/** The events of the asked types above `after` and up to `until`. */
export interface RangeDigest extends Digest {
  readonly after: number;
  readonly until: number;
  /** The event at `until`, of whatever type, and when it was written; undefined: an earlier version answers. */
  readonly eventId: string | undefined;
  readonly writtenAtMs: number | undefined;
}

export interface JournalDigests {
  readonly journalId: string;
  /** Position of the newest entry. */
  readonly head: number;
  /** Position of the oldest entry that retention has left. */
  readonly oldest: number;
  /** The event that stands at `after` now. */
  readonly anchor: string | undefined;
  readonly anchorWrittenAtMs: number | undefined;
  /** Ranges without a gap from `after` on; they may end before `until`. */
  readonly ranges: readonly RangeDigest[];
}

/** A consumer has seen more of this journal than there is, or something else in its place. */
export interface PutBack {
  readonly consumer: string;
  /** Position in this journal that the consumer has seen. */
  readonly seen: number;
  readonly head: number;
}

/** How another service's journal is read. Calls back exactly once; a failure is retried by the next round. */
export interface JournalReader {
  digests(query: DigestQuery, done: (answer: JournalDigests | Error) => void): void;
  ids(
    query: { readonly after: number; readonly until: number; readonly types: readonly string[] },
    done: (answer: readonly { readonly position: number; readonly eventId: string }[] | Error) => void,
  ): void;
  /** Those that are still there. */
  events(
    positions: readonly number[],
    done: (answer: readonly Pick<JournalEntry, 'position' | 'eventId' | 'body'>[] | Error) => void,
  ): void;
}

export class JournalQueries {
  readonly #journal: Journal;
  readonly #putBack: (found: PutBack) => void;

  /** @param putBack called whenever a consumer knows more of this journal than its database does */
  constructor(journal: Journal, putBack: (found: PutBack) => void) {
    this.#journal = journal;
    this.#putBack = putBack;
  }

  digests({ consumer, types, after, anchor, until }: DigestQuery): JournalDigests {
    const journal = this.#journal;
    const [head, oldest] = [journal.head(), journal.oldest()];
    const here = journal.eventIdAt(after);
    const cutOff = after < oldest;
    if (after > head || (anchor !== undefined && here !== anchor && !cutOff)) {
      this.#putBack({ consumer, seen: after, head });
    }
    const ranges: RangeDigest[] = [];
    const last = Math.min(until, head);
    for (let from = Math.max(after, oldest - 1); from < last && ranges.length < rangesMax; ) {
      const to = Math.min(from + rangeSize, last);
      const [eventId, writtenAtMs] = [journal.eventIdAt(to), journal.writtenAtMs(to)];
      ranges.push({ after: from, until: to, ...journal.digest(from, to, types), eventId, writtenAtMs });
      from = to;
    }
    const { journalId } = journal;
    return { journalId, head, oldest, anchor: here, anchorWrittenAtMs: journal.writtenAtMs(after), ranges };
  }

  ids(after: number, until: number, types: readonly string[]): { position: number; eventId: string }[] {
    return this.#journal.ids(after, Math.min(until, after + rangeSize), types);
  }

  events(positions: readonly number[]): JournalEntry[] {
    return positions
      .slice(0, fetchMax)
      .flatMap((position) => this.#journal.get(position) ?? [])
      .filter(({ deadLetter }) => deadLetter === undefined);
  }
}
