// Reads server-sent events over HTTP.
import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';

/** The services write a comment at least every 15 s: a stream that is quiet for longer is dead. */
const quietMsMax = 40_000;

export interface StreamedEvent {
  readonly id: string;
  /** Its `event` field. */
  readonly name: string;
  readonly data: string;
}

/**
 * Resolves when the other side has ended the stream.
 * @param onEvent called for each event, with as few turns of the event loop as possible: there may be thousands a second
 * @throws when the stream cannot be opened, breaks or falls quiet, and the signal's reason
 */
export async function readEventStream(
  url: string,
  signal: AbortSignal,
  onEvent: (event: StreamedEvent) => void,
): Promise<void> {
  const response = await open(url, signal);
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response) {
      const text = rest + String(chunk);
      let from = 0;
      for (let end = text.indexOf(blockEnd); end >= 0; end = text.indexOf(blockEnd, from)) {
        const event = eventIn(text.slice(from, end));
        from = end + blockEnd.length;
        if (event) onEvent(event);
      }
      rest = text.slice(from);
    }
  } finally {
    response.destroy();
  }
}
const blockEnd = '\n\n';

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
  let [id, name, data]: [string, string, string | undefined] = ['', '', undefined];
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) id = line.slice(4);
    else if (line.startsWith('event: ')) name = line.slice(7);
    else if (line.startsWith('data: ')) data = line.slice(6);
  }
  return data === undefined ? undefined : { id, name, data };
}
