// How figures are written, in the report and in lines of progress.
import { Latencies } from '../load/histogram.ts';
import type { PerProcess } from '../stage/per-process.ts';
import type { Measured } from '../stage/stage.ts';

export function ms(value: number | undefined): string {
  if (value === undefined) return '-';
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** `1000000` as `1,000,000`. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function latencySummary(measured: Measured): string {
  const { p50, p99 } = Latencies.decode(measured.latency).percentiles();
  return `p50 ${p50?.toFixed(1) ?? '-'} ms, p99 ${p99?.toFixed(1) ?? '-'} ms`;
}

export function megabytes(rssBytes: PerProcess<number>): string {
  return Object.entries(rssBytes)
    .map(([name, bytes]) => `${name} ${Math.round(bytes / 1e6)} MB`)
    .join(', ');
}
