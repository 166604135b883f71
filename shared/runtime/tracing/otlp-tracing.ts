// Traces that go to a collector, over OTLP/HTTP as JSON. The SDK reads its settings, the OTEL_ variables, by itself. It is
// large: whoever does not trace must not load this file.
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import { instanceOf, serviceOf } from '../../contract/members.ts';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import { RateLimitedLog } from '../environment/rate-limited-log.ts';
import type { Tracing } from '../messaging/tracing.ts';
import { SpanTracing } from './span-tracing.ts';

/** How long the last spans may take at a stop. */
const flushMsMax = 2_000;

export interface ProcessTracing {
  readonly tracing: Tracing;
  /** Sends what is left, as far as it goes through soon. */
  stop(): Promise<void>;
}

/** @param member the service, or the named instance of it */
export function startOtlpTracing(member: string, log: Log, clock: Clock): ProcessTracing {
  reportTo(new RateLimitedLog(log, clock));
  const instance = instanceOf(member);
  const own = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: serviceOf(member),
    ...(instance === undefined ? {} : { [ATTR_SERVICE_INSTANCE_ID]: member }),
  });
  const provider = new NodeTracerProvider({
    // What the environment says wins.
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  return {
    tracing: new SpanTracing(provider.getTracer('choreography-saga')),
    stop: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, flushMsMax);
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
  };
}

/** What the SDK complains of: a collector that is away costs spans, never a saga. */
function reportTo(log: RateLimitedLog): void {
  const write = (message: string, ...details: unknown[]) =>
    log.write('warn', { error: [message, ...details].map(String).join(' ') }, 'traces cannot be exported now');
  diag.setLogger(
    { error: write, warn: write, info() {}, debug() {}, verbose() {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}
