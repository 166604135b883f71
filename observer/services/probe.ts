// What one running service says of itself: /readyz and /metrics, asked again and again.
import { z } from 'zod';
import type { ServiceState } from '../model/messages.ts';
import { type Samples, samplesIn, sumOf } from './exposition.ts';

const timeoutMs = 3_000;
/** Rates are taken over this long. */
const windowMs = 10_000;

const Readiness = z.looseObject({
  status: z.string(),
  warnings: z.array(z.string()).catch([]),
  broker: z.looseObject({ publisher: z.string(), consumer: z.string() }).optional().catch(undefined),
  outbox: z.looseObject({ waiting: z.number() }).optional().catch(undefined),
});

const wantedMetrics = new Set([
  'saga_queue_messages',
  'saga_dead_letter_queue_messages',
  'saga_events_duplicate_total',
  'saga_events_handled_total',
  'saga_events_dead_lettered_total',
  'saga_orders',
  'saga_orders_waiting',
  'saga_orders_oldest_waiting_age_seconds',
]);

interface Counted {
  readonly atMs: number;
  readonly handled: ReadonlyMap<string, number>;
}

export interface Handled {
  readonly type: string;
  readonly outcome: string;
  readonly total: number;
  readonly perS: number;
}

export class Probe {
  readonly service: string;
  readonly member: string;
  readonly url: string;
  #state: Omit<ServiceState, 'service' | 'url' | 'journal'> = { state: 'unknown', warnings: [] };
  #samples: Samples = new Map();
  #history: Counted[] = [];

  constructor({ service, member, url }: { readonly service: string; readonly member: string; readonly url: string }) {
    this.service = service;
    this.member = member;
    this.url = url;
  }

  get state(): Omit<ServiceState, 'service' | 'url' | 'journal'> {
    return this.#state;
  }

  /** Of its last answer. */
  get samples(): Samples {
    return this.#samples;
  }

  /** Never rejects: a service that does not answer is a state, too. */
  async ask(): Promise<void> {
    const startedMs = performance.now();
    try {
      const [readyz, metrics] = await Promise.all([this.#get('/readyz'), this.#get('/metrics')]);
      const probeMs = Math.round(performance.now() - startedMs);
      const { status, warnings, broker, outbox } = Readiness.parse(JSON.parse(readyz));
      this.#samples = samplesIn(metrics, wantedMetrics);
      this.#remember();
      this.#state = {
        state: status === 'ready' ? 'ready' : 'not-ready',
        warnings,
        probeMs,
        ...(broker ? { publisher: broker.publisher, consumer: broker.consumer } : {}),
        ...(outbox ? { outbox: outbox.waiting } : {}),
        ...optional('queue', sumOf(this.#samples, 'saga_queue_messages')),
        ...optional('deadLetters', sumOf(this.#samples, 'saga_dead_letter_queue_messages')),
        ...optional('duplicates', sumOf(this.#samples, 'saga_events_duplicate_total')),
      };
    } catch (error) {
      this.#state = { state: 'unreachable', warnings: [], error: causeOf(error) };
      this.#history = [];
    }
  }

  /** What it has handled, by event type and outcome. */
  handled(): Handled[] {
    const [first, last] = [this.#history[0], this.#history.at(-1)];
    const seconds = first && last ? (last.atMs - first.atMs) / 1_000 : 0;
    return (this.#samples.get('saga_events_handled_total') ?? []).map(({ labels, value }) => {
      const before = first?.handled.get(keyOf(labels)) ?? 0;
      // It was started again: it counts from 0.
      const since = value < before ? value : value - before;
      return {
        type: labels['type'] ?? '',
        outcome: labels['outcome'] ?? '',
        total: value,
        perS: seconds > 0 ? since / seconds : 0,
      };
    });
  }

  #remember(): void {
    const handled = (this.#samples.get('saga_events_handled_total') ?? []).map(
      ({ labels, value }) => [keyOf(labels), value] as const,
    );
    const atMs = performance.now();
    this.#history.push({ atMs, handled: new Map(handled) });
    while ((this.#history[1]?.atMs ?? atMs) < atMs - windowMs) this.#history.shift();
  }

  async #get(path: string): Promise<string> {
    const response = await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
    // /readyz answers 503 where something is wrong, and says what.
    if (!response.ok && response.status !== 503) throw new Error(`${path} answered ${response.status}`);
    return response.text();
  }
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return `${labels['type']} ${labels['outcome']}`;
}

function optional<K extends string>(name: K, value: number | undefined): { readonly [P in K]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [P in K]?: number });
}

function causeOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  return cause instanceof Error ? cause.message || ((cause as NodeJS.ErrnoException).code ?? message) : message;
}
