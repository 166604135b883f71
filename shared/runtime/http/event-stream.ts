// A live tail of the journal, as server-sent events. It reads from the journal at the pace of its client: a slow one is
// behind, and costs no memory.
import { Readable } from 'node:stream';
import type { EventFilter, Journal, JournalEvent } from '../storage/journal.ts';

/** Some 150 kB. */
const pageSize = 250;
const scanMax = 10_000;
/** What another process that shares the database has published is found this often. */
const pollMs = 1_000;
/** After a reading, the next one waits this long, unless there was more than a page; longer where there is much to read. */
const gatherMs = 50;
const gatherMuchMs = 150;
const much = 25;
/** A comment this often, so that nobody takes a quiet stream for a dead one. */
const keepAliveMs = 15_000;

export function eventStream(journal: Journal, filter: Omit<EventFilter, 'until'>, signal: AbortSignal): Readable {
  return Readable.from(tail(journal, filter, signal), { objectMode: false, highWaterMark: 64 * 1024 });
}

async function* tail(
  journal: Journal,
  filter: Omit<EventFilter, 'until'>,
  signal: AbortSignal,
): AsyncGenerator<string | Buffer, void> {
  let cursor = filter.after;
  let wake = (): void => {};
  const unsubscribe = journal.onAppended(() => wake());
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  try {
    yield 'retry: 1000\n\n';
    for (let quietMs = 0; !signal.aborted; ) {
      const { events, next } = journal.events(
        { ...filter, after: cursor, until: Number.MAX_SAFE_INTEGER },
        pageSize,
        scanMax,
      );
      const moved = next > cursor;
      cursor = next;
      // One chunk for all: each chunk is a write of its own.
      if (events.length > 0) yield Buffer.concat(events.flatMap(blockOf));
      // Under load, what comes within this shares the next reading and the next chunk.
      if (events.length > 0 && events.length < pageSize)
        await pause(events.length < much ? gatherMs : gatherMuchMs, signal);
      quietMs = events.length > 0 ? 0 : quietMs;
      if (moved) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      quietMs += pollMs;
      if (quietMs < keepAliveMs) continue;
      quietMs = 0;
      yield ': keep-alive\n\n';
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', onAbort);
  }
}

function blockOf({ position, type, body }: JournalEvent): Buffer[] {
  return [Buffer.from(`id: ${position}\nevent: ${type}\ndata: `), body, blockEnd];
}
const blockEnd = Buffer.from('\n\n');

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
