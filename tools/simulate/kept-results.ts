// The results of runs in a file, one line each: a long command that was stopped goes on where it was.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { UsageError } from '../../local/usage-error.ts';
import type { RunResult } from '../../simulator/run.ts';
import type { RunRequest } from '../../simulator/worker.ts';

type Counts = readonly (readonly [string, number])[];
type Line = Omit<RunResult, 'faults' | 'races'> & {
  readonly faults: Counts;
  readonly races: Counts;
  readonly run: string;
};

export class KeptResults {
  readonly #file: string | undefined;
  readonly #known = new Map<string, RunResult>();

  /** @throws UsageError when the file holds something else */
  constructor(file: string | undefined) {
    this.#file = file;
    if (file === undefined || !existsSync(file)) return;
    for (const text of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      const { run, faults, races, ...rest } = lineOf(text, file);
      this.#known.set(run, { ...rest, faults: new Map(faults), races: new Map(races) });
    }
  }

  of(request: RunRequest): RunResult | undefined {
    return this.#known.get(keyOf(request));
  }

  keep(request: RunRequest, result: RunResult): void {
    if (this.#file === undefined) return;
    const line: Line = { ...result, faults: [...result.faults], races: [...result.races], run: keyOf(request) };
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

/** Everything that the result follows from, except the code. */
function keyOf({ seed, orders, faults, instances = 0 }: RunRequest): string {
  return `${seed} ${orders} ${instances} ${faults.join(',')}`;
}

function lineOf(text: string, file: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    throw new UsageError(`--results: ${file} does not hold results of runs`);
  }
}
