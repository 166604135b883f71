// Spin: translates the model to C, compiles that, and runs it. https://spinroot.com
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PromiseId } from '../../simulator/environment/violation.ts';
import type { Bounds } from './model-runs.ts';

const promises: readonly PromiseId[] = ['P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8', 'P9'];

export interface Verdict {
  readonly states: number;
  readonly seconds: number;
  /** The promise that does not hold; `a run that does not end`; undefined: nothing is broken. */
  readonly broken: PromiseId | 'a run that does not end' | undefined;
  readonly output: string;
}

/** A tool that this machine lacks, or that has failed. */
export class SpinError extends Error {}

const modelFolder = new URL('../../../model/', import.meta.url).pathname;
/** Deeper than any run of the saga: the checker says so when it is not. */
const depthMax = 20_000;

/** Finds the tools, and says what to install when one is missing. @returns their versions */
export function toolVersions(): string {
  const missing = 'npm run model needs Spin and a C compiler: apt-get install spin gcc, or brew install spin';
  const [spin, gcc] = [spawnSync('spin', ['-V']), spawnSync('cc', ['--version'])];
  if (spin.error || gcc.error) throw new SpinError(missing);
  return `${spin.stdout}`.trim().split(' -- ')[0] ?? '';
}

/** A compiled checker, in a folder of its own. */
export class Checker {
  readonly #folder = mkdtempSync(join(tmpdir(), 'saga-model-'));
  readonly #flags: readonly string[];

  /**
   * @param kind `promises`: checks them in every state. `endings`: prints the journals at every end, and looks for runs
   *   that go on for ever.
   */
  constructor(kind: 'promises' | 'endings') {
    const endings = kind === 'endings';
    cpSync(modelFolder, this.#folder, { recursive: true });
    this.#flags = endings ? ['-l'] : [];
    this.#do('spin', [...(endings ? ['-DRECORDED'] : []), '-a', 'saga.pml']);
    const defines = endings ? ['-DNP', '-DPRINTF'] : ['-DSAFETY'];
    this.#do('cc', ['-O1', '-w', '-DMEMLIM=8000', ...defines, '-o', 'pan', 'pan.c']);
  }

  /** Explores everything within these bounds, or up to the first broken promise. @param planted a number from 1 on; 0: none */
  check(bounds: Bounds, planted = 0): Verdict {
    const startedMs = performance.now();
    const output = this.#do('./pan', [`-m${depthMax}`, '-w24', ...this.#flags], environmentOf(bounds, planted));
    const seconds = (performance.now() - startedMs) / 1_000;
    const states = Number(/^\s*([\d.e+]+) states, stored/m.exec(output)?.[1] ?? Number.NaN);
    const broken = brokenIn(output);
    const complete = /errors: 0/.test(output) && !/max search depth|out of memory|Search not completed/.test(output);
    if (Number.isNaN(states) || (!broken && !complete)) throw new SpinError(`the search was not completed:\n${output}`);
    return { states, seconds, broken, output };
  }

  /** What the checker prints while it repeats the last violation. */
  replay(bounds: Bounds, planted: number): string {
    return this.#do('./pan', ['-r', 'saga.pml.trail'], environmentOf(bounds, planted));
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #do(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
    const options = { cwd: this.#folder, env: { ...process.env, ...env }, maxBuffer: 1_000_000_000 };
    const { error, status, stdout, stderr } = spawnSync(command, args, options);
    if (error) throw new SpinError(`${command}: ${error.message}`);
    // A checker that has found something, or replays it, exits with other codes.
    if (status !== 0 && command !== './pan') throw new SpinError(`${command} failed:\n${stdout}${stderr}`);
    return `${stdout}${stderr}`;
  }
}

function environmentOf({ orders, faults, asks, funds, units }: Bounds, planted: number): NodeJS.ProcessEnv {
  const settings = {
    ORDERS: orders,
    FAULTS: faults,
    ASKS: asks,
    FUNDS_MIN: funds[0],
    FUNDS_MAX: funds[1],
    UNITS_MIN: units[0],
    UNITS_MAX: units[1],
    PLANTED: planted,
  };
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

/** A broken promise is an assertion that ends with its number: see model/promises.pml. */
function brokenIn(output: string): Verdict['broken'] {
  if (/pan:\d+: non-progress cycle/.test(output)) return 'a run that does not end';
  const violation = /assertion violated .*\((\d+)==0\)\)? \(at depth/.exec(output);
  return promises.find((promise) => promise === `P${violation?.[1]}`);
}
