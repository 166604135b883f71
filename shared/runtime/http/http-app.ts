// The Koa application of a service: routes, limits, request ids, and problem+json for everything that goes wrong.
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import Router from '@koa/router';
import Koa from 'koa';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import { RateLimitedLog } from '../environment/rate-limited-log.ts';
import { type Tracing, traceIdOf } from '../messaging/tracing.ts';
import type { Cause, Transaction } from '../messaging/unit-of-work.ts';
import { isTransient } from '../storage/database.ts';
import { Admission } from './admission.ts';
import { readJson } from './http-body.ts';
import { type IdempotencyKeys, parseIdempotencyKey } from './idempotency.ts';
import { OpenRequests } from './open-requests.ts';
import { check, ProblemError, unavailable } from './problem.ts';
import { type Reader, ReadTurns } from './read-turns.ts';
import type { CommandRoute, HttpAnswer, HttpRequest, Route } from './route.ts';
import { causeOf } from './trace-headers.ts';

/** Most requests being worked on at once; more are answered 503 at once instead of slowly. */
const requestsMaxDefault = 5_000;
/** Longest `Prefer: wait=N` that is honoured. */
export const waitMsMax = 30_000;

export interface HttpOptions {
  readonly routes: readonly Route[];
  /** Each route is also reachable below each of these, e.g. `/order-service`. */
  readonly prefixes?: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Left out: requests are not traced. */
  readonly tracing?: Tracing | undefined;
  /** Aborted when the service stops: who waits is answered at once, and connections end with their answer. */
  readonly stopping: AbortSignal;
  /** Runs a command in one transaction, and resolves when it is on disk. */
  readonly transact: (command: (tx: Transaction) => HttpAnswer, cause: Cause) => Promise<HttpAnswer>;
  readonly keys: IdempotencyKeys;
  /** Asked before each request that changes something. @returns why it can't be taken on now, if so */
  readonly refuse: () => ProblemError | undefined;
  /** Most requests being worked on at once. Left out: 5,000. */
  readonly requestsMax?: number;
}

/**
 * Most connections, otherwise and under overload; a further one is closed at once. Each costs memory for as long as it is open,
 * and each may send the next request as soon as one was refused.
 */
const connectionsMax = 10_000;
const connectionsMaxOverloaded = 500;
/** A connection on which nothing has moved for so long is closed: its client may read nothing of a long answer. */
const quietMsMax = 120_000;

/** What is being worked on. */
interface Load {
  requests: number;
  readonly waiting: OpenRequests;
  readonly admission: Admission;
  readonly turns: ReadTurns;
}

/** An HTTP server, not yet listening. It closes idle connections and those that are too slow. */
export function createHttpServer(options: HttpOptions): Server {
  const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000, connectionsCheckingInterval: 2_000 });
  server.keepAliveTimeout = 65_000;
  server.timeout = quietMsMax;
  server.maxConnections = connectionsMax;
  const admission = new Admission(options.clock);
  const turns = new ReadTurns(options.clock);
  const handle = createApp(options, { admission, turns }).callback();
  const laneOf = lanesByPath(options);
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    turns.arrived();
    socket.once('close', () => {
      connections -= 1;
    });
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = '' } = request;
    turns.arrived();
    const lane = laneOf.get(url.split('?', 1)[0] ?? '');
    const reads = method === 'GET' || method === 'HEAD';
    const refused =
      lane !== 'probe' &&
      ((reads && turns.isFull(readerOf(lane))) || (lane === undefined && admission.refuses(!reads)));
    server.maxConnections = admission.overloaded ? connectionsMaxOverloaded : connectionsMax;
    if (refused) answerOverload(response, options.clock, connections > server.maxConnections);
    else void handle(request, response);
  });
  server.on('clientError', answerBrokenRequest);
  return server;
}

/** Of what is answered whatever the load of customers is. */
function lanesByPath({ routes, prefixes = [] }: HttpOptions): ReadonlyMap<string, Route['lane']> {
  const lanes = routes.flatMap(({ lane, path }) => (lane ? [{ lane, path }] : []));
  return new Map(['', ...prefixes].flatMap((prefix) => lanes.map(({ lane, path }) => [prefix + path, lane])));
}

function readerOf(lane: Route['lane']): Reader {
  return lane === 'service' ? 'services' : 'customers';
}

