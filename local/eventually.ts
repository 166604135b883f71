// Waits for something that can only be polled. No fixed sleeps: it looks again soon, and a timeout says what it was
// waiting for and what it saw last.
const soonMs = 15;
/** Whoever has waited for long looks less often: looking takes the processor from what is waited for. */
const lateMs = 100;
const lateBy = 1 / 20;

/** Resolves with the first answer of `look` that `good` accepts. Errors of `look` count as "not yet". */
export async function eventually<T>(
  what: string,
  look: () => Promise<T> | T,
  good: (seen: T) => boolean = (seen) => Boolean(seen),
  timeoutMs = 30_000,
): Promise<T> {
  const startMs = performance.now();
  const endMs = startMs + timeoutMs;
  let last: unknown = 'nothing';
  while (performance.now() < endMs) {
    try {
      const seen = await look();
      last = seen;
      if (good(seen)) return seen;
    } catch (error) {
      last = error;
    }
    const againMs = Math.min(Math.max(soonMs, (performance.now() - startMs) * lateBy), lateMs);
    await new Promise((resolve) => setTimeout(resolve, againMs));
  }
  const shown = last instanceof Error ? String(last) : JSON.stringify(last, null, 1);
  throw new Error(`waited ${timeoutMs} ms for: ${what}; saw last: ${shown}`);
}
