// TypeScript's compiler in watch mode, as a sequence of compilations.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { printable } from '../../local/printable.ts';

/** The project, where tsconfig.json is; this file is in dist/tools/dev. */
const projectDir = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const tsc = join(projectDir, 'node_modules', 'typescript', 'bin', 'tsc');
const endOfCompilation = /Found (\d+) errors?\. Watching for file changes\./;
const startOfCompilation = /Starting (incremental )?compilation|File change detected/i;

export interface Compilation {
  readonly errors: number;
  /** What the compiler printed about them. */
  readonly output: string;
}

/** The compiler ended by itself: changes are not seen any more. */
export class CompilerEndedError extends Error {
  override readonly name = 'CompilerEndedError';
}

export class TscWatch {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #signal: AbortSignal;

  /** @param signal ends the compiler */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    // A group of its own: Ctrl-C in the terminal reaches the parent only, which ends it by the signal.
    this.#child = spawn(process.execPath, [tsc, '--project', 'tsconfig.json', '--watch', '--preserveWatchOutput'], {
      cwd: projectDir,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (signal.aborted) this.#end();
    else signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  /** Ends with the signal. @throws CompilerEndedError when the compiler ends without it */
  async *compilations(): AsyncGenerator<Compilation> {
    let lines: string[] = [];
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const end = endOfCompilation.exec(line);
      if (end) {
        yield { errors: Number(end[1]), output: lines.join('\n').trim() };
        lines = [];
      } else if (!startOfCompilation.test(line)) lines.push(printable(line));
    }
    if (!this.#signal.aborted) throw new CompilerEndedError(`the compiler ended: ${lines.join('\n')}`);
  }

  #end(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGTERM');
    } catch {
      // It has ended already.
    }
  }
}
