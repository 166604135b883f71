// A part of the benchmark as a process of its own: it gets its settings as its first message, and ends with its parent.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface ChildOptions {
  /** What errors call it. */
  readonly name: string;
  /** Its compiled file. */
  readonly file: URL;
  /** Its first message. */
  readonly settings: object;
  /** Called when it fails without having been killed. */
  readonly failed: (error: Error) => void;
}

export class Child {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #ending = false;
  #errors = '';

  constructor({ name, file, settings, failed }: ChildOptions) {
    this.#child = spawn(process.execPath, ['--enable-source-maps', fileURLToPath(file)], {
      // A group of its own: Ctrl-C reaches the parent only, which then stops things in order.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production' },
    });
    this.#exited = once(this.#child, 'exit');
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4_000);
    });
    this.#child.once('error', failed);
    // `close`, not `exit`: by then everything it wrote has been read.
    this.#child.once('close', (code, signal) => {
      if (!this.#ending && code !== 0) failed(new Error(`${name} ended (${signal ?? code}): ${this.#errors}`));
    });
    this.#child.send(settings);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(message: object): void {
    this.#child.send(message);
  }

  onMessage(listen: (message: unknown) => void): () => void {
    this.#child.on('message', listen);
    return () => this.#child.off('message', listen);
  }

  /** Resolves with what `wanted` makes of the first message for which it is not undefined. */
  next<T>(wanted: (message: unknown) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const stop = this.onMessage((message) => {
        const found = wanted(message);
        if (found === undefined) return;
        stop();
        resolve(found);
      });
    });
  }

  ready(): Promise<true> {
    return this.next((message) => ((message as { is?: string }).is === 'ready' ? true : undefined));
  }

  /** Resolves when it has ended by itself. */
  async done(): Promise<void> {
    await this.#exited;
  }

  async kill(): Promise<void> {
    this.#ending = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.pid) return;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
