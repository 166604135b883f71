// Ticks at exact moments. Node's timers are up to two milliseconds late, which is much for a saga that takes three; a
// thread that sleeps on a futex is less than a tenth of a millisecond late, and costs nothing while it sleeps.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

interface Beat {
  readonly startMs: number;
  readonly everyMs: number;
  readonly ticks: number;
}

interface WorkerSettings extends Beat {
  readonly stop: Int32Array;
}

/** Milliseconds on a clock that never jumps and is the same in every thread and process of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Calls `tick(n)` at startMs + n * everyMs of monotonicMs(), never before, for n from 0 to ticks - 1.
 * @returns a function that ends it
 */
export function startMetronome(beat: Beat, tick: (n: number) => void): () => void {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), { workerData: { ...beat, stop } satisfies WorkerSettings });
  worker.on('message', tick);
  worker.on('error', (error) => {
    throw error;
  });
  return () => {
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
  };
}

function run({ startMs, everyMs, ticks, stop }: WorkerSettings): void {
  for (let n = 0; n < ticks; n += 1) {
    const dueMs = startMs + n * everyMs;
    for (let leftMs = dueMs - monotonicMs(); leftMs > 0; leftMs = dueMs - monotonicMs()) {
      if (Atomics.wait(stop, 0, 0, leftMs) !== 'timed-out') return;
    }
    parentPort?.postMessage(n);
  }
}

if (!isMainThread && (workerData as WorkerSettings | null)?.stop instanceof Int32Array)
  run(workerData as WorkerSettings);
