// What the runtime reports of its work to whoever traces it. Without a tracer nothing is reported, and nothing is spent.
import type { WrittenGroup } from '../storage/group-commit.ts';

/** A place in a trace, as W3C Trace Context writes it: in the headers of a request, and in every event. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
}

/** Work that has begun. Only its first end counts. */
export interface Span {
  /** For what follows from this work. */
  readonly context: TraceContext;
  /** It failed for now, and will be tried again. */
  retried(detail: string): void;
  /** It also belongs to another trace. */
  linkTo(context: TraceContext): void;
  /** @param outcome what came of it */
  end(outcome: string): void;
  /** @param errorType a word for the reason, of which there are few */
  fail(errorType: string): void;
}

export interface TracedRequest {
  readonly method: string;
  /** As the router has it: `/orders/:orderId`. What a person's name could be in is not part of it. */
  readonly route: string;
  /** What its headers say. */
  readonly parent: TraceContext | undefined;
}

/** An event on its way to the broker. */
export interface TracedPublish {
  readonly exchange: string;
  readonly routingKey: string;
  readonly eventId: string;
  readonly subject: string;
  /** The event as it is published. */
  readonly body: Buffer;
  /** How many events share the message. */
  readonly messageEvents: number;
}

/** An event that has arrived. */
export interface TracedHandling {
  readonly exchange: string;
  readonly routingKey: string;
  readonly queue: string;
  readonly eventId: string;
  readonly subject: string;
  readonly parent: TraceContext;
  readonly redelivered: boolean;
  /** It was read from the journal of its publisher, since the broker had not brought it. */
  readonly fetched: boolean;
}

/** What a unit of work has committed. */
export interface TracedCommit {
  readonly parent: TraceContext;
  readonly group: WrittenGroup;
  /** When the group was on disk, by the wall clock, as spans are timed. */
  readonly writtenAtMs: number;
  /** Types of the events that were published. */
  readonly types: readonly string[];
  /** What those are about. */
  readonly subject: string | undefined;
}

export interface Tracing {
  /** Ends with the answer. */
  request(request: TracedRequest): Span;
  /** Ends when the broker has confirmed the message, or has not. */
  publish(message: TracedPublish): Span;
  /** Ends with the commit that it is part of, or as a dead letter. */
  handle(event: TracedHandling): Span;
  /** A commit that is over. */
  commit(commit: TracedCommit): void;
}

/** The trace that a place is in. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}
