// What StrykerJS has found out about a source: one file of results for each, in data/mutate/, from which it continues.
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const Report = z.object({
  files: z.record(
    z.string(),
    z.object({
      source: z.string(),
      mutants: z.array(
        z.object({
          mutatorName: z.string(),
          replacement: z.string().optional(),
          status: z.enum([
            'Killed',
            'Survived',
            'NoCoverage',
            'Timeout',
            'RuntimeError',
            'CompileError',
            'Ignored',
            'Pending',
          ]),
          location: z.object({
            start: z.object({ line: z.number(), column: z.number() }),
            end: z.object({ line: z.number(), column: z.number() }),
          }),
        }),
      ),
    }),
  ),
});

type Mutant = z.output<typeof Report>['files'][string]['mutants'][number];

export interface Counts {
  readonly killed: number;
  /** No test ended with it: found as well. */
  readonly timeout: number;
  readonly survived: number;
  /** No test runs the code. */
  readonly noCoverage: number;
}

export interface Survivor {
  readonly line: number;
  readonly original: string;
  readonly replacement: string;
  readonly covered: boolean;
}

export interface FileResult extends Counts {
  readonly source: string;
  readonly survivors: readonly Survivor[];
}

export const none: Counts = { killed: 0, timeout: 0, survived: 0, noCoverage: 0 };

export function resultsFile(source: string): string {
  return `data/mutate/${source.replaceAll('/', '.')}.json`;
}

/** @returns undefined when the source has changed since, or was never mutated */
export function readResult(source: string): FileResult | undefined {
  const path = resultsFile(source);
  if (!existsSync(path)) return undefined;
  const file = Report.parse(JSON.parse(readFileSync(path, 'utf8'))).files[source];
  if (file?.source !== readFileSync(source, 'utf8')) return undefined;
  const lines = file.source.split('\n');
  const count = (status: Mutant['status']) => file.mutants.filter((mutant) => mutant.status === status).length;
  return {
    source,
    killed: count('Killed') + count('RuntimeError'),
    timeout: count('Timeout'),
    survived: count('Survived'),
    noCoverage: count('NoCoverage'),
    survivors: file.mutants
      .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
      .map((mutant) => survivor(mutant, lines))
      .sort((a, b) => a.line - b.line),
  };
}

function survivor(
  { location: { start, end }, mutatorName, replacement, status }: Mutant,
  lines: readonly string[],
): Survivor {
  const line = lines[start.line - 1] ?? '';
  const original =
    start.line === end.line ? line.slice(start.column - 1, end.column - 1) : `${line.slice(start.column - 1)} …`;
  return { line: start.line, original, replacement: replacement ?? mutatorName, covered: status === 'Survived' };
}

export function sum(results: readonly Counts[]): Counts {
  return results.reduce<Counts>(
    (total, one) => ({
      killed: total.killed + one.killed,
      timeout: total.timeout + one.timeout,
      survived: total.survived + one.survived,
      noCoverage: total.noCoverage + one.noCoverage,
    }),
    none,
  );
}

/** Percent of the mutants that a test noticed. */
export function scoreOf({ killed, timeout, survived, noCoverage }: Counts): number {
  const all = killed + timeout + survived + noCoverage;
  return all === 0 ? 100 : (100 * (killed + timeout)) / all;
}
