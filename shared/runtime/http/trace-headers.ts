// The trace that a request comes with (W3C Trace Context), and the cause that follows from it. Headers that are malformed
// count as none.
import type Koa from 'koa';
import type { Clock } from '../environment/clock.ts';
import type { Span, TraceContext, Tracing } from '../messaging/tracing.ts';
import { type Cause, newCause } from '../messaging/unit-of-work.ts';

interface TracedRoute {
  readonly method: string;
  /** With its prefix. */
  readonly path: string;
}

/** The cause of what a request asks for. Where it is traced, its span ends when the answer was sent, or cannot be any more. */
export function causeOf(
  ctx: Koa.Context,
  { method, path }: TracedRoute,
  { clock, tracing }: { readonly clock: Clock; readonly tracing?: Tracing | undefined },
): Cause {
  const causationId = String(ctx.state['requestId']);
  const parent = contextIn(ctx);
  const span = tracing?.request({ method, route: path, parent });
  if (!span) return parent ? { causationId, ...parent } : newCause(causationId, clock);
  endWithAnswer(ctx, span);
  return { causationId, ...span.context, span };
}

function endWithAnswer({ res }: Koa.Context, span: Span): void {
  res.once('close', () => {
    if (!res.writableFinished) span.fail('client-gone');
    else if (res.statusCode >= 500) span.fail(String(res.statusCode));
    else span.end(String(res.statusCode));
  });
}

function contextIn(ctx: Koa.Context): TraceContext | undefined {
  const traceparent = ctx.get('traceparent');
  if (!isTraceparent.test(traceparent)) return undefined;
  const tracestate = ctx.get('tracestate');
  return isTracestate.test(tracestate) ? { traceparent, tracestate } : { traceparent };
}
const isTraceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** W3C asks to pass on at least 512 characters. */
const isTracestate = /^[\x20-\x7e]{1,512}$/;
