// `npm test`: runs mocha on the compiled form of the test files that are named, or of all of them, three files at a time. Files,
// folders and globs may be given as sources (test/unit/x.unit.spec.ts) or compiled (dist/test/…); everything else goes to mocha.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runSideBySide } from './test/side-by-side.ts';

const sourceSuffix = '.spec.ts';
/** Mocha's short options that take the next word as their value; its long ones begin with `--` and are in the list below. */
const shortWithValue = /^-[fgjnOrRstu]$/;
const longWithValue =
  /^--(config|exclude|extension|fgrep|file|globals?|grep|ignore|jobs|node-option|package|reporter|reporter-options?|require|retries|slow|timeouts?|ui|watch-files|watch-ignore)$/;

class NoSuchTestError extends Error {}

/** Splits the words of the command line into mocha's options and the files to run. */
function readWords(words: readonly string[]): { readonly options: string[]; readonly files: string[] } {
  const options: string[] = [];
  const files: string[] = [];
  for (const [index, word] of words.entries()) {
    const before = words[index - 1] ?? '';
    const isValue = shortWithValue.test(before) || longWithValue.test(before);
    if (word.startsWith('-') || isValue) options.push(word);
    else files.push(word);
  }
  return { options, files };
}

/** The compiled files that a word stands for; a glob stays one, for mocha. */
function compiledFrom(word: string): string[] {
  const path = relative(process.cwd(), word) || '.';
  if (/[*?[\]{}]/.test(path)) return [compiledPath(path)];
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory()) return specsIn(path).map(compiledPath);
  const compiled = compiledPath(path);
  if (!existsSync(compiled)) throw new NoSuchTestError(`there is no test file ${word}`);
  return [compiled];
}

function compiledPath(path: string): string {
  const inDist = path.startsWith('dist/') ? path : join('dist', path);
  return inDist.replace(/\.ts$/, '.js');
}

/** Looks for sources: a compiled file whose source was removed is not run. */
function specsIn(folder: string): string[] {
  const suffix = folder.startsWith('dist') ? '.spec.js' : sourceSuffix;
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name))
    .sort();
}

const { options, files } = readWords(process.argv.slice(2));
try {
  if (process.argv.length === 2) {
    const [program = '', script = ''] = process.argv;
    process.exit(await runSideBySide([program, script], compiledFrom('test')));
  }
  const specs = (files.length === 0 ? ['test'] : files).flatMap(compiledFrom);
  if (specs.length === 0) throw new NoSuchTestError(`there are no tests in ${files.join(', ')}`);
  process.argv = [...process.argv.slice(0, 2), ...options, ...specs];
  // Mocha's own command, in this process: it reads .mocharc.json and process.argv.
  await import('mocha/bin/mocha.js' as string);
} catch (error) {
  if (!(error instanceof NoSuchTestError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
