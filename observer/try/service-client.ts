// Requests to the services on behalf of the page, over their own HTTP interface, as anybody could send them.
import { ProblemError } from '../../shared/runtime/http/problem.ts';

const timeoutMs = 10_000;

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** @throws ProblemError 502 when the service does not answer, or answers with an error of its own */
export async function ask(method: string, url: string, body?: object): Promise<Reply> {
  const response = await fetch(url, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error: unknown) => {
    throw new ProblemError(
      502,
      'service-unreachable',
      `${method} ${url}: ${error instanceof Error ? error.message : error}`,
    );
  });
  const text = await response.text();
  if (response.status >= 500)
    throw new ProblemError(
      502,
      'service-failed',
      `${method} ${url} answered ${response.status}: ${text.slice(0, 200)}`,
    );
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** @throws ProblemError 502 when the answer is not a success */
export async function askFor(method: string, url: string, body?: object): Promise<unknown> {
  const reply = await ask(method, url, body);
  if (reply.status < 300) return reply.body;
  throw new ProblemError(
    502,
    'service-refused',
    `${method} ${url} answered ${reply.status}: ${JSON.stringify(reply.body).slice(0, 200)}`,
  );
}
