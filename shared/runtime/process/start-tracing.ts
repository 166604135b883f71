// Whether this process traces. Without an address for traces, OpenTelemetry is not even loaded.
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { ProcessTracing } from '../tracing/otlp-tracing.ts';

/** By OpenTelemetry's own variables. */
export function isTracingOn(env: NodeJS.ProcessEnv): boolean {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const disabled = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
  return Boolean(endpoint) && !disabled;
}

/** @returns undefined where nothing is traced */
export async function startTracing(
  env: NodeJS.ProcessEnv,
  member: string,
  log: Log,
  clock: Clock,
): Promise<ProcessTracing | undefined> {
  if (!isTracingOn(env)) return undefined;
  const { startOtlpTracing } = await import('../tracing/otlp-tracing.ts');
  return startOtlpTracing(member, log, clock);
}
