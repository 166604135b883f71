// The messages of a stream of the live page, as they come.
import type { StreamedEvent } from '../../observer/journals/event-stream-client.ts';
import { readEventStream } from '../../observer/journals/event-stream-client.ts';

export async function* messagesOf(url: string, signal: AbortSignal): AsyncGenerator<StreamedEvent, void> {
  const waiting: StreamedEvent[] = [];
  let wake = (): void => {};
  let ended = false;
  const reading = readEventStream(url, signal, (event) => {
    waiting.push(event);
    wake();
  });
  const end = (): void => {
    ended = true;
    wake();
  };
  reading.then(end, end);
  while (!ended || waiting.length > 0) {
    yield* waiting.splice(0);
    if (!ended && waiting.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}
