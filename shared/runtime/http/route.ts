// A route as data: from it come the router's entry, the checks of what comes in, and the OpenAPI document.
import type { z } from 'zod';
import type { Cause } from '../node/transaction.ts';

export interface HttpRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** To be handed to the transaction: request id and trace. */
  readonly cause: Cause;
  /** Of the Idempotency-Key header. */
  readonly idempotencyKey: string | undefined;
  /** Of `Prefer: wait=N`, in milliseconds. */
  readonly waitMs: number | undefined;
  /** What the route's own path was reached below: empty, or a prefix such as `/order-service`. */
  readonly prefix: string;
  /** Aborted when the service stops or, for a request that waits, when its client goes away. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteSpec<P, Q, B> {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` for parameters. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** The body may be left out. */
  readonly bodyOptional?: true;
  /** Honours Idempotency-Key. */
  readonly idempotent?: true;
  /** Honours `Prefer: wait=N`. */
  readonly waits?: true;
  readonly answers: Readonly<Record<number, { readonly description: string; readonly schema?: z.ZodType }>>;
  /** Problems beside those that every route has, by status. */
  readonly problems?: Readonly<Record<number, string>>;
  handle(request: HttpRequest<P, Q, B>): Promise<HttpAnswer> | HttpAnswer;
}

/** A route whose parts have been typed where it was written. */
// biome-ignore lint/suspicious/noExplicitAny: a list of routes holds many types; each route() call has checked its own
export type Route = RouteSpec<any, any, any>;

/** Checks a route's types: what its handler gets is what its schemas give. */
export function route<P, Q, B>(spec: RouteSpec<P, Q, B>): Route {
  return spec;
}
