// The observer over HTTP: the page, its stream, and its questions and commands. Nothing here reads or writes a database.
import { createServer, type Server } from 'node:http';
import Router from '@koa/router';
import Koa from 'koa';
import { z } from 'zod';
import type { Log } from '../../shared/runtime/environment/log.ts';
import { readJson } from '../../shared/runtime/http/http-body.ts';
import { check, ProblemError } from '../../shared/runtime/http/problem.ts';
import type { ContractView, DeadLetterList, SagaDetail, Tried, TryOptions } from '../model/messages.ts';
import type { Broadcast } from '../pages/broadcast.ts';
import { guard } from './guard.ts';

import type { StaticFiles } from './static-files.ts';

export interface ObserverParts {
  readonly broadcast: Broadcast;
  readonly contract: ContractView;
  readonly hosts: readonly string[];
  readonly log: Log;
  readonly staticFiles: StaticFiles;
  /** @returns undefined where no journal knows it */
  find(orderId: string): Promise<SagaDetail | undefined>;
  tryOptions(): TryOptions;
  play(scenario: string): Promise<Tried>;
  control(target: string, action: string): Promise<{ readonly done: string }>;
  deadLetters(): Promise<DeadLetterList>;
  redrive(service: string, letterId: string | undefined): Promise<{ readonly redriven: number }>;
  /** Somebody has opened the page. */
  opened(): void;
}

const OrderId = z.uuid();
const StreamQuery = z.object({
  sagas: z.enum(['all', 'recent']).optional(),
  map: z.literal('1').optional(),
  orderId: OrderId.optional(),
  lastEventId: z.string().max(100).optional(),
});
const Play = z.object({ scenario: z.string().max(100) }).strict();
const Control = z.object({ target: z.string().max(100), action: z.string().max(100) }).strict();
const Redrive = z.object({ service: z.string().max(100), letterId: z.string().max(300).optional() }).strict();

export function createObserverServer(parts: ObserverParts): Server {
  const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000 });
  const handle = observerApp(parts).callback();
  server.on('request', (request, response) => void handle(request, response));
  return server;
}

function observerApp(parts: ObserverParts): Koa {
  const app = new Koa();
  // A page that goes away ends its stream by that.
  app.on('error', (error: NodeJS.ErrnoException) =>
    parts.log.debug({ error: String(error) }, 'an answer could not be sent'),
  );
  app.use(async (ctx, next) => {
    ctx.set('x-content-type-options', 'nosniff');
    ctx.set('referrer-policy', 'no-referrer');
    ctx.set('content-security-policy', parts.staticFiles.contentSecurityPolicy);
    ctx.set('cross-origin-resource-policy', 'same-origin');
    ctx.set('cross-origin-opener-policy', 'same-origin');
    try {
      guard({ method: ctx.method, header: (name) => ctx.get(name) }, parts.hosts);
      await next();
      if (ctx.body === undefined && ctx.respond !== false && ctx.status >= 400)
        throw new ProblemError(404, 'no-such-route', 'there is nothing at this address');
    } catch (error) {
      answerProblem(ctx, error, parts.log);
    }
  });
  const router = new Router();
  for (const [path, file] of parts.staticFiles.files) {
    router.get(path, (ctx) => {
      ctx.set('etag', file.etag);
      ctx.set('cache-control', 'no-cache');
      ctx.set('vary', 'accept-encoding');
      ctx.status = 200;
      ctx.type = file.contentType;
      if (ctx.fresh) ctx.status = 304;
      else if (ctx.acceptsEncodings('gzip', 'identity') === 'gzip') {
        ctx.set('content-encoding', 'gzip');
        ctx.body = file.gzipped;
      } else ctx.body = file.body;
    });
  }
  addQuestions(router, parts);
  addCommands(router, parts);
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}

function addQuestions(router: Router, parts: ObserverParts): void {
  router.get('/livez', (ctx) => {
    ctx.body = { status: 'alive' };
  });
  router.get('/api/contract', (ctx) => {
    ctx.body = parts.contract;
  });
  router.get('/api/try', (ctx) => {
    ctx.body = parts.tryOptions();
  });
  router.get('/api/dead-letters', async (ctx) => {
    ctx.body = await parts.deadLetters();
  });
  router.get('/api/sagas/:orderId', async (ctx) => {
    const orderId = check(OrderId, ctx['params']['orderId'], 'path');
    const saga = await parts.find(orderId);
    if (!saga) throw new ProblemError(404, 'no-such-order', 'no journal holds an event of that order');
    ctx.body = saga;
  });
  router.get('/api/stream', (ctx) => {
    const { sagas, map, orderId, lastEventId } = check(StreamQuery, { ...ctx.query }, 'query');
    if (parts.broadcast.full) throw new ProblemError(503, 'too-many-pages', 'too many pages are open');
    ctx.respond = false;
    ctx.res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    ctx.res.write('retry: 1000\n\n');
    parts.opened();
    const interests = { sagas, map: map !== undefined, orderId };
    parts.broadcast.add(ctx.res, interests, ctx.get('last-event-id') || lastEventId);
  });
}

function addCommands(router: Router, parts: ObserverParts): void {
  router.post('/api/try', async (ctx) => {
    ctx.body = await parts.play(check(Play, await readJson(ctx.req), 'body').scenario);
  });
  router.post('/api/control', async (ctx) => {
    const { target, action } = check(Control, await readJson(ctx.req), 'body');
    ctx.body = await parts.control(target, action);
  });
  router.post('/api/dead-letters/redrive', async (ctx) => {
    const { service, letterId } = check(Redrive, await readJson(ctx.req), 'body');
    ctx.body = await parts.redrive(service, letterId);
  });
}

function answerProblem(ctx: Koa.Context, error: unknown, log: Log): void {
  if (!(error instanceof ProblemError)) log.warn({ path: ctx.path, error: String(error) }, 'a request failed');
  const problem =
    error instanceof ProblemError
      ? error
      : new ProblemError(502, 'failed', error instanceof Error ? error.message : String(error));
  ctx.status = problem.status;
  ctx.set(problem.headers);
  ctx.body = JSON.stringify(problem);
  ctx.type = 'application/problem+json';
}
