// Why a service dead-letters an event, if it does.
import type { AnyEvent } from '../../shared/contract/choreography.ts';
import type { Served } from './serve.ts';

/** Delivers an event, and returns the reason for which it was dead-lettered; undefined: it was not. */
export async function reasonOf(served: Served, event: AnyEvent): Promise<string | undefined> {
  const before = served.bus.published.length;
  await served.consume(event);
  await served.drained();
  const letter = served.bus.published.slice(before).find(({ message }) => message.exchange === 'dead-letters');
  return letter?.message.headers?.['x-cause'];
}
