// Pages of a list: a route asks its store for one row more than it shows, which tells whether there is another page.
import { z } from 'zod';

/** How many rows a page may have. */
export const PageLimit = z.coerce.number().int().min(1).max(1000).default(100);

/**
 * @param found at most one row more than the limit
 * @param cursorOf what the next request passes to go on after a row
 */
export function pageOf<T, Cursor>(
  found: readonly T[],
  limit: number,
  cursorOf: (last: T) => Cursor,
): { readonly rows: readonly T[]; readonly next: Cursor | undefined } {
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return { rows, next: found.length > limit && last !== undefined ? cursorOf(last) : undefined };
}
