// Reconciliation: compares what the publishers' journals hold with what this service has handled, and handles what is
// missing. The broker is the fast path; this makes losing it cost time, not events. Here: when it is done, and what it knows of
// all publishers; publisher-reconciliation.ts compares one.
import type { Timer } from '../environment/clock.ts';
import type { InboxEvent } from '../storage/inbox.ts';
import {
  PublisherReconciliation,
  type PublisherReconciliationOptions,
  type PublisherStatus,
  type ReconciledPublisher,
} from './publisher-reconciliation.ts';

/** Rounds that events about something unknown ask for begin this far apart. */
const soonMs = 5_000;
/** What an earlier run had published has been handled by all who are up so long after the start of this one. */
const handledByOthersMs = 5_000;

export interface ReconciliationOptions extends PublisherReconciliationOptions {
  readonly publishers: readonly ReconciledPublisher[];
}

export class Reconciliation {
  readonly #publishers: readonly PublisherReconciliation[];
  readonly #options: ReconciliationOptions;
  #timer: Timer | undefined;
  #stopped = false;
  /** From then on `requestSoon` begins a round. */
  #soonFromMs = 0;
  #startedAtMs = 0;

  constructor(options: ReconciliationOptions) {
    this.#options = options;
    this.#publishers = options.publishers.map((publisher) => new PublisherReconciliation(publisher, options));
  }

  start(): void {
    this.#startedAtMs = this.#options.clock.steadyMs();
    const off = this.#publishers.filter(({ reader }) => !reader).map(({ source }) => source);
    if (off.length > 0) {
      this.#options.log.warn(
        { publishers: off },
        'reconciliation is off: what the broker loses of these services stays lost; set their URLs',
      );
    }
    this.#round();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const publisher of this.#publishers) publisher.stop();
  }

  /** Begins a round now, also while the interval runs. */
  request(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#round();
  }

  /** The same for something that comes often, such as an event about something unknown: at most once in a few seconds. */
  requestSoon(): void {
    const nowMs = this.#options.clock.steadyMs();
    if (nowMs < this.#soonFromMs) return;
    this.#soonFromMs = nowMs + soonMs;
    this.request();
  }

  /** By publisher. */
  status(): Record<string, PublisherStatus> {
    return Object.fromEntries(this.#publishers.map((publisher) => [publisher.source, publisher.status()]));
  }

  isUnreachable(source: string): boolean {
    return this.#publishers.some(
      (publisher) => publisher.source === source && publisher.status().state === 'unreachable',
    );
  }

  /** True: this event is fetched from its publisher's journal unless it is handled, since that is not compared so far yet. */
  brings({ source, position }: InboxEvent): boolean {
    const publisher = this.#publishers.find((one) => one.source === source);
    if (!publisher?.reader || position === undefined) return false;
    return position > publisher.status().reconciledUntil;
  }

  /**
   * Whether all that the publishers' journals held a few seconds after the start was handled here. A publisher whose address
   * is not known cannot be compared, and is left out.
   */
  caughtUp(): boolean {
    const sinceMs = this.#startedAtMs + handledByOthersMs;
    if (this.#options.clock.steadyMs() < sinceMs) return false;
    return this.#publishers.every(({ reader, handledUntilMs }) => !reader || (handledUntilMs ?? 0) >= sinceMs);
  }

  /** The oldest entry that each publisher's journal still holds, as far as it is known. */
  oldest(): ReadonlyMap<string, number> {
    return new Map(this.#publishers.flatMap(({ source, oldest }) => (oldest === undefined ? [] : [[source, oldest]])));
  }

  /** True when no round is going on. */
  get idle(): boolean {
    return this.#publishers.every(({ busy }) => !busy);
  }

  #round(): void {
    for (const publisher of this.#publishers) publisher.round();
    this.#timer = this.#options.clock.after(this.#options.intervalMs, () => this.#round());
  }
}
