// Asks inventory-service about a product, over HTTP. It is not waited for long, and after some failures in a row it is left
// alone for a while (a circuit breaker): questions are refused at once meanwhile.
import {
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  isBrokenCircuitError,
  isBulkheadRejectedError,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { z } from 'zod';
import { Money, Name } from '../shared/contract/event-data.ts';
import type { Log } from '../shared/runtime/environment/log.ts';
import type { MetricCatalogue, MetricRegistry } from '../shared/runtime/http/metrics/metric-registry.ts';
import type { Known } from './commands.ts';

/** All addresses together. */
const timeoutMs = 1_000;
/** Failures in a row that open the circuit, and how long it stays open before one request tries again. */
const failuresMax = 5;
const openMs = 2_000;
/** Requests to inventory-service at once, and how many may wait for that. */
const atOnceMax = 64;
const waitingMax = 256;

const Product = z.object({
  productId: Name,
  name: z.string(),
  unitPrice: Money,
  available: z.boolean(),
  version: z.int(),
  updatedAt: z.iso.datetime().optional(),
});

export const productClientMetrics = {
  saga_catalogue_requests_total: {
    kind: 'counter',
    help: 'Questions to inventory-service about a product, by result; refused: the circuit was open, or too many were asked.',
    labels: ['result'],
  },
  saga_catalogue_circuit_open: {
    kind: 'gauge',
    help: '1: inventory-service is not asked about products, since it failed several times in a row.',
  },
} as const satisfies MetricCatalogue;

type Result = 'found' | 'unknown' | 'failed' | 'refused';

export class ProductClient {
  readonly #urls: readonly string[];
  /** The address that answered last. */
  #current = 0;
  readonly #results: Record<Result, number> = { found: 0, unknown: 0, failed: 0, refused: 0 };
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: openMs,
    breaker: new ConsecutiveBreaker(failuresMax),
  });
  readonly #policy = wrap(
    bulkhead(atOnceMax, waitingMax),
    this.#breaker,
    timeout(timeoutMs, TimeoutStrategy.Aggressive),
  );

  /** @param urls addresses of processes of inventory-service that share its database */
  constructor(urls: readonly string[], log: Log, metrics: MetricRegistry) {
    this.#urls = urls;
    this.#logChanges(log);
    metrics.read(productClientMetrics, {
      saga_catalogue_requests_total: () =>
        Object.entries(this.#results).map(([result, value]) => ({ labels: { result }, value })),
      saga_catalogue_circuit_open: () => (this.isOpen ? 1 : 0),
    });
  }

  get isOpen(): boolean {
    return this.#breaker.state !== CircuitState.Closed;
  }

  /** Does not reject. */
  async ask(productId: string): Promise<Known> {
    try {
      const found = await this.#policy.execute(({ signal }) => this.#askAny(productId, signal));
      this.#results[found === 'unknown' ? 'unknown' : 'found'] += 1;
      return found;
    } catch (error) {
      this.#results[isBrokenCircuitError(error) || isBulkheadRejectedError(error) ? 'refused' : 'failed'] += 1;
      return 'unavailable';
    }
  }

  /** @throws what the last address threw */
  async #askAny(productId: string, signal: AbortSignal): Promise<Known> {
    let failure: unknown;
    for (let tried = 0; tried < this.#urls.length && !signal.aborted; tried += 1) {
      try {
        return await askAt(this.#urls[this.#current] ?? '', productId, signal);
      } catch (error) {
        failure = error;
        this.#current = (this.#current + 1) % this.#urls.length;
      }
    }
    throw failure;
  }

  #logChanges(log: Log): void {
    let open = false;
    let why: unknown;
    this.#breaker.onFailure(({ reason }) => {
      why = 'error' in reason ? reason.error : reason;
    });
    this.#breaker.onStateChange((state) => {
      if (state === CircuitState.Open && !open) {
        open = true;
        log.warn(
          { failures: failuresMax, error: String(why) },
          'inventory-service is not asked about products any more: it has failed several times in a row',
        );
      } else if (state === CircuitState.Closed && open) {
        open = false;
        log.info({}, 'inventory-service is asked about products again');
      }
    });
  }
}

async function askAt(url: string, productId: string, signal: AbortSignal): Promise<Known> {
  const response = await fetch(`${url}/products/${encodeURIComponent(productId)}`, { signal });
  if (response.status === 404) {
    await response.body?.cancel();
    return 'unknown';
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 200)}`);
  const { updatedAt, ...product } = Product.parse(JSON.parse(text));
  return { ...product, ...(updatedAt === undefined ? {} : { asOf: updatedAt }) };
}
