// The works of one service, in the order of their commits, and what its model says to each. What was not committed is as if
// it had never happened, and so is what was lost when the database was put back.
import { isDeepStrictEqual } from 'node:util';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { Transition } from '../environment/sim-database.ts';
import type { PromiseId, Violation } from '../environment/violation.ts';
import { promiseAbout, promiseAboutAnswer } from './promise-about.ts';
import type { ServiceModel } from './service-model.ts';
import type { Answer, Due, Expected, Work } from './work.ts';

export interface Committed {
  readonly work: Work;
  /** By the clock of the run. */
  readonly atMs: number;
}

/** What a service has done up to a moment. */
export interface WorkSnapshot {
  readonly committed: readonly Committed[];
  readonly expected: readonly ExpectedEntry[];
  readonly handled: ReadonlySet<string>;
  readonly model: ServiceModel;
}

/** An event that must be in the journal, and when it was committed there. */
export interface ExpectedEntry extends Expected {
  readonly atMs: number;
}

/** Enough of each kind to see what is wrong. */
const violationsMax = 50;

export class WorkLog {
  readonly violations: Violation[] = [];
  readonly #service: ServiceName;
  readonly #nowMs: () => number;
  #model: ServiceModel;
  #committed: Committed[] = [];
  #expected: ExpectedEntry[] = [];
  /** Ids of the events that have taken effect. */
  #handled = new Set<string>();
  /** `why eventId` of the events that could not be handled, and rightly so. */
  readonly rightlyUnable = new Set<string>();
  #group: Work[] = [];
  #saved = 0;

  constructor(service: ServiceName, model: ServiceModel, nowMs: () => number) {
    this.#service = service;
    this.#nowMs = nowMs;
    this.#model = model;
  }

  /** Ids of the events that have taken effect. */
  get handled(): ReadonlySet<string> {
    return this.#handled;
  }

  get model(): ServiceModel {
    return this.#model;
  }

  /** The events that its journal must hold, in their order. */
  get expected(): readonly ExpectedEntry[] {
    return this.#expected;
  }

  /** What `putBack` takes. */
  snapshot(): WorkSnapshot {
    return {
      committed: [...this.#committed],
      expected: [...this.#expected],
      handled: new Set(this.#handled),
      model: this.#model.copy(),
    };
  }

  /** How many of the events that its journal holds now it also held then. */
  expectedBoth({ expected }: WorkSnapshot): number {
    return commonLength(this.#expected, expected);
  }

  add(work: Work): void {
    this.#group.push(work);
  }

  transition(what: Transition): void {
    if (what === 'save') this.#saved = this.#group.length;
    else if (what === 'undo') this.#undo();
    else if (what === 'commit') this.#commit();
    else this.#group = [];
  }

  /** What a savepoint undoes has not happened, except that somebody was refused, or an event was. */
  #undo(): void {
    const undone = this.#group.splice(this.#saved);
    this.#group.push(
      ...undone.filter((work) => work.kind === 'unable' || (work.kind === 'request' && !work.answer.ok)),
    );
  }

  #commit(): void {
    const works = this.#group;
    this.#group = [];
    const atMs = this.#nowMs();
    for (const work of works) {
      this.#committed.push({ work, atMs });
      this.#apply(work, atMs, (promise, subject, text) => this.#object(promise, subject, text));
    }
  }

  /** The database is as it was then. Returns the orders and products of which something is lost. */
  putBack({ committed, expected, handled, model }: WorkSnapshot): string[] {
    const lost = this.#committed.slice(commonLength(this.#committed, committed)).map(({ work }) => subjectOf(work));
    this.#model = model.copy();
    this.#expected = [...expected];
    this.#handled = new Set(handled);
    this.#committed = [...committed];
    return lost.filter((subject) => subject !== '');
  }

  #object(promise: PromiseId, subject: string, text: string): void {
    if (this.violations.length < violationsMax)
      this.violations.push({ promise, subject, text: `${this.#service}: ${text}` });
  }

  #apply(work: Work, atMs: number, object: (promise: PromiseId, subject: string, text: string) => void): void {
    const { nowMs } = work;
    const at = { nowMs, atMs, steadyMs: 'steadyMs' in work ? work.steadyMs : nowMs };
    if (work.kind === 'deadline') {
      const due = this.#model.deadline(work.orderId, at, work.others);
      return this.#expect(due, undefined, nowMs, atMs);
    }
    if (work.kind === 'request') {
      const due = this.#model.request(work.asked, at, work.answer);
      const [is, must] = [textOf(work.answer), textOf(due.answer)];
      if (!sameJson(is, must)) {
        const subject = 'orderId' in work.asked ? work.asked.orderId : '';
        const promise =
          work.answer.ok && due.answer?.ok ? promiseAboutAnswer(work.asked.what) : promiseAbout(work.asked.what);
        object(promise, subject, `${work.asked.what} was answered ${is}, and must be ${must}`);
      }
      return work.answer.ok ? this.#expect(due, work.cause, nowMs, atMs) : undefined;
    }
    const { event } = work;
    if (work.kind === 'event' && this.#handled.has(event.id)) {
      return object('P6', event.subject, `${event.type} has taken effect twice`);
    }
    const due = this.#model.react(event, at);
    const must = typeof due === 'string' ? due : (due.outcome ?? '');
    const is = work.kind === 'event' ? work.outcome : work.why;
    if (is !== must)
      object(promiseAbout(is, must), event.subject, `${event.type} led to ${is}, and must lead to ${must}`);
    if (work.kind === 'unable') {
      if (is === must) this.rightlyUnable.add(`${work.why} ${event.id}`);
      return;
    }
    this.#handled.add(event.id);
    if (typeof due === 'string') return;
    this.#expect(due, { causationId: event.id, traceparent: event.traceparent }, nowMs, atMs);
  }

  #expect({ emits }: Due, cause: Expected['cause'], nowMs: number, atMs: number): void {
    for (const { type, data, follows } of emits) {
      const { orderId, productId } = data as { readonly orderId?: string; readonly productId?: string };
      this.#expected.push({ type, subject: orderId ?? productId ?? '', data, cause, follows, nowMs, atMs });
    }
  }
}

/** How many items two lists have in common at their beginning. */
function commonLength<T>(a: readonly T[], b: readonly T[]): number {
  let length = Math.min(a.length, b.length);
  while (length > 0 && a[length - 1] !== b[length - 1]) length -= 1;
  return length;
}

/** The order or product that a work is about; empty: it is about neither. */
function subjectOf(work: Work): string {
  if (work.kind === 'deadline') return work.orderId;
  if (work.kind !== 'request') return work.event.subject;
  const { asked, answer } = work;
  if (asked.what === 'cancel order') return asked.orderId;
  if (asked.what === 'put product' || asked.what === 'restock') return asked.productId;
  return asked.what === 'place order' && answer.ok ? (answer.value as { readonly orderId: string }).orderId : '';
}

/** Whether two texts say the same, in whatever order. */
function sameJson(a: string, b: string): boolean {
  return a === b || (a.startsWith('{') && b.startsWith('{') && isDeepStrictEqual(JSON.parse(a), JSON.parse(b)));
}

function textOf(answer: Answer | undefined): string {
  if (!answer) return 'nothing';
  return answer.ok ? JSON.stringify(answer.value) : `${answer.status} ${answer.code}`;
}
