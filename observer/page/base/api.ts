// Questions and commands to the observer.
import type { ContractView, DeadLetterList, SagaDetail, Tried, TryOptions } from '../../model/messages.ts';

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(path, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  const answer = (await response.json()) as T & { readonly detail?: string };
  if (!response.ok) throw new Error(answer.detail ?? `the observer answered ${response.status}`);
  return answer;
}

export const api = {
  contract: () => call<ContractView>('GET', '/api/contract'),
  saga: (orderId: string) => call<SagaDetail>('GET', `/api/sagas/${encodeURIComponent(orderId)}`),
  tryOptions: () => call<TryOptions>('GET', '/api/try'),
  play: (scenario: string) => call<Tried>('POST', '/api/try', { scenario }),
  control: (target: string, action: string) => call<{ done: string }>('POST', '/api/control', { target, action }),
  deadLetters: () => call<DeadLetterList>('GET', '/api/dead-letters'),
  redrive: (service: string, letterId?: string) =>
    call<{ redriven: number }>(
      'POST',
      '/api/dead-letters/redrive',
      letterId === undefined ? { service } : { service, letterId },
    ),
};

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
