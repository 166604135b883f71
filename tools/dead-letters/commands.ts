// What the commands do with one service's dead-letter queue.
import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { queueOf } from '../../shared/contract/topology.ts';
import { DeadLetterQueue } from './dead-letter-queue.ts';
import { DiscardedFile } from './discarded-file.ts';
import { DeadLettersError } from './errors.ts';
import { type LetterFilter, matches, matchesAll } from './filter.ts';
import { factsOf, isCalled } from './letter.ts';
import { factsJson, groupJson, groupLines, letterJson, linesOf, wholeText } from './letter-text.ts';
import type { Progress } from './progress.ts';
import { Redriver } from './redrive.ts';
import { Summary } from './summary.ts';

/** What every command needs. */
export interface Desk {
  readonly connection: ChannelModel;
  readonly service: string;
  /** For results. */
  readonly print: (text: string) => void;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Selection {
  readonly filter: LetterFilter;
  readonly limit: number | undefined;
}

export async function list(desk: Desk, { filter, limit }: Selection, json: boolean): Promise<void> {
  const { service, print } = desk;
  await withQueue(desk, async (queue) => {
    const summary = new Summary();
    await eachPage(desk, queue, { filter, limit }, (letters) => {
      for (const letter of letters) {
        const facts = factsOf(letter);
        summary.add(facts);
        if (limit !== undefined) print(json ? factsJson(service, facts) : linesOf(facts).join('\n'));
      }
    });
    if (json) {
      if (limit === undefined) for (const group of summary.groups()) print(groupJson(service, group));
      return;
    }
    const all = `${service}: ${lettersText(queue.count)}`;
    if (limit !== undefined) return print(`${all}, ${summary.count} shown`);
    print(matchesAll(filter) ? all : `${all}, ${summary.count.toLocaleString('en')} of them match`);
    if (summary.count > 0) print(groupLines(summary.groups()).join('\n'));
  });
}

/** The first letter with that id. */
export async function show(desk: Desk, letterId: string, json: boolean): Promise<void> {
  await withQueue(desk, async (queue) => {
    for await (const page of queue.pages(undefined, desk.signal)) {
      const letter = page.find((candidate) => isCalled(letterId, factsOf(candidate)));
      if (letter) return desk.print(json ? letterJson(desk.service, letter) : wholeText(letter));
    }
    throw new DeadLettersError(`none of the ${lettersText(queue.count)} of ${desk.service} has the id ${letterId}`);
  });
}

export async function redrive(desk: Desk, selection: Selection): Promise<void> {
  const { service, connection } = desk;
  const done = new Summary();
  try {
    await withQueue(desk, async (queue) => {
      const channel = await connection.createConfirmChannel();
      channel.on('error', () => {});
      const redriver = new Redriver(channel, queueOf(service));
      await eachPage(desk, queue, selection, (letters) => redriver.redrive(queue, letters, (facts) => done.add(facts)));
      await channel.close();
    });
  } finally {
    report(desk, done, 'redriven');
  }
}

/** @returns whether it was done, and not only described */
export async function discard(desk: Desk, selection: Selection, yes: boolean, path: string): Promise<boolean> {
  const { service, print } = desk;
  const done = new Summary();
  const file = new DiscardedFile(path);
  try {
    await withQueue(desk, (queue) =>
      eachPage(desk, queue, selection, (letters) => {
        if (yes) file.append(letters.map((letter) => letterJson(service, letter)));
        for (const letter of letters) {
          if (yes) queue.ack(letter);
          done.add(factsOf(letter));
        }
      }),
    );
  } finally {
    file.close();
    // Also of a run that is stopped or fails.
    if (yes) report(desk, done, 'discarded');
    if (yes && done.count > 0) print(`They are in ${path}.`);
  }
  if (yes) return true;
  report(desk, done, 'would be discarded');
  print('Nothing was changed. Add --yes to discard them.');
  return false;
}

function report({ service, print }: Desk, done: Summary, what: string): void {
  print(`${service}: ${lettersText(done.count)} ${what}`);
  if (done.count > 0) print(groupLines(done.groups()).join('\n'));
}

/** Hands over the letters that match, page by page, up to the limit. What is not acked meanwhile is returned in the end. */
async function eachPage(
  { progress, signal }: Desk,
  queue: DeadLetterQueue,
  { filter, limit = Number.POSITIVE_INFINITY }: Selection,
  handle: (letters: readonly ConsumeMessage[]) => void | Promise<void>,
): Promise<void> {
  const enough = matchesAll(filter) ? limit : undefined;
  let read = 0;
  let left = limit;
  for await (const page of queue.pages(enough, signal)) {
    const letters = page.filter((letter) => matches(filter, factsOf(letter))).slice(0, left);
    await handle(letters);
    read += page.length;
    left -= letters.length;
    progress(read, queue.count);
    if (left === 0) return;
  }
}

async function withQueue<T>(desk: Desk, use: (queue: DeadLetterQueue) => Promise<T>): Promise<T> {
  const queue = await DeadLetterQueue.open(desk.connection, desk.service);
  let result: T;
  try {
    result = await use(queue);
  } catch (error) {
    // Without a channel, the broker returns everything by itself; the first error says more.
    await queue.close().catch(() => {});
    throw error;
  }
  await queue.close();
  return result;
}

function lettersText(count: number): string {
  return `${count.toLocaleString('en')} dead ${count === 1 ? 'letter' : 'letters'}`;
}
