// Errors as people and programs get them over HTTP: problem+json (RFC 9457).
import { z } from 'zod';

/**
 * A request that can't be done, with all that its sender needs to know. Thrown inside a command, it also compensates the
 * command: nothing is stored.
 */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  /** Kebab-case name of the kind of problem; `type` in the answer is `urn:problem:<code>`. */
  readonly code: string;
  readonly extras: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param detail what was wrong with this request, and what would be right
   * @param extras further members of the answer, such as `errors` or both prices
   */
  constructor(
    status: number,
    code: string,
    detail: string,
    extras: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.status = status;
    this.code = code;
    this.extras = extras;
    this.headers = headers;
  }

  toJSON(): Record<string, unknown> {
    const title = this.code.charAt(0).toUpperCase() + this.code.slice(1).replaceAll('-', ' ');
    return { type: `urn:problem:${this.code}`, title, status: this.status, detail: this.message, ...this.extras };
  }
}

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    requestId: z.string().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .loose();

/** Try again later: the service can't take this on now. */
export function unavailable(code: string, detail: string, retryAfterS: number): ProblemError {
  return new ProblemError(503, code, detail, {}, { 'retry-after': String(retryAfterS) });
}

const issueLengthMax = 300;

/** Checks what came in. @throws ProblemError 400 that names every field that is wrong. */
export function check<T>(schema: z.ZodType<T>, value: unknown, where: 'body' | 'path' | 'query'): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.slice(0, 20).map((issue) => ({
    path: [where, ...issue.path].join('.'),
    // It lists the keys that are unknown, as many and as long as they may be.
    message: issue.message.length > issueLengthMax ? `${issue.message.slice(0, issueLengthMax)}…` : issue.message,
  }));
  const first = errors[0];
  throw new ProblemError(
    400,
    'invalid-request',
    first ? `${first.path}: ${first.message}` : 'the request is not valid',
    { errors },
  );
}
