// Latencies in an HDR histogram: microseconds, three significant digits, mergeable, and small enough to pass around.
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

const microsecondsMax = 3_600_000_000;

/** Percentiles of one measurement in milliseconds. Undefined: too few samples. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number | undefined;
  readonly p90: number | undefined;
  readonly p99: number | undefined;
  readonly p999: number | undefined;
  readonly max: number | undefined;
}

export class Latencies {
  readonly #histogram: Histogram;

  private constructor(histogram: Histogram) {
    this.#histogram = histogram;
  }

  static empty(): Latencies {
    return new Latencies(
      build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: microsecondsMax,
        numberOfSignificantValueDigits: 3,
        bitBucketSize: 32,
        useWebAssembly: false,
      }),
    );
  }

  /** What encode() gave. */
  static decode(text: string): Latencies {
    return new Latencies(decodeFromCompressedBase64(text, 32, false) as Histogram);
  }

  static merged(parts: readonly Latencies[]): Latencies {
    const whole = Latencies.empty();
    for (const part of parts) whole.#histogram.add(part.#histogram);
    return whole;
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(ms: number): void {
    this.#histogram.recordValue(Math.min(microsecondsMax, Math.max(0, Math.round(ms * 1000))));
  }

  /** The format of the HDR histogram tools (V2, compressed, base64). */
  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram as Parameters<typeof encodeIntoCompressedBase64>[0]);
  }

  /** In milliseconds; undefined when not even one sample lies beyond it. */
  at(percentile: number): number | undefined {
    if (this.count * (1 - percentile / 100) < 1 - 1e-9) return undefined;
    return this.#histogram.getValueAtPercentile(percentile) / 1000;
  }

  percentiles(): Percentiles {
    return {
      count: this.count,
      p50: this.at(50),
      p90: this.at(90),
      p99: this.at(99),
      p999: this.at(99.9),
      max: this.count === 0 ? undefined : this.#histogram.maxValue / 1000,
    };
  }
}
