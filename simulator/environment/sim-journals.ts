// How one simulated service reads the journal of another: the real questions and answers, over a network with latency, to a
// process that may be down.
import type { JournalQueries, JournalReader } from '../../shared/runtime/messaging/journal-queries.ts';
import type { Random } from './random.ts';
import type { Owner, Schedule } from './schedule.ts';
import type { SimService } from './sim-service.ts';

export function journalReader(schedule: Schedule, random: Random, from: Owner, to: () => SimService): JournalReader {
  function ask<T>(question: (queries: JournalQueries) => T, done: (answer: T | Error) => void): void {
    schedule.after(
      random.between(1, 3),
      () => {
        const { node } = to();
        const answer = node ? question(node.journalQueries) : new Error('connection refused');
        schedule.after(random.between(1, 3), () => done(answer), from);
      },
      from,
    );
  }
  return {
    digests: (query, done) => ask((queries) => queries.digests(query), done),
    ids: ({ after, until, types }, done) => ask((queries) => queries.ids(after, until, types), done),
    events: (positions, done) => ask((queries) => queries.events(positions), done),
  };
}
