// A sign of life for work of unknown length.

const EVERY_MS = 2_000;

/** Says at once what is going on, then how long it has taken, until `work` is over. */
export async function reportWhile<T>(what: string, progress: (line: string) => void, work: Promise<T>): Promise<T> {
  const startedMs = Date.now();
  progress(what);
  const timer = setInterval(() => progress(`${what} (${Math.round((Date.now() - startedMs) / 1000)} s)`), EVERY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
