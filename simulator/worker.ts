// A thread that runs simulations, one after another, for parallel.ts.
import { parentPort } from 'node:worker_threads';
import { mutants } from './mutants/all-mutants.ts';
import type { RunOptions } from './run.ts';
import { simulate } from './simulation.ts';

/** A planted bug has functions, which cannot be sent: its name is. */
export type RunRequest = Omit<RunOptions, 'mutant'> & { readonly mutant?: string | undefined };

parentPort?.on('message', ({ mutant, ...options }: RunRequest) => {
  const planted = mutants.find(({ name }) => name === mutant);
  parentPort?.postMessage(simulate({ ...options, mutant: planted }));
});
