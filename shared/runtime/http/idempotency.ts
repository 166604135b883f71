// Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): the first answer again, instead of a second effect.
// The answer is stored in the transaction of the effect, so a retry after a crash finds both or neither.
import { createHash } from 'node:crypto';
import type { Database } from '../storage/database.ts';
import { ProblemError } from './problem.ts';
import type { HttpAnswer } from './route.ts';

export const idempotencySchema = `
  CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    answer TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_keys_at ON idempotency_keys (at_ms);
`;

/** How long a key is remembered. */
export const idempotencyKeptMs = 24 * 60 * 60 * 1000;

/** Keys of one owner, such as a customer, are not those of another. */
export interface KeyScope {
  readonly operation: string;
  readonly owner: string;
}

export class IdempotencyKeys {
  readonly #find;
  readonly #insert;
  readonly #prune;

  constructor(db: Database) {
    this.#find = db.prepare<[string, string, number], { request_hash: Buffer; answer: string }>(
      'SELECT request_hash, answer FROM idempotency_keys WHERE scope = ? AND key = ? AND at_ms > ?',
    );
    this.#insert = db.prepare(
      'INSERT OR REPLACE INTO idempotency_keys (scope, key, request_hash, answer, at_ms) VALUES (?, ?, ?, ?, ?)',
    );
    this.#prune = db.prepare(
      `DELETE FROM idempotency_keys WHERE (scope, key) IN
         (SELECT scope, key FROM idempotency_keys WHERE at_ms <= ? ORDER BY at_ms LIMIT 2)`,
    );
  }

  /**
   * Runs the effect once per key, operation and owner; inside a transaction only.
   * @param request what the key must always come with: parameters and body
   * @throws ProblemError 422 when the key was used with another request
   */
  once(
    { operation, owner }: KeyScope,
    key: string,
    request: unknown,
    nowMs: number,
    effect: () => HttpAnswer,
  ): HttpAnswer {
    const hash = createHash('sha256').update(JSON.stringify(request)).digest();
    // An operation's name has no space.
    const scope = `${operation} ${owner}`;
    const fromMs = nowMs - idempotencyKeptMs;
    // Earlier versions did not tell owners apart: what they stored counts for the very same request only.
    const old = this.#find.get(operation, key, fromMs);
    const known = this.#find.get(scope, key, fromMs) ?? (old?.request_hash.equals(hash) ? old : undefined);
    if (known && !known.request_hash.equals(hash)) {
      throw new ProblemError(
        422,
        'idempotency-key-reused',
        `Idempotency-Key '${key}' was used with another request; take a new key`,
      );
    }
    if (known) return JSON.parse(known.answer) as HttpAnswer;
    const answer = effect();
    // Each new key clears up to two expired ones, so the table stays bounded without a job of its own.
    this.#prune.run(fromMs);
    this.#insert.run(scope, key, hash, JSON.stringify(answer), nowMs);
    return answer;
  }
}

/** @throws ProblemError 400 when the header is there but is not a key */
export function parseIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  // The draft writes a quoted string; most clients send it bare.
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header;
  if (/^[\x21\x23-\x7e]{1,255}$/.test(key)) return key;
  throw new ProblemError(
    400,
    'invalid-idempotency-key',
    'Idempotency-Key must be 1 to 255 printable ASCII characters without spaces or quotes',
  );
}