function createApp(options: HttpOptions, shared: Pick<Load, 'admission' | 'turns'>): Koa {
  const { routes, prefixes = [], clock, stopping } = options;
  const log = new RateLimitedLog(options.log, clock);
  const app = new Koa();
  const load: Load = { requests: 0, waiting: new OpenRequests(stopping), ...shared };
  app.on('error', (error: NodeJS.ErrnoException) => {
    // The client of a live tail ends it by going away.
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE')
      log.write('error', { error: String(error) }, 'an answer could not be sent');
  });
  app.use(async (ctx, next) => {
    const requestId = acceptedRequestId(ctx.get('x-request-id')) ?? clock.newId();
    ctx.state['requestId'] = requestId;
    ctx.set('x-request-id', requestId);
    if (stopping.aborted) ctx.set('connection', 'close');
    try {
      await next();
      if (ctx.body === undefined && ctx.status >= 400) throw noSuchRoute(ctx);
    } catch (error) {
      const trace = ctx.state['traceparent'] as string | undefined;
      const ids = { requestId, ...(trace === undefined ? {} : { trace_id: traceIdOf(trace) }) };
      answerProblem(ctx, toProblem(error, log, ids), requestId);
    }
  });
  const router = new Router({ strict: false });
  // The longest prefix first: `/order-service/orders` is the prefixed list, not the orders of a user of that name.
  for (const prefix of [...prefixes, '']) for (const route of routes) register(router, route, prefix, options, load);
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}

function register(router: Router, route: Route, prefix: string, options: HttpOptions, load: Load): void {
  const { clock, tracing } = options;
  const path = prefix + route.path;
  router.register(path, [route.method], async (ctx) => {
    // Probes and readers of the journal come all the time: a span for each would only hide the others.
    const traced = route.lane ? undefined : tracing;
    const cause = causeOf(ctx, { method: route.method, path }, { clock, tracing: traced });
    ctx.state['traceparent'] = cause.traceparent;
    if (route.lane) return answer(ctx, await respond(ctx, { route, prefix, cause }, options, load));
    const { requestsMax = requestsMaxDefault } = options;
    if (load.requests >= requestsMax) {
      throw unavailable('overloaded', `more than ${requestsMax} requests are being worked on`, 1);
    }
    load.requests += 1;
    try {
      answer(ctx, await respond(ctx, { route, prefix, cause }, options, load));
    } finally {
      load.requests -= 1;
    }
  });
}

async function respond(
  ctx: Koa.Context,
  { route, prefix, cause }: { readonly route: Route; readonly prefix: string; readonly cause: Cause },
  options: HttpOptions,
  { waiting, admission, turns }: Load,
): Promise<HttpAnswer> {
  const { refuse, stopping } = options;
  const refused = 'command' in route ? refuse() : undefined;
  if (refused) throw refused;
  const waitMs = route.waits || route.versioned ? parseWait(ctx.get('prefer')) : undefined;
  const isIdempotent = 'command' in route && route.idempotent !== undefined;
  const key = isIdempotent ? parseIdempotencyKey(ctx.headers['idempotency-key']?.toString()) : undefined;
  const request: HttpRequest<unknown, unknown, unknown> = {
    params: route.params ? check(route.params, ctx['params'], 'path') : undefined,
    query: route.query ? check(route.query, { ...ctx.query }, 'query') : undefined,
    body: route.body ? check(route.body, await readJson(ctx.req), 'body') : undefined,
    cause,
    waitMs,
    prefix,
    accept: ctx.get('accept'),
    minimumVersion: ctx.get('saga-minimum-version') || undefined,
    idempotencyKey: key,
    lastEventId: ctx.get('last-event-id') || undefined,
    signal: waitMs === undefined && !route.lane ? stopping : waiting.signalOf(ctx.res),
  };
  if (!('command' in route)) {
    const read = () => withText(route.handle(request));
    if (route.lane === 'probe') return read();
    return turns.run(readerOf(route.lane), () => ctx.req.socket.destroyed, read);
  }
  const preparing = route.prepare?.(request);
  const prepared: unknown = preparing && (await preparing);
  const committed = await admission.during(
    options.transact((tx) => run(tx, route, request, prepared, key, options.keys), request.cause),
  );
  return route.afterwards ? route.afterwards(committed, request) : committed;
}

