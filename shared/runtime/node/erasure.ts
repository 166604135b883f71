// Erases a person from a service's database: everywhere, the user's id gives way to a pseudonym, in the tables of the
// service and in the bodies of its journal. Amounts and ids of orders and events stay, so that the totals of all services
// still balance and journals can still be compared. One step is one transaction over a bounded number of rows.
import type { Database } from '../storage/database.ts';

export interface Person {
  readonly userId: string;
  readonly pseudonym: string;
}

/**
 * Does one step of a table, or of several.
 * @param cursor what the step before returned; undefined: the first
 * @returns where to go on; undefined: nothing is left
 * @throws ProblemError when the person cannot be erased now
 */
export type EraseStep = (person: Person, cursor: string | undefined) => string | undefined;

/** Rows looked at in one step. */
export const eraseStepRows = 500;

/** How a body, an event or a dead letter, names a user. A user's id has no character that JSON would escape. */
export function userIn(json: string, { userId, pseudonym }: Person): string {
  return json.replaceAll(JSON.stringify({ userId }).slice(1, -1), JSON.stringify({ userId: pseudonym }).slice(1, -1));
}

/** Goes through the bodies of the journal, the oldest first. Positions, ids and checksums stay as they are. */
export function eraseFromJournal(db: Database): EraseStep {
  const read = db.prepare<[number, number], { position: number; body: Buffer }>(
    'SELECT position, body FROM journal WHERE position > ? ORDER BY position LIMIT ?',
  );
  const write = db.prepare('UPDATE journal SET body = ? WHERE position = ?');
  return (person, cursor = '0') => {
    const rows = read.all(Number(cursor), eraseStepRows);
    for (const { position, body } of rows) {
      // Bytes that are no UTF-8, as a dead letter may hold, come back as they were.
      const text = body.toString('latin1');
      const erased = userIn(text, person);
      if (erased !== text) write.run(Buffer.from(erased, 'latin1'), position);
    }
    return rows.length === eraseStepRows ? String(rows.at(-1)?.position) : undefined;
  };
}
