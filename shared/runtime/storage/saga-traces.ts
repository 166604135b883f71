// Where each running saga's trace began. What a customer or a deadline does to an order later comes with a trace of its
// own, or with none: its events continue the saga's.
import type { Database } from './database.ts';

interface Row {
  readonly traceparent: string;
  readonly tracestate: string | null;
}

export class SagaTraces {
  readonly #begin;
  readonly #of;
  readonly #end;

  /** Makes its table, which only a service that traces has: it is no part of the schema, and may be dropped at any time. */
  constructor(db: Database) {
    db.exec(
      `CREATE TABLE IF NOT EXISTS saga_traces (
         subject TEXT PRIMARY KEY,
         traceparent TEXT NOT NULL,
         tracestate TEXT
       ) STRICT, WITHOUT ROWID`,
    );
    this.#begin = db.prepare('INSERT OR REPLACE INTO saga_traces (subject, traceparent, tracestate) VALUES (?, ?, ?)');
    this.#of = db.prepare<[string], Row>('SELECT traceparent, tracestate FROM saga_traces WHERE subject = ?');
    this.#end = db.prepare('DELETE FROM saga_traces WHERE subject = ?');
  }

  /** Inside a transaction only. */
  begin(subject: string, traceparent: string, tracestate: string | undefined): void {
    this.#begin.run(subject, traceparent, tracestate ?? null);
  }

  /** Undefined: the saga has ended, or it began while nothing was traced, or elsewhere. */
  of(subject: string): { readonly traceparent: string; readonly tracestate?: string } | undefined {
    const row = this.#of.get(subject);
    if (!row) return undefined;
    const { traceparent, tracestate } = row;
    return tracestate === null ? { traceparent } : { traceparent, tracestate };
  }

  /** Inside a transaction only. */
  end(subject: string): void {
    this.#end.run(subject);
  }
}
