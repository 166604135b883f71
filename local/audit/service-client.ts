// One service over HTTP, as the audit reads it: few requests at a time, repeated when the service is away for a moment.
import { z } from 'zod';
import type { ServiceName } from '../../shared/contract/choreography.ts';

/** The audit cannot be done; the message says why, and what to do. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/** Also a page with the largest orders, from a service under load, arrives within this time. */
const timeoutMs = 30_000;
/** So few that the customers of the service notice nothing. */
const requestsMax = 8;
/** Pauses before a failed request is repeated: long enough for a service to be restarted. */
const retryPausesMs = [200, 1_000, 3_000, 6_000];
const transientStatuses: readonly number[] = [429, 502, 503, 504];

const Problem = z.object({ type: z.string(), detail: z.string().optional() });

export interface Answer {
  readonly status: number;
  /** Parsed JSON; the text where it is none. */
  readonly body: unknown;
}

export class ServiceClient {
  readonly service: ServiceName;
  readonly url: string;
  readonly #delay: (ms: number) => Promise<unknown>;
  #requests = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param url without a slash at its end */
  constructor(service: ServiceName, url: string, delay: (ms: number) => Promise<unknown>) {
    this.service = service;
    this.url = url;
    this.#delay = delay;
  }

  /** Asked once, and never for long: is the service there at all? A service that is not ready says so in its answer. */
  async probe<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#parsed(path, await this.#once('GET', path), schema, [200, 503]);
  }

  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#parsed(path, await this.#send('GET', path), schema, [200]);
  }

  /** @returns undefined when the service answers that it knows no such thing */
  async find<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const answer = await this.#send('GET', path);
    // Any other 404 comes from a wrong address, and proves nothing.
    const unknown = answer.status === 404 && /^urn:problem:no-such-(?!route)/.test(problemOf(answer)?.type ?? '');
    return unknown ? undefined : this.#parsed(path, answer, schema, [200]);
  }

  /** Only for what may be repeated. */
  post(path: string): Promise<Answer> {
    return this.#send('POST', path);
  }

  async #send(method: 'GET' | 'POST', path: string): Promise<Answer> {
    for (const pauseMs of retryPausesMs) {
      const answer = await this.#once(method, path).catch((error: unknown) => {
        if (error instanceof AuditError) return undefined;
        throw error;
      });
      if (answer && !transientStatuses.includes(answer.status)) return answer;
      await this.#delay(pauseMs);
    }
    return this.#once(method, path);
  }

  async #once(method: 'GET' | 'POST', path: string): Promise<Answer> {
    if (this.#requests >= requestsMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#requests += 1;
    try {
      const response = await fetch(this.url + path, { method, signal: AbortSignal.timeout(timeoutMs) });
      return { status: response.status, body: parsed(await response.text()) };
    } catch (error) {
      throw new AuditError(`${this.service} does not answer at ${this.url}: ${reason(error)}`);
    } finally {
      this.#requests -= 1;
      this.#waiting.shift()?.();
    }
  }

  #parsed<T>(path: string, answer: Answer, schema: z.ZodType<T>, statuses: readonly number[]): T {
    const what = `${this.service} at ${this.url}${path}`;
    if (!statuses.includes(answer.status)) {
      const detail = problemOf(answer)?.detail;
      throw new AuditError(`${what} answered ${answer.status}${detail ? `: ${detail}` : ''}. Is the address right?`);
    }
    const result = schema.safeParse(answer.body);
    if (result.success) return result.data;
    throw new AuditError(
      `${what} answered what this audit cannot read. Is the address right, and the service of the same version?\n` +
        z.prettifyError(result.error).split('\n').slice(0, 6).join('\n'),
    );
  }
}

function problemOf({ body }: Answer): z.output<typeof Problem> | undefined {
  return Problem.safeParse(body).data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** fetch() hides the reason below its own error. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`;
  const { cause } = error;
  // Several addresses were tried, such as ::1 and 127.0.0.1.
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  return inner instanceof Error ? inner.message || String((inner as NodeJS.ErrnoException).code) : error.message;
}
