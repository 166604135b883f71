// Metrics in Prometheus's text format. Gauges and counters are read when somebody asks, so that counting costs nothing
// in between; only histograms are written as things happen.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { isTransient } from '../../storage/database.ts';

export interface MetricSpec {
  readonly kind: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Of a histogram: upper bounds. */
  readonly buckets?: readonly number[];
}

/** By name. */
export type MetricCatalogue = Readonly<Record<string, MetricSpec>>;

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** A number for a metric without labels; undefined or an empty list: it cannot be told now. */
export type Reading = number | undefined | readonly Sample[];

/** How every gauge and every counter of a catalogue is read. */
export type Readers<C extends MetricCatalogue> = {
  readonly [Name in keyof C as C[Name]['kind'] extends 'histogram' ? never : Name]: () => Reading;
};

export class MetricRegistry {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  /** From the start: CPU time and event-loop lag are counted from when they are first looked at. */
  readonly #process = processMetrics();
  #pending: Promise<string> | undefined;

  /** Adds the gauges and counters of a catalogue. */
  read<C extends MetricCatalogue>(catalogue: C, readers: Readers<C>): void {
    for (const [name, read] of Object.entries<() => Reading>(readers)) {
      const spec = catalogue[name];
      if (spec) this.#add(name, spec, read);
    }
  }

  /** Adds a histogram. Returns what observes a value. */
  histogram(name: string, { help, labels = [], buckets }: MetricSpec): (value: number, labels?: Labels) => void {
    const histogram = new Histogram({
      name,
      help,
      labelNames: labels,
      registers: [this.#registry],
      ...(buckets ? { buckets: [...buckets] } : {}),
    });
    return (value, of = {}) => histogram.observe(of, value);
  }

  /** All metrics, those of the process among them. Whoever asks while another answer is being made gets the same one. */
  text(): Promise<string> {
    this.#pending ??= this.#write().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #write(): Promise<string> {
    return (await this.#registry.metrics()) + (await this.#process.metrics());
  }

  #add(name: string, { kind, help, labels = [] }: MetricSpec, read: () => Reading): void {
    const configuration = { name, help, labelNames: labels, registers: [this.#registry] };
    if (kind === 'gauge') {
      const gauge = new Gauge({
        ...configuration,
        collect: () => {
          gauge.reset();
          // Without labels, a reset leaves a zero behind, which would be a lie where nothing can be told.
          if (labels.length === 0) gauge.remove();
          for (const sample of samplesOf(read)) gauge.set(sample.labels, sample.value);
        },
      });
    } else {
      const counter = new Counter({
        ...configuration,
        collect: () => {
          counter.reset();
          if (labels.length === 0) counter.remove();
          for (const sample of samplesOf(read)) counter.inc(sample.labels, sample.value);
        },
      });
    }
  }
}

/** A locked database costs only the metrics that are read from it, and nobody waits for it. */
function samplesOf(read: () => Reading): readonly Sample[] {
  try {
    const reading = read();
    if (reading === undefined) return [];
    return typeof reading === 'number' ? [{ labels: {}, value: reading }] : reading;
  } catch (error) {
    if (isTransient(error)) return [];
    throw error;
  }
}

/** Default metrics that are left out. */
const leftOut = [
  // Slow to read, since they list every handle of the process, and no help to an operator.
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  // Not a number where nothing was measured between two scrapes.
  'nodejs_eventloop_lag_min_seconds',
  'nodejs_eventloop_lag_mean_seconds',
  'nodejs_eventloop_lag_stddev_seconds',
];

let ofProcess: Registry | undefined;

/** CPU, memory, event-loop lag and garbage collection. One for the process: each keeps timers and observers running. */
function processMetrics(): Registry {
  if (!ofProcess) {
    ofProcess = new Registry();
    // The histogram of the event loop's lag wakes the process up at this interval, also when there is nothing to do.
    collectDefaultMetrics({ register: ofProcess, eventLoopMonitoringPrecision: 50 });
    for (const name of leftOut) ofProcess.removeSingleMetric(name);
  }
  return ofProcess;
}
