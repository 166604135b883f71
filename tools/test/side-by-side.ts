// Runs all tests three files at a time, two that wait beside one that computes. Each file is a run of its own,
// whose output is shown when it has ended; what failed is shown again at the end, and the closing line adds them up.
import { type ChildProcess, spawn } from 'node:child_process';
import { basename, dirname } from 'node:path';

/** Files of these kinds take seconds or minutes each; those of the others are run together. */
const oneByOne = /^dist\/test\/(browser|e2e|sim)\//;
/** About so long a file takes, in seconds, where that is much longer than others take. */
const secondsOf: Readonly<Record<string, number>> = {
  'e2e/losses': 250,
  'e2e/tools': 200,
  'e2e/crash': 150,
  'e2e/broker': 130,
  'e2e/put-back': 120,
  'e2e/broker-nodes': 110,
  'e2e/amqp-bus': 65,
  'e2e/messages': 60,
  'e2e/order-instances': 50,
  'e2e/queue-owner': 45,
  'e2e/poison': 40,
  'sim/simulator': 100,
  'sim/mutants-instances': 80,
  'sim/exhaustive': 60,
  'sim/mutants-events': 50,
};
const usualSeconds = 25;
/** End-to-end tests shorter than that share a run, and with it a broker, since to start one takes 6 to 8 s; */
const aloneSeconds = 100;
/** such a run takes about so long at most. */
const sharedSeconds = 160;
/** A run that goes on for so long after its closing line has left something open. */
const endingMsMax = 30_000;
const closingLine = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/m;
/** The first two wait most of their time, the last computes: so they are in each other's way the least. */
const kindsByRun = [
  ['e2e', 'browser', 'sim', 'int', 'unit'],
  ['e2e', 'browser', 'int', 'unit', 'sim'],
  ['sim', 'int', 'unit', 'browser', 'e2e'],
];
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Undefined: ended by a signal. */
  readonly exitCode: number | null;
}

/**
 * @param command a program and its arguments; the files are added to them
 * @returns the exit code: 0 if every test has passed
 */
export async function runSideBySide(command: readonly string[], files: readonly string[]): Promise<number> {
  const startedAtMs = performance.now();
  const left = groupsOf(files);
  const total = left.length;
  const failures: string[] = [];
  /** What a test says of itself that was not run. */
  const skips: string[] = [];
  const running = new Set<ChildProcess>();
  let [passed, failed, skipped, done] = [0, 0, 0, 0];
  const stop = (signal: NodeJS.Signals) => {
    left.length = 0;
    // A terminal sends Ctrl-C to all of them; what was begun cleans up after itself.
    if (signal !== 'SIGINT') for (const child of running) child.kill('SIGINT');
    failures.push(`${signal}: not everything was run`);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const worker = async (kinds: readonly string[]) => {
    for (let group = takeNext(left, kinds); group; group = takeNext(left, kinds)) {
      const begunAtMs = performance.now();
      const { output, outcome } = await run(command, group, running);
      done += 1;
      const seconds = Math.round((performance.now() - begunAtMs) / 1_000);
      console.log(`\n[${done} of ${total}] ${titleOf(group)} (${seconds} s)\n${output.trimEnd()}`);
      passed += outcome.passed;
      skipped += outcome.skipped;
      skips.push(...(output.match(/^ *SKIPPED.*$/gm) ?? []));
      // One that broke off has no closing line.
      failed += outcome.exitCode === 0 ? 0 : Math.max(1, outcome.failed);
      if (outcome.exitCode !== 0) failures.push(`${titleOf(group)}\n${failuresIn(output)}`);
    }
  };
  await Promise.all(kindsByRun.map(worker));
  const minutes = ((performance.now() - startedAtMs) / 60_000).toFixed(1);
  if (failures.length > 0) console.log(`\n\nWhat failed:\n\n${failures.join('\n\n')}`);
  if (skips.length > 0) console.log(`\n\n${[...new Set(skips)].join('\n')}`);
  console.log(`\n\n  ${passed} passing (${minutes} minutes)`);
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return failures.length === 0 ? 0 : 1;
}

/** The longest comes first: what is long must not be left for the end. */
function groupsOf(files: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  let shared = '';
  for (const file of files) {
    let key = oneByOne.test(file) ? file : dirname(file);
    if (kindOf(file) === 'e2e' && secondsFor([file]) < aloneSeconds) {
      // By the name of the first of them.
      if (secondsFor([...(groups.get(shared) ?? []), file]) > sharedSeconds || shared === '') shared = file;
      key = shared;
    }
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()].sort((a, b) => secondsFor(b) - secondsFor(a));
}

function secondsFor(group: readonly string[]): number {
  return group.reduce((sum, file) => sum + (secondsOf[`${kindOf(file)}/${nameOf(file)}`] ?? usualSeconds), 0);
}

/** Takes the next group of the first kind that is left; what is of no such kind comes last. */
function takeNext(left: string[][], kinds: readonly string[]): string[] | undefined {
  for (const kind of kinds) {
    const at = left.findIndex(([file = '']) => kindOf(file) === kind);
    if (at !== -1) return left.splice(at, 1)[0];
  }
  return left.shift();
}

/** `e2e` for dist/test/e2e/saga.e2e.spec.js. */
function kindOf(file: string): string {
  return file.split('/')[2] ?? '';
}

/** `saga` for the same. */
function nameOf(file: string): string {
  return basename(file).split('.')[0] ?? '';
}

function titleOf(group: readonly string[]): string {
  const [file = ''] = group;
  if (group.length === 1) return file.replace(/^dist\//, '').replace(/\.js$/, '.ts');
  const folder = dirname(file).replace(/^dist\//, '');
  return kindOf(file) !== 'e2e' ? folder : `${folder}: ${group.map(nameOf).join(', ')}`;
}

/** Mocha's own account of them, from `N failing` on; of a run that broke off before, how it ended. */
function failuresIn(output: string): string {
  const from = output.search(/^\S*\s+\d+ failing/m);
  return (from === -1 ? output.slice(-2_000) : output.slice(from)).trimEnd();
}

function run(
  command: readonly string[],
  files: readonly string[],
  running: Set<ChildProcess>,
): Promise<{ output: string; outcome: Outcome }> {
  const [program = '', ...words] = command;
  const child = spawn(program, [...words, ...files], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  let ending: NodeJS.Timeout | undefined;
  const giveUp = () => {
    output += `\nIt has not ended ${endingMsMax / 1_000} s after its last test: a test has left something open.\n`;
    // Mocha passes this one on to the process that runs the tests.
    child.kill('SIGINT');
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (closingLine.test(output.slice(-200))) ending ??= setTimeout(giveUp, endingMsMax);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      running.delete(child);
      clearTimeout(ending);
      const [, passed = '0', failed = '0', skipped = '0'] = closingLine.exec(output.slice(-400)) ?? [];
      resolve({
        output,
        outcome: { passed: Number(passed), failed: Number(failed), skipped: Number(skipped), exitCode },
      });
    });
  });
}
