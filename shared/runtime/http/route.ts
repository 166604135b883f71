// A route as data: from it come the router's entry, the checks of what comes in, and the OpenAPI document.
import type { z } from 'zod';
import type { Cause, Transaction } from '../messaging/unit-of-work.ts';

export interface HttpRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Request id and trace, for the events that follow. */
  readonly cause: Cause;
  /** Of `Prefer: wait=N`, in milliseconds. */
  readonly waitMs: number | undefined;
  /** What the route's own path was reached below: empty, or a prefix such as `/order-service`. */
  readonly prefix: string;
  /** The Saga-Minimum-Version header: what the client knows already. */
  readonly minimumVersion: string | undefined;
  /** The Idempotency-Key, where the route honours one. */
  readonly idempotencyKey: string | undefined;
  /** Media types that the client accepts, as it wrote them. */
  readonly accept: string;
  /** The Last-Event-ID header of a client that resumes a stream. */
  readonly lastEventId: string | undefined;
  /** Aborted when the service stops or, for a request that waits, when its client goes away. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** JSON, or a stream of whatever the headers say. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface RouteBase<P, Q, B> {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` for parameters. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** Honours `Prefer: wait=N`. */
  readonly waits?: true;
  /** Honours Saga-Minimum-Version, where there are several instances. */
  readonly versioned?: true;
  /**
   * Answered whatever the load of customers is, and not counted in it: a probe at once, what services and operators ask in turn.
   * Left out: a customer's.
   */
  readonly lane?: 'probe' | 'service';
  readonly answers: Readonly<
    Record<number, { readonly description: string; readonly schema?: z.ZodType; readonly contentType?: string }>
  >;
  /** Problems beside those that every route has, by status. */
  readonly problems?: Readonly<Record<number, string>>;
}

/** A route that reads. */
export interface QueryRoute<P, Q, B> extends RouteBase<P, Q, B> {
  handle(request: HttpRequest<P, Q, B>): Promise<HttpAnswer> | HttpAnswer;
}

/** A route that changes something: in one transaction, answered when that is on disk. */
export interface CommandRoute<P, Q, B, R = undefined> extends RouteBase<P, Q, B> {
  /**
   * Honours Idempotency-Key: the same key of the same owner gets the first answer again. What the owner is, such as a
   * customer, keeps the keys of strangers apart. `operation` is the route's operationId where it is left out. `request` is
   * what the key must always come with; left out: parameters and body.
   */
  readonly idempotent?: {
    readonly operation?: string;
    owner(request: HttpRequest<P, Q, B>): string;
    request?(request: HttpRequest<P, Q, B>): unknown;
  };
  /**
   * Gets from elsewhere what the command needs, before its transaction; it may wait. Undefined: there is nothing to get, and
   * the command is not put off. It does not reject: what could not be had is for the command to refuse, since a repeated
   * Idempotency-Key needs nothing but its first answer.
   */
  prepare?(request: HttpRequest<P, Q, B>): Promise<R> | undefined;
  /** Runs inside the transaction, so it must not wait. */
  command(tx: Transaction, request: HttpRequest<P, Q, B>, prepared?: R): HttpAnswer;
  /** What is answered once the command is on disk. Left out: the command's own answer. */
  afterwards?(answer: HttpAnswer, request: HttpRequest<P, Q, B>): Promise<HttpAnswer> | HttpAnswer;
}

/** A route whose parts were typed where it was written. */
// biome-ignore lint/suspicious/noExplicitAny: a list of routes holds many types; each route() call has checked its own
export type Route = QueryRoute<any, any, any> | CommandRoute<any, any, any, any>;

/** Checks a route's types: what its handler gets is what its schemas give. */
export function route<P, Q, B, R = undefined>(spec: QueryRoute<P, Q, B> | CommandRoute<P, Q, B, R>): Route {
  return spec;
}
