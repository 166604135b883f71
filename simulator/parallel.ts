// Runs many simulations on the cores there are.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RunResult } from './run.ts';
import type { RunRequest } from './worker.ts';

/**
 * Runs all requests, `workers` at a time.
 * @param finished called for each, in the order in which they finish
 * @throws when a simulation itself breaks, or Error 'aborted' when the signal says so
 */
export async function simulateAll(
  requests: readonly RunRequest[],
  finished: (result: RunResult, request: RunRequest) => void,
  workers = availableParallelism(),
  signal?: AbortSignal,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(workers, requests.length) }, async () => {
      const worker = new Worker(new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
      try {
        for (;;) {
          const request = requests[next];
          next += 1;
          if (!request) return;
          finished(await ask(worker, request, signal), request);
        }
      } finally {
        await worker.terminate();
      }
    }),
  );
}

function ask(worker: Worker, request: RunRequest, signal: AbortSignal | undefined): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const done = () => {
      worker.off('message', answered);
      worker.off('error', failed);
      signal?.removeEventListener('abort', aborted);
    };
    const answered = (result: RunResult) => {
      done();
      resolve(result);
    };
    const failed = (error: unknown) => {
      done();
      reject(new Error(`seed ${request.seed}: ${String(error)}`, { cause: error }));
    };
    const aborted = () => {
      done();
      reject(new Error('aborted'));
    };
    if (signal?.aborted) return aborted();
    worker.once('message', answered);
    worker.once('error', failed);
    signal?.addEventListener('abort', aborted, { once: true });
    worker.postMessage(request);
  });
}
