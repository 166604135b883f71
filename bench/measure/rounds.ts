// Puts the rounds of a measurement together: medians of rates and costs, merged latencies, and what went wrong in any.
import { Latencies, type Percentiles } from '../load/histogram.ts';
import { type PerProcess, perProcess } from '../stage/per-process.ts';
import type { Measured } from '../stage/stage.ts';
import { median, medianOfKnown, sum } from './statistics.ts';

/** Sagas without the expected outcome; all zero in a run that can be trusted. */
export interface Trouble {
  readonly refused: number;
  readonly failed: number;
  readonly unexpected: number;
  readonly unfinished: number;
}

/** Medians of the rounds. */
export interface SagaCost {
  /** Processor seconds per 1,000 sagas, which is milliseconds per saga. */
  readonly cpuSPer1000: PerProcess<number>;
  readonly writtenBytesPerSaga: PerProcess<number>;
}

export interface Rate extends SagaCost {
  readonly sagasPerS: number;
  readonly rounds: readonly number[];
  readonly trouble: Trouble;
}

export interface LatencyOf extends SagaCost {
  /** Median over the rounds of each percentile; `max` is the worst of all. */
  readonly median: Percentiles;
  readonly rounds: readonly Percentiles[];
  /** All rounds in one HDR histogram (V2, compressed, base64; microseconds). */
  readonly histogram: string;
  /** Of the answer to the POST. Services only. */
  readonly acceptance: Percentiles;
  readonly generatorLag: Percentiles;
  readonly trouble: Trouble;
}

export function rateOf(rounds: readonly Measured[]): Rate {
  return {
    sagasPerS: median(rounds.map(({ perS }) => perS)),
    rounds: rounds.map(({ perS }) => perS),
    ...costOf(rounds),
    trouble: troubleOf(rounds),
  };
}

export function latencyOf(rounds: readonly Measured[]): LatencyOf {
  const merged = (of: (measured: Measured) => string) =>
    Latencies.merged(rounds.map((round) => Latencies.decode(of(round))));
  const each = rounds.map(({ latency }) => Latencies.decode(latency).percentiles());
  const all = merged(({ latency }) => latency);
  return {
    median: {
      count: all.count,
      p50: medianOfKnown(each.map(({ p50 }) => p50)),
      p90: medianOfKnown(each.map(({ p90 }) => p90)),
      p99: medianOfKnown(each.map(({ p99 }) => p99)),
      // One round may have too few samples where all of them together have enough.
      p999: medianOfKnown(each.map(({ p999 }) => p999)) ?? all.percentiles().p999,
      max: all.percentiles().max,
    },
    rounds: each,
    histogram: all.encode(),
    acceptance: merged(({ acceptance }) => acceptance).percentiles(),
    generatorLag: merged(({ lag }) => lag).percentiles(),
    ...costOf(rounds),
    trouble: troubleOf(rounds),
  };
}

export function troubleOf(rounds: readonly Trouble[]): Trouble {
  return {
    refused: sum(rounds.map(({ refused }) => refused)),
    failed: sum(rounds.map(({ failed }) => failed)),
    unexpected: sum(rounds.map(({ unexpected }) => unexpected)),
    unfinished: sum(rounds.map(({ unfinished }) => unfinished)),
  };
}

function costOf(rounds: readonly Measured[]): SagaCost {
  const perSaga = (of: (measured: Measured) => PerProcess<number>, factor: number): PerProcess<number> =>
    perProcess((name) =>
      medianOfKnown(
        rounds.map((round) => {
          const value = of(round)[name];
          return value === undefined ? undefined : (value * factor) / Math.max(1, round.ended);
        }),
      ),
    );
  return {
    cpuSPer1000: perSaga(({ cpuS }) => cpuS, 1000),
    writtenBytesPerSaga: perSaga(({ writtenBytes }) => writtenBytes, 1),
  };
}
