// Payment-service's node beside a journal that a test answers by hand, and what it says and logs of that.
import { expect } from 'chai';
import { paymentService } from '../../payment-service/service.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { JournalReader } from '../../shared/runtime/messaging/journal-queries.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { Inbox, type ReconcileCursor } from '../../shared/runtime/storage/inbox.ts';
import { HandClock } from './hand-clock.ts';
import { HandJournal, range } from './hand-journal.ts';
import { startPayments } from './payment-node.ts';

export const source = 'order-service';
export const intervalMs = 60_000;
export const onItsWayMs = 5_000;

interface Options {
  readonly publisher?: string;
  readonly cursor?: ReconcileCursor;
  readonly db?: Database;
  readonly react?: () => void;
  /** Besides the publisher's. */
  readonly journals?: Readonly<Record<string, JournalReader>>;
}

/** Payment-service beside a journal that answers by hand. */
export function startReconciling({
  publisher = source,
  cursor,
  db = newDatabase(),
  react,
  journals = {},
}: Options = {}) {
  const clock = new HandClock();
  const journal = new HandJournal();
  const inbox = new Inbox(db, [publisher]);
  if (cursor) db.transaction(() => inbox.setCursor(publisher, cursor))();
  const logged: { level: string; fields: object; message: string }[] = [];
  const note = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  const log = { ...silentLog, warn: note('warn'), error: note('error') };
  const options = { clock, db, log, journals: { [publisher]: journal, ...journals }, reconcileIntervalMs: intervalMs };
  const run = startPayments({ ...options, ...(react ? { react } : {}) });
  const { reconciliation } = run.node;
  return {
    ...run,
    journal,
    inbox,
    reconciliation,
    logged,
    errors: () => logged.filter(({ level }) => level === 'error').map(({ message }) => message),
    cursor: () => inbox.cursor(publisher),
    status: () => {
      const status = reconciliation.status()[publisher];
      if (!status) expect.fail(`${publisher} is no publisher`);
      return status;
    },
    /** Answers what is asked about ranges, and lets follow what follows at once. */
    answer: (...answer: Parameters<HandJournal['answer']>) => {
      journal.answer(...answer);
      clock.turn();
    },
  };
}

export type Run = ReturnType<typeof startReconciling>;

export function newDatabase(): Database {
  return openDatabase(':memory:', paymentService.migrations);
}

/** The journal ends here, and all of it has had the time to come through the broker. */
export function learnHead({ clock, answer }: Run, head: number): void {
  answer({ head });
  clock.advance(onItsWayMs);
}

/** A range of one event differs from what was handled here, and its ids are asked for. */
export function differ(run: Run): void {
  learnHead(run, 1);
  run.answer({ head: 1, ranges: [range(0, 1, { count: 1, sum: 1 })] });
  expect(run.journal.open).to.deep.equal(['ids']);
}
