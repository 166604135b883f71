// Requests of the comparison. A request that gets no answer is one with status 0.
const timeoutMs = 5_000;

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The Saga-Version header. */
  readonly version: string | undefined;
  /** Milliseconds. */
  readonly tookMs: number;
}

export async function call(
  method: string,
  url: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const beganMs = performance.now();
  const took = () => performance.now() - beganMs;
  try {
    const response = await fetch(url, {
      method,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    const version = response.headers.get('saga-version') ?? undefined;
    return { status: response.status, text, version, tookMs: took() };
  } catch (error) {
    return { status: 0, text: String(error), version: undefined, tookMs: took() };
  }
}
