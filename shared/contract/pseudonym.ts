// How the id of a person who was erased looks, in events and in records alike.

/** What every pseudonym begins with: a record shows by it that nobody knows any more whose it was. */
export const pseudonymPrefix = 'erased-';

/** Whether two user ids name different people, as far as that can be known: one of them may have been erased since. */
export function areDifferentUsers(known: string, named: string): boolean {
  return known !== named && !known.startsWith(pseudonymPrefix) && !named.startsWith(pseudonymPrefix);
}
