// Lists that are ordered by id: read page by page, and walked side by side. Only a page or two of each are in memory.
import { AuditError } from './service-client.ts';

export interface Entry<T> {
  readonly id: string;
  readonly value: T;
}

export interface Page<T> {
  readonly entries: readonly Entry<T>[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: string | undefined;
}

/**
 * Every entry of a list. The next page is on its way while this one is used.
 * @param what for errors
 * @param from the id after which to begin; left out: at the beginning
 * @throws AuditError when the ids do not ascend: the list could not be compared with others, and might never end
 */
export async function* inPages<T>(
  what: string,
  read: (after: string | undefined) => Promise<Page<T>>,
  from?: string,
): AsyncGenerator<Entry<T>> {
  let last = from ?? '';
  for (let reading = read(from); ; ) {
    const { entries, next }: Page<T> = await reading;
    if (next !== undefined && next !== entries.at(-1)?.id) {
      throw new AuditError(
        `${what} cannot be compared: the next page is after ${next}, which is not where this one ends`,
      );
    }
    if (next !== undefined) {
      reading = read(next);
      // It may fail before it is looked at; then it is thrown above.
      reading.catch(() => {});
    }
    for (const entry of entries) {
      if (entry.id <= last) throw new AuditError(`${what} cannot be compared: ${entry.id} comes after ${last}`);
      last = entry.id;
      yield entry;
    }
    if (next === undefined) return;
  }
}

export interface Joined<T> {
  readonly id: string;
  /** What each list has under this id, if it has. */
  readonly of: Partial<T>;
}

/** Walks lists that ascend by id side by side: every id once, with what each list has under it. */
export async function* joinedById<T extends object>(
  lists: {
    readonly [K in keyof T]: AsyncIterable<Entry<T[K]>>;
  },
): AsyncGenerator<Joined<T>> {
  const keys = Object.keys(lists) as (keyof T)[];
  const cursors = await Promise.all(
    keys.map(async (key) => {
      const iterator = lists[key][Symbol.asyncIterator]();
      return { key, iterator, at: await iterator.next() };
    }),
  );
  for (;;) {
    let id: string | undefined;
    for (const { at } of cursors) if (!at.done && (id === undefined || at.value.id < id)) id = at.value.id;
    if (id === undefined) return;
    const of: Partial<T> = {};
    for (const cursor of cursors) {
      if (cursor.at.done || cursor.at.value.id !== id) continue;
      of[cursor.key] = cursor.at.value.value;
      cursor.at = await cursor.iterator.next();
    }
    yield { id, of };
  }
}

/** What a list has up to an id, by id. */
export async function upTo<T>(list: AsyncIterable<Entry<T>>, until: string): Promise<ReadonlyMap<string, T>> {
  const found = new Map<string, T>();
  for await (const { id, value } of list) {
    if (id > until) break;
    found.set(id, value);
  }
  return found;
}
