// Counts what SQLite is asked to do, in all databases of the process.
import { openDatabase } from '../../shared/runtime/storage/database.ts';

export interface StatementCounts {
  /** Executed, those that begin and end transactions included. */
  statements: number;
  /** Each one that has written something is an fsync of the write-ahead log. */
  commits: number;
}

type Execute = (this: { readonly source: string }, ...values: unknown[]) => unknown;

/** Counts from now on. All statements of better-sqlite3 share a prototype. */
export function countStatements(): StatementCounts {
  const counts: StatementCounts = { statements: 0, commits: 0 };
  const db = openDatabase(':memory:', []);
  const prototype = Object.getPrototypeOf(db.prepare('SELECT 1')) as Record<'run' | 'get' | 'all', Execute>;
  db.close();
  for (const name of ['run', 'get', 'all'] as const) {
    const execute = prototype[name];
    prototype[name] = function (...values) {
      counts.statements += 1;
      if (this.source === 'COMMIT') counts.commits += 1;
      return execute.apply(this, values);
    };
  }
  return counts;
}
