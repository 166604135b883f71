// HTTP as the demo speaks it: over connections that stay open, with the curl line that repeats each request.
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { shellWord } from '../../local/terminal.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

export interface Answer {
  readonly call: Call;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON. */
  readonly body: unknown;
  /** As it came. */
  readonly text: string;
  /** When the request was sent, milliseconds since 1970. */
  readonly sentAtMs: number;
  readonly elapsedMs: number;
}

/** A request got no answer at all. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

const timeoutMs = 40_000;

export class Client {
  readonly #agent: Agent;
  readonly #signal: AbortSignal;

  constructor(connectionsMax: number, signal: AbortSignal) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
    this.#signal = signal;
  }

  /** Any answer will do, whatever its status. @throws NoAnswerError */
  async call(call: Call): Promise<Answer> {
    const sentAtMs = Date.now();
    const began = performance.now();
    const { status, headers, text } = await this.#send(call);
    const elapsedMs = performance.now() - began;
    return { call, status, headers, body: parsed(text), text, sentAtMs, elapsedMs };
  }

  close(): void {
    this.#agent.destroy();
  }

  #send({ method, url, headers, body }: Call): Promise<Pick<Answer, 'status' | 'headers' | 'text'>> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(this.#signal.aborted ? this.#signal.reason : new NoAnswerError(`${method} ${url}: ${error.message}`));
      const sent = request(
        url,
        {
          method,
          agent: this.#agent,
          signal: this.#signal,
          timeout: timeoutMs,
          headers: {
            ...headers,
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          },
        },
        (response) => {
          const { statusCode: status = 0, headers } = response;
          read(response).then((text) => resolve({ status, headers, text }), fail);
        },
      );
      sent.on('error', fail);
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
      sent.end(payload);
    });
  }
}

/** The request as a line for a shell. */
export function curlLine({ method, url, headers = {}, body }: Call): string {
  const words = ['curl', '-s'];
  if (method !== (body === undefined ? 'GET' : 'POST')) words.push('-X', method);
  words.push(shellWord(url));
  if (body !== undefined) words.push('-H', shellWord('content-type: application/json'));
  for (const [name, value] of Object.entries(headers)) words.push('-H', shellWord(`${name}: ${value}`));
  if (body !== undefined) words.push('-d', shellWord(JSON.stringify(body)));
  return words.join(' ');
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
