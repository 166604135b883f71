// Reads a request's JSON body, and refuses what is too large, compressed, not UTF-8, not JSON, or ambiguous.
import type { IncomingMessage } from 'node:http';
import rawBody from 'raw-body';
import { ProblemError } from './problem.ts';

/** 100 order lines with the longest names fit several times over. */
export const bodyBytesMax = 64 * 1024;

/** @throws ProblemError 400, 413 or 415. Answers to those close the connection: the rest of the body is not read. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const contentType = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (contentType !== 'application/json') {
    throw new ProblemError(
      415,
      'unsupported-media-type',
      `send content-type: application/json, not ${contentType ?? 'none'}`,
    );
  }
  const encoding = request.headers['content-encoding'];
  if (encoding && encoding !== 'identity') {
    throw new ProblemError(
      415,
      'unsupported-media-type',
      `send the body uncompressed, not with content-encoding: ${encoding}`,
    );
  }
  return parseStrictly(await readBytes(request));
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  try {
    return await rawBody(request, { limit: bodyBytesMax, length: request.headers['content-length'] ?? null });
  } catch (error) {
    const type = (error as { type?: string }).type;
    if (type === 'entity.too.large') {
      throw new ProblemError(
        413,
        'body-too-large',
        `the body may have at most ${bodyBytesMax} bytes`,
        {},
        { connection: 'close' },
      );
    }
    throw new ProblemError(
      400,
      'incomplete-body',
      'the body ended before its announced length',
      {},
      { connection: 'close' },
    );
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseStrictly(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ProblemError(400, 'invalid-json', 'the body is not UTF-8');
  }
  try {
    const value: unknown = JSON.parse(text);
    refuseDuplicateKeys(text);
    return value;
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message.slice(0, 200) : 'it cannot be read';
    throw new ProblemError(400, 'invalid-json', `the body is not valid JSON: ${why}`);
  }
}

/**
 * JSON.parse silently takes the last of two equal keys; which one the sender meant nobody knows (RFC 8259, section 4).
 * @param text must be valid JSON
 * @throws SyntaxError naming the key
 */
function refuseDuplicateKeys(text: string): void {
  // The keys so far of each object that is open; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const keys = open.at(-1);
      // Parsed, so that an escaped spelling of a key is the same key.
      const key = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string;
      if (keys?.has(key)) throw new SyntaxError(`the key '${key.slice(0, 50)}' appears twice`);
      keys?.add(key);
    }
  }
}
