// Another service's journal that answers when the test says so, one question at a time, and what the test wants.
import { expect } from 'chai';
import type {
  DigestQuery,
  JournalDigests,
  JournalReader,
  RangeDigest,
} from '../../shared/runtime/messaging/journal-queries.ts';

type Ids = Parameters<Parameters<JournalReader['ids']>[1]>[0];
type Events = Parameters<Parameters<JournalReader['events']>[1]>[0];

type Question =
  | { readonly kind: 'digests'; readonly query: DigestQuery; done(answer: JournalDigests | Error): void }
  | {
      readonly kind: 'ids';
      readonly query: { readonly after: number; readonly until: number };
      done(answer: Ids): void;
    }
  | { readonly kind: 'events'; readonly query: readonly number[]; done(answer: Events): void };

export class HandJournal implements JournalReader {
  /** All questions so far: what was asked for, in order. */
  readonly asked: Pick<Question, 'kind' | 'query'>[] = [];
  readonly #open: Question[] = [];

  digests: JournalReader['digests'] = (query, done) => this.#ask({ kind: 'digests', query, done });
  ids: JournalReader['ids'] = (query, done) => this.#ask({ kind: 'ids', query, done });
  events: JournalReader['events'] = (query, done) => this.#ask({ kind: 'events', query, done });

  /** Kinds of the questions that are not answered yet. */
  get open(): string[] {
    return this.#open.map(({ kind }) => kind);
  }

  /** Answers the oldest question. */
  answer(changes: Partial<JournalDigests> | Error = {}): void {
    this.#next('digests').done(changes instanceof Error ? changes : digests(changes));
  }

  answerIds(ids: Ids): void {
    this.#next('ids').done(ids);
  }

  answerEvents(events: Events): void {
    this.#next('events').done(events);
  }

  #ask(question: Question): void {
    this.asked.push({ kind: question.kind, query: question.query });
    this.#open.push(question);
  }

  #next<K extends Question['kind']>(kind: K): Extract<Question, { kind: K }> {
    const question = this.#open.shift();
    if (question?.kind !== kind) expect.fail(`${question?.kind ?? 'nothing'} is asked, not ${kind}`);
    return question as Extract<Question, { kind: K }>;
  }
}

/** The answer of an empty journal, changed. */
export function digests(changes: Partial<JournalDigests> = {}): JournalDigests {
  return {
    journalId: 'j',
    head: 0,
    oldest: 1,
    anchor: undefined,
    anchorWrittenAtMs: undefined,
    ranges: [],
    ...changes,
  };
}

/** A range in which nothing was published that anybody subscribes to, changed. */
export function range(after: number, until: number, changes: Partial<RangeDigest> = {}): RangeDigest {
  return { after, until, count: 0, sum: 0, eventId: undefined, writtenAtMs: undefined, ...changes };
}
