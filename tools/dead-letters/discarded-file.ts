// The file that keeps what is discarded, one JSON object a line.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { DeadLettersError } from './errors.ts';

export class DiscardedFile {
  readonly path: string;
  #descriptor: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Appends the lines and flushes them to disk. The file is made by the first call, readable by its owner only.
   * @throws DeadLettersError when it exists already or cannot be written
   */
  append(lines: readonly string[]): void {
    if (lines.length === 0) return;
    try {
      this.#descriptor ??= openSync(this.path, 'wx', 0o600);
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      for (let from = 0; from < bytes.length; ) from += writeSync(this.#descriptor, bytes, from);
      fsyncSync(this.#descriptor);
    } catch (error) {
      const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
      const why = exists ? 'it exists, and is not overwritten' : error instanceof Error ? error.message : String(error);
      throw new DeadLettersError(`${this.path} cannot be written: ${why}. What is not in it was not discarded.`);
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
