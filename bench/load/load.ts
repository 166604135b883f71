// What the load generator gets to do, and what it reports: the messages between it and the benchmark's main process.
import type { SampleMessages } from './saga-messages.ts';
import type { Scenario, Shop } from './shop.ts';

/**
 * - `services`: orders over HTTP to order-service
 * - `raw`: three processes that consume, publish, and ack after the confirm; nothing else
 * - `baseline`: the same with a separate fsynced transaction for each message, without confirms
 */
export const targets = ['services', 'raw', 'baseline'] as const;
export type Target = (typeof targets)[number];

export interface LoadGeneratorSettings {
  readonly ordersPort: number;
  /** Of the targets that will be under load. */
  readonly amqpUrls: Readonly<Partial<Record<Target, string>>>;
  readonly shop: Shop;
  readonly samples: SampleMessages;
}

interface AnyLoad {
  readonly target: Target;
  readonly scenario: Scenario;
  /** Not counted. */
  readonly warmUpS: number;
}

/** Orders arrive at fixed moments, whatever becomes of the earlier ones. */
export interface OpenLoad extends AnyLoad {
  readonly kind: 'open';
  readonly ratePerS: number;
  readonly seconds: number;
  /** How long sagas are waited for at the end. Left out: long enough for all. */
  readonly drainS?: number;
}

/** A fixed number of sagas is in flight: each that ends makes room for the next. For saturation only. */
export interface ClosedLoad extends AnyLoad {
  readonly kind: 'closed';
  readonly inFlight: number;
  /** It ends after this time … */
  readonly seconds: number;
  /** … and not before as many sagas have ended. */
  readonly sagas: number;
}

export type Load = OpenLoad | ClosedLoad;

export interface LoadResult {
  /** Length of the counted part. */
  readonly seconds: number;
  /** Sagas that ended as expected within the counted part. */
  readonly ended: number;
  readonly perS: number;
  /** Answered 503: more than the service takes on. */
  readonly refused: number;
  /** Answered with anything else, or not at all. */
  readonly failed: number;
  /** Sagas that ended with the other outcome. */
  readonly unexpected: number;
  /** Not ended when the generator stopped waiting; they count in `latency` with the time they had had by then. */
  readonly unfinished: number;
  /** Scheduled arrival to `order.confirmed` (or `order.cancelled`) seen by a subscriber. Open loads only. */
  readonly latency: string;
  /** Scheduled arrival to the answer of the POST. Open loads on the services only. */
  readonly acceptance: string;
  /** How late the generator itself sent: the part of the latency that is its own. */
  readonly lag: string;
}

export type ToLoadGenerator = { readonly run: Load };
export type FromLoadGenerator =
  | { readonly is: 'ready' }
  | { readonly is: 'counting' | 'counted' }
  | { readonly is: 'progress'; readonly ended: number }
  | { readonly is: 'result'; readonly result: LoadResult };
