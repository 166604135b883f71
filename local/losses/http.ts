// HTTP as the cases speak it: plain JSON in and out.
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A service that is paused or has lost the request never answers; the connection ends with the waiting. */
const answerMsMax = 10_000;

/** @throws when there is no answer within ten seconds */
export async function send(
  method: string,
  url: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    body: body ? JSON.stringify(body) : null,
    signal: AbortSignal.timeout(answerMsMax),
  });
  return { status: response.status, body: await response.json() };
}

/** @throws also when the answer is not 2xx */
export async function mustSend(...request: Parameters<typeof send>): Promise<unknown> {
  const { status, body } = await send(...request);
  if (status >= 200 && status < 300) return body;
  throw new Error(`${request[0]} ${request[1]} was answered ${status}: ${JSON.stringify(body)}`);
}
