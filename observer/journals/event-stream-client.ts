// Reads server-sent events over HTTP.
import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';

/** The services write a comment at least every 15 s: a stream that is quiet for longer is dead. */
const quietMsMax = 40_000;

export interface StreamedEvent {
  readonly id: string;
  readonly data: string;
}

/** Ends when the other side ends the stream. @throws when it cannot be opened, breaks or falls quiet */
export async function* readEventStream(url: string, signal: AbortSignal): AsyncGenerator<StreamedEvent, void> {
  const response = await open(url, signal);
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response) {
      const blocks = (rest + String(chunk)).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = eventIn(block);
        if (event) yield event;
      }
    }
  } finally {
    response.destroy();
  }
}

function open(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? getSecure : get;
    const request: ClientRequest = send(url, { headers: { accept: 'text/event-stream' }, agent: false, signal });
    request.setTimeout(quietMsMax, () => request.destroy(new Error(`nothing came for ${quietMsMax / 1_000} s`)));
    request.once('error', reject);
    request.once('response', (response) => {
      if (response.statusCode === 200) return resolve(response);
      response.destroy();
      reject(new Error(`the live tail was answered ${response.statusCode}`));
    });
  });
}

/** Comments and `retry` make blocks without data. */
function eventIn(block: string): StreamedEvent | undefined {
  let [id, data]: [string, string | undefined] = ['', undefined];
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) id = line.slice(4);
    else if (line.startsWith('data: ')) data = line.slice(6);
  }
  return data === undefined ? undefined : { id, data };
}
