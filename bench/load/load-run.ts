// One load from its first saga to its last: which sagas are open, how those that are over ended, and how long they took.
import { closedLoop } from './closed-loop.ts';
import { Latencies } from './histogram.ts';
import type { FromLoadGenerator, Load, LoadResult } from './load.ts';
import type { LoopTarget } from './loop-target.ts';
import { monotonicMs } from './metronome.ts';
import { openLoop } from './open-loop.ts';
import { sagaSteps } from './saga-messages.ts';
import type { StartSaga } from './saga-starts.ts';

/** How long sagas may take to end once no more are started. */
const drainMs = 20_000;
const progressEveryMs = 1_000;

export interface LoadRunOptions {
  readonly load: Load;
  readonly start: StartSaga;
  /** A number that no saga has had yet. */
  readonly nextIndex: () => number;
  readonly report: (message: FromLoadGenerator) => void;
}

interface Saga {
  readonly dueMs: number;
  readonly measured: boolean;
}

export class LoadRun implements LoopTarget {
  readonly #options: LoadRunOptions;
  readonly #expectedEnd: string | undefined;
  readonly #latency = Latencies.empty();
  readonly #acceptance = Latencies.empty();
  readonly #lag = Latencies.empty();
  /** Every saga that was launched and is not over. */
  readonly #open = new Set<Saga>();
  /** The open sagas whose id is known. */
  readonly #byId = new Map<string, Saga>();
  /** Ends that were seen before the answer to the POST. */
  readonly #earlyEnds = new Map<string, { readonly type: string; readonly atMs: number }>();
  readonly #count = { ended: 0, refused: 0, failed: 0, unexpected: 0 };
  #counting = false;
  #countingSinceMs = 0;
  #countedMs = 0;
  #allLaunched = false;
  #sagaOver: (refused: boolean) => void = () => {};
  #finish: () => void = () => {};

  constructor(options: LoadRunOptions) {
    this.#options = options;
    this.#expectedEnd = sagaSteps[options.load.scenario].at(-1);
  }

  /** Puts the load on. Resolves when all its sagas are over, or have had their time. */
  async result(): Promise<LoadResult> {
    const { load, report } = this.#options;
    const progress = setInterval(() => report({ is: 'progress', ended: this.#count.ended }), progressEveryMs);
    await new Promise<void>((resolve) => {
      this.#finish = resolve;
      if (load.kind === 'open') openLoop(load, this);
      else this.#sagaOver = closedLoop(load, this);
    });
    clearInterval(progress);
    return this.#measured();
  }

  launch(dueMs: number, measured: boolean): void {
    const saga: Saga = { dueMs, measured };
    this.#open.add(saga);
    if (measured) this.#lag.record(monotonicMs() - dueMs);
    this.#options.start(this.#options.nextIndex(), {
      started: (orderId) => this.#started(saga, orderId),
      refused: () => {
        this.#count.refused += 1;
        this.#over(saga, true);
      },
      failed: () => {
        this.#count.failed += 1;
        this.#over(saga, false);
      },
    });
  }

  /** An event that ends a saga was seen. */
  ended(orderId: string, type: string): void {
    const atMs = monotonicMs();
    const saga = this.#byId.get(orderId);
    if (!saga) return void this.#earlyEnds.set(orderId, { type, atMs });
    this.#byId.delete(orderId);
    this.#end(saga, type, atMs);
  }

  endedSoFar(): number {
    return this.#count.ended;
  }

  beginCounting(): void {
    this.#counting = true;
    this.#countingSinceMs = monotonicMs();
    this.#options.report({ is: 'counting' });
  }

  endCounting(): void {
    this.#counting = false;
    this.#countedMs = monotonicMs() - this.#countingSinceMs;
    this.#options.report({ is: 'counted' });
  }

  allLaunched(): void {
    this.#allLaunched = true;
    const { load } = this.#options;
    const waitMs = load.kind === 'open' && load.drainS !== undefined ? load.drainS * 1_000 : drainMs;
    setTimeout(() => this.#finish(), waitMs).unref();
    this.#finishIfDone();
  }

  #started(saga: Saga, orderId: string): void {
    if (saga.measured) this.#acceptance.record(monotonicMs() - saga.dueMs);
    const early = this.#earlyEnds.get(orderId);
    if (!early) return void this.#byId.set(orderId, saga);
    this.#earlyEnds.delete(orderId);
    this.#end(saga, early.type, early.atMs);
  }

  #end(saga: Saga, type: string, atMs: number): void {
    if (type !== this.#expectedEnd) this.#count.unexpected += 1;
    else if (this.#counting) this.#count.ended += 1;
    if (saga.measured) this.#latency.record(atMs - saga.dueMs);
    this.#over(saga, false);
  }

  #over(saga: Saga, refused: boolean): void {
    this.#open.delete(saga);
    this.#sagaOver(refused);
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#allLaunched && this.#open.size === 0) this.#finish();
  }

  #measured(): LoadResult {
    const nowMs = monotonicMs();
    for (const { dueMs, measured } of this.#open) if (measured) this.#latency.record(nowMs - dueMs);
    const seconds = this.#countedMs / 1000;
    return {
      ...this.#count,
      seconds,
      perS: this.#count.ended / seconds,
      unfinished: this.#open.size,
      latency: this.#latency.encode(),
      acceptance: this.#acceptance.encode(),
      lag: this.#lag.encode(),
    };
  }
}
