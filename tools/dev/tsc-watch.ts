// TypeScript's compiler in watch mode, as a sequence of compilations.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { printable } from '../../local/printable.ts';

/** The project, where tsconfig.json is; this file is in dist/tools/dev. */
const projectDir = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const tsc = join(projectDir, 'node_modules', 'typescript', 'bin', 'tsc');
const endOfCompilation = /Found (\d+) errors?\. Watching for file changes\./;
const startOfCompilation = /Starting (incremental )?compilation|File change detected/i;

// A session of its own, which ends when our end of its stdin does: with the signal, and with this process, however that ends.
const script = '"$@" & exec >/dev/null 2>&1; cat; kill -s KILL -- "-$$"';

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
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #signal: AbortSignal;

  /**
   * @param project its tsconfig.json
   * @param signal ends the compiler
   */
  constructor(project: string, signal: AbortSignal) {
    this.#signal = signal;
    const command = [process.execPath, tsc, '--project', project, '--watch', '--preserveWatchOutput'];
    this.#child = spawn('/bin/sh', ['-c', script, 'tsc-watch', ...command], {
      cwd: projectDir,
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdin.on('error', () => {});
    const end = () => void this.#child.stdin.end();
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  /** Ends when the compiler has, after the signal. @throws CompilerEndedError when that comes without the signal */
  async *compilations(): AsyncGenerator<Compilation> {
    let lines: string[] = [];
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const end = endOfCompilation.exec(line);
      if (end) {
        yield { errors: Number(end[1]), output: lines.join('\n').trim() };
        lines = [];
      } else if (!startOfCompilation.test(line)) lines.push(printable(line));
    }
    if (!this.#signal.aborted) throw new CompilerEndedError(`The compiler ended. ${lines.join('\n')}`.trim());
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}
