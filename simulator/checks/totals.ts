// A total in a database against what people were answered: requests without an answer may count or not.
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Finding } from '../environment/violation.ts';
import type { Sums } from '../workload/answers.ts';

export function totalOf(db: Database, sql: string): number {
  return db.prepare<[], number>(sql).pluck().get() ?? 0;
}

export function* withinAnswers(what: string, total: number, { answered, unanswered }: Sums): Generator<Finding> {
  if (total >= answered && total <= answered + unanswered) return;
  const text = `${what}: ${total}, but ${answered} was answered (and ${unanswered} went unanswered)`;
  yield { subject: '', text };
}
