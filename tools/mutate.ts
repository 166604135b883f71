// `npm run mutate`: changes the sources in small ways with StrykerJS, and lists the changes that no test notices. Exit
// code 0: each folder keeps its score; 1: one does not; 2: wrong arguments, or a run failed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { isUsageError, UsageError } from '../local/usage-error.ts';
import { installStryker } from './mutate/install.ts';
import { type MutatedFolder, mutatedFolders, sourcesOf, specsOf } from './mutate/mutated-folders.ts';
import { printReport } from './mutate/mutation-report.ts';
import { resultsFile } from './mutate/results.ts';

const usage = `npm run mutate -- [options] [FILE or FOLDER …]

Without files: all of them, which takes hours. A run that was interrupted continues where it was: results are kept for
each file, in data/mutate/, and a mutant is tried again only when its source or a test that runs it has changed. Mutants
of code that runs once, when its module is loaded, keep their results until --fresh.

  --fresh      takes no earlier results
  --report     prints the results there are, and runs nothing
  --help
`;

interface Job {
  readonly source: string;
  readonly folder: MutatedFolder;
}

/** Where Linux has it: on a disk, the tests would wait for it most of the time. */
const memoryFolder = '/dev/shm';

class StrykerFailedError extends Error {}

try {
  process.exitCode = await main();
} catch (error) {
  const expected = error instanceof StrykerFailedError || isUsageError(error);
  console.error(expected && error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const options = { fresh: { type: 'boolean' }, report: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const jobs = jobsOf(positionals);
  if (!values.report) await mutate(jobs, values.fresh === true);
  const folders = mutatedFolders.filter((folder) => jobs.some((job) => job.folder === folder));
  return printReport(folders) ? 0 : 1;
}

/** @throws UsageError when a file is not among those that are mutated */
function jobsOf(names: readonly string[]): Job[] {
  const all = mutatedFolders.flatMap((folder) => sourcesOf(folder).map((source) => ({ source, folder })));
  if (names.length === 0) return all;
  return names.flatMap((name) => {
    const path = normalize(name).replace(/\/$/, '');
    const jobs = all.filter(({ source, folder }) => source === path || folder.folder === path);
    if (jobs.length === 0) throw new UsageError(`${name} is not mutated; tools/mutate/mutated-folders.ts says what is`);
    return jobs;
  });
}

async function mutate(jobs: readonly Job[], fresh: boolean): Promise<void> {
  await installStryker();
  mkdirSync('data/mutate', { recursive: true });
  if (jobs.length > 5)
    console.log(`${jobs.length} files: this takes hours. Ctrl-C ends it, and the same command continues.`);
  const databases = mkdtempSync(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), 'mutate-'));
  try {
    for (const [index, { source, folder }] of jobs.entries()) {
      console.log(`\n${index + 1} of ${jobs.length}: ${source}`);
      if (fresh) rmSync(resultsFile(source), { force: true });
      await runStryker(source, specsOf(folder, source), databases);
    }
  } finally {
    rmSync(databases, { recursive: true, force: true });
  }
}

/**
 * @param databases where the tests have their databases
 * @throws StrykerFailedError
 */
async function runStryker(source: string, specs: readonly string[], databases: string): Promise<void> {
  const command = 'tools/mutate/node_modules/@stryker-mutator/core/bin/stryker.js';
  const words = ['run', 'tools/mutate/stryker.config.js', '--mutate', source, '--incrementalFile', resultsFile(source)];
  const stryker = spawn(process.execPath, [command, ...words], {
    stdio: 'inherit',
    env: { ...process.env, MUTATE_SOURCE: source, MUTATE_SPECS: specs.join(','), TMPDIR: databases },
  });
  const [code] = await once(stryker, 'close');
  if (code !== 0) throw new StrykerFailedError(`StrykerJS failed with exit code ${code} on ${source}`);
}
