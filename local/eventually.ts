// Waits for something that can only be polled. No fixed sleeps: it looks again soon, and a timeout says what it was
// waiting for and what it saw last.
const lookAgainMs = 15;

/** Resolves with the first answer of `look` that `good` accepts. Errors of `look` count as "not yet". */
export async function eventually<T>(
  what: string,
  look: () => Promise<T> | T,
  good: (seen: T) => boolean = (seen) => Boolean(seen),
  timeoutMs = 30_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let last: unknown = 'nothing';
  while (performance.now() < endMs) {
    try {
      const seen = await look();
      last = seen;
      if (good(seen)) return seen;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  }
  const shown = last instanceof Error ? String(last) : JSON.stringify(last, null, 1);
  throw new Error(`waited ${timeoutMs} ms for: ${what}; saw last: ${shown}`);
}
