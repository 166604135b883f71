// A request of a command to a running service, and what to say to the person at the command line when it fails.
import { z } from 'zod';

const Problem = z.object({ detail: z.string() });

/** The service did not answer, or refused; the message says which, and why. */
export class ServiceRequestError extends Error {
  override readonly name = 'ServiceRequestError';
}

export interface ServiceAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Asks once, as long as it takes unless `timeoutMs` is given.
 * @returns the answer, whatever its status
 * @throws ServiceRequestError when there is none
 */
export async function askService(
  method: 'GET' | 'POST',
  url: string,
  { body, timeoutMs }: { readonly body?: object; readonly timeoutMs?: number } = {},
): Promise<ServiceAnswer> {
  try {
    const response = await fetch(url, {
      method,
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
      ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  } catch (error) {
    const { cause, message } = error as Error;
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
    throw new ServiceRequestError(
      `${new URL(url).origin} does not answer: ${reason}. Start the services, or name their addresses: ORDER_PORT, PAYMENT_PORT, INVENTORY_PORT, or --url SERVICE=http://HOST:PORT`,
    );
  }
}

/**
 * The body of an answer that is not a refusal.
 * @throws ServiceRequestError when there is no answer, or one of status 400 and above
 */
export async function requestService(method: 'GET' | 'POST', url: string, body?: object): Promise<unknown> {
  const answer = await askService(method, url, body ? { body } : {});
  if (answer.status < 400) return answer.body;
  const detail = Problem.safeParse(answer.body).data?.detail ?? 'no reason given';
  throw new ServiceRequestError(`${url} answered ${answer.status}: ${detail}`);
}
