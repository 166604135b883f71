// Files that are whole or absent after a power cut: flushed under a temporary name, then renamed.
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Gives a flushed file its name, replacing what has that name, and flushes the folder. */
export function renameDurably(from: string, to: string): void {
  renameSync(from, to);
  flush(dirname(to));
}

/** Writes a new file that only its owner may read. */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.part`;
  writeFileSync(temporary, text, { mode: 0o600 });
  flush(temporary);
  renameDurably(temporary, path);
}

/** Returns when the file, or the names in a folder, are on disk. */
export function flush(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
