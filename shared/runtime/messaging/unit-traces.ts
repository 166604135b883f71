// Traces units of work: which trace an event continues, and a span for each commit. Made only where a service traces.
import type { CloudEvent } from '../../contract/cloud-event.ts';
import type { Choreography } from '../../contract/language.ts';
import type { Database } from '../storage/database.ts';
import type { GroupCommit, WrittenGroup } from '../storage/group-commit.ts';
import { SagaTraces } from '../storage/saga-traces.ts';
import { type Span, type TraceContext, type Tracing, traceIdOf } from './tracing.ts';

export interface UnitTracesOptions {
  readonly tracing: Tracing;
  readonly contract: Choreography;
  /** Name of the service, without that of an instance. */
  readonly service: string;
  readonly db: Database;
  readonly commit: GroupCommit;
}

export class UnitTraces {
  readonly #tracing: Tracing;
  readonly #contract: Choreography;
  /** Undefined: sagas begin in another service. */
  readonly #sagas: SagaTraces | undefined;
  #written: { readonly group: WrittenGroup; readonly atMs: number } | undefined;

  constructor({ tracing, contract, service, db, commit }: UnitTracesOptions) {
    this.#tracing = tracing;
    this.#contract = contract;
    this.#sagas = contract.events[contract.starts]?.by === service ? new SagaTraces(db) : undefined;
    commit.onWritten((group) => {
      this.#written = { group, atMs: Date.now() };
    });
  }

  /**
   * The context that an event carries: that of its cause, unless its saga has begun in another trace. Inside the event's
   * transaction only.
   */
  contextOf({ type, data }: { readonly type: string; readonly data: unknown }, cause: TraceContext): TraceContext {
    const spec = this.#contract.events[type];
    if (!this.#sagas || !spec || spec.standalone) return cause;
    const subject = String((data as Record<string, unknown>)[spec.subject]);
    if (type === this.#contract.starts) this.#sagas.begin(subject, cause.traceparent, cause.tracestate);
    const saga = this.#sagas.of(subject);
    if (spec.final) this.#sagas.end(subject);
    return saga && traceIdOf(saga.traceparent) !== traceIdOf(cause.traceparent) ? saga : cause;
  }

  /**
   * To be called in the turn of the commit.
   * @param span of the work that asked for it
   */
  committed(span: Span | undefined, published: readonly CloudEvent[]): void {
    const [first] = published;
    const parent = span?.context ?? first;
    if (!parent || !this.#written) return;
    const { group, atMs } = this.#written;
    const types = published.map(({ type }) => type);
    this.#tracing.commit({ parent, group, writtenAtMs: atMs, types, subject: first?.subject });
    if (span && first && traceIdOf(first.traceparent) !== traceIdOf(span.context.traceparent)) span.linkTo(first);
  }
}