function run(
  tx: Transaction,
  route: CommandRoute<unknown, unknown, unknown, unknown>,
  request: HttpRequest<unknown, unknown, unknown>,
  prepared: unknown,
  key: string | undefined,
  keys: IdempotencyKeys,
): HttpAnswer {
  const { idempotent } = route;
  if (key === undefined || !idempotent) return route.command(tx, request, prepared);
  const asked = idempotent.request?.(request) ?? { ...(request.params as object), ...(request.body as object) };
  const scope = { operation: idempotent.operation ?? route.operationId, owner: idempotent.owner(request) };
  return keys.once(scope, key, asked, tx.nowMs, () => route.command(tx, request, prepared));
}

function answer(ctx: Koa.Context, found: HttpAnswer): void {
  const { status, body, headers } = asText(found);
  ctx.status = status;
  ctx.body = body ?? null;
  // After the body, which sets a content type of its own.
  if (headers) ctx.set(headers);
}

/** An answer that is made of text already costs its reader's turn what it costs, and not somebody else's. */
function withText(found: HttpAnswer | Promise<HttpAnswer>): HttpAnswer | Promise<HttpAnswer> {
  return found instanceof Promise ? found : asText(found);
}

function asText(found: HttpAnswer): HttpAnswer {
  const { body, headers } = found;
  if (body === undefined || body === null || typeof body !== 'object' || isBytes(body)) return found;
  const type = { 'content-type': 'application/json; charset=utf-8' };
  return { ...found, body: jsonText(body), headers: { ...type, ...headers } };
}

/** Ends with a newline, as a terminal expects of a text. */
function jsonText(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function isBytes(body: object): boolean {
  return Buffer.isBuffer(body) || body instanceof Readable;
}

function noSuchRoute(ctx: Koa.Context): ProblemError {
  // A target such as `http://` has no path, whatever Koa's types say.
  const what = `${ctx.method} ${String(ctx.path).slice(0, 200)}`;
  const allow = ctx.response.get('allow');
  // A method that the router does not know is 501 even where nothing is.
  if (allow) return new ProblemError(405, 'method-not-allowed', `${what}: this path takes ${allow}`);
  return new ProblemError(404, 'no-such-route', `${what}: there is no such route; GET /openapi.json lists them all`);
}

interface RequestIds {
  readonly requestId: string;
  readonly trace_id?: string;
}

function toProblem(error: unknown, log: RateLimitedLog, ids: RequestIds): ProblemError {
  if (error instanceof ProblemError) return error;
  if (isTransient(error)) {
    log.write('warn', { ...ids, error: String(error) }, 'a request was refused: the database cannot be written now');
    return unavailable('storage-unavailable', 'the database cannot be written now; nothing was stored; try again', 2);
  }
  if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL')
    return new ProblemError(400, 'invalid-request', 'the target of the request is not a valid URL');
  log.write(
    'error',
    { ...ids, error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
    'a request failed',
  );
  return new ProblemError(
    500,
    'internal-error',
    `something is wrong on our side; nothing was stored; the log has request ${ids.requestId}`,
  );
}

function answerProblem(ctx: Koa.Context, problem: ProblemError, requestId: string): void {
  ctx.status = problem.status;
  ctx.set(problem.headers);
  ctx.body = jsonText({ ...problem.toJSON(), requestId });
  ctx.type = 'application/problem+json';
}

/** Before anything is made of the request: under overload, most of the answers are this one. */
function answerOverload(response: ServerResponse, clock: Clock, closing: boolean): void {
  const requestId = clock.newId();
  const body = jsonText({ ...tooMuch.toJSON(), requestId });
  response.writeHead(503, {
    ...tooMuch.headers,
    ...(closing ? { connection: 'close' } : {}),
    'x-request-id': requestId,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

const tooMuch = unavailable('overloaded', 'more requests come than can be worked on; nothing was stored; try again', 1);

/** What never became a request: Node's parser refused it. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const code = status === 431 ? 'headers-too-large' : status === 408 ? 'request-timeout' : 'malformed-request';
  const body = jsonText(new ProblemError(status, code, 'the request could not be read as HTTP'));
  // Who keeps an ended connection open would keep its place here as well.
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function acceptedRequestId(header: string): string | undefined {
  return /^[A-Za-z0-9._-]{1,100}$/.test(header) ? header : undefined;
}

/** `Prefer: wait=N` (RFC 7240), N in seconds; what can't be read is no preference. */
function parseWait(header: string): number | undefined {
  const seconds = /(?:^|[,;]\s*)wait\s*=\s*"?(\d{1,6})"?/i.exec(header)?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1000, waitMsMax);
}
