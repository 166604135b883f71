// The spans of services in this process, in memory.
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { Tracing } from '../../shared/runtime/messaging/tracing.ts';
import { SpanTracing } from '../../shared/runtime/tracing/span-tracing.ts';
import { eventually } from './wait.ts';

export class SpanRecorder {
  readonly #exporter = new InMemorySpanExporter();
  readonly #provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] });

  /** @param name of who is traced: the scope of its spans */
  tracing(name: string): Tracing {
    return new SpanTracing(this.#provider.getTracer(name));
  }

  /** Those that have ended. */
  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  named(name: string): ReadableSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** Resolves with the spans of this name, once there are as many. */
  until(name: string, count = 1): Promise<ReadableSpan[]> {
    return eventually(
      `${count} spans '${name}'`,
      async () => this.named(name),
      (spans) => spans.length >= count,
    );
  }

  close(): Promise<void> {
    return this.#provider.shutdown();
  }
}

/** Trace and parent of a span. */
export function placeOf(span: ReadableSpan): { readonly traceId: string; readonly parent: string | undefined } {
  return { traceId: span.spanContext().traceId, parent: span.parentSpanContext?.spanId };
}
