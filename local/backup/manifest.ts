// manifest.json of a backup: which databases it holds, and how to recognise that they are intact. It is written last:
// a folder without one is not a finished backup.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { BackupError } from './backup-error.ts';
import { writeDurably } from './durable-file.ts';

const Entry = z.object({
  /** A name inside the folder, never a path that leads out of it. */
  file: z.string().regex(/^[\w-]+\.db$/, 'must be a plain file name that ends in .db'),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  schemaVersion: z.int().positive(),
});

const Manifest = z.object({
  createdAt: z.iso.datetime(),
  /** By service; those of further instances by the names that Compose gives them, such as `order-service-b`. */
  services: z.record(z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be the name of a service'), Entry),
});

export type ManifestEntry = z.output<typeof Entry>;
export type Manifest = z.output<typeof Manifest>;

const fileName = 'manifest.json';

export function writeManifest(folder: string, manifest: Manifest): void {
  writeDurably(join(folder, fileName), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** @throws BackupError when there is none, or when it is not one */
export function readManifest(folder: string): Manifest {
  const path = join(folder, fileName);
  if (!existsSync(path)) {
    throw new BackupError(
      `${path} does not exist: ${folder} is not a backup, or the backup was interrupted. Give the folder of a finished one.`,
    );
  }
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new BackupError(`${path} is not JSON: this backup is damaged. Use another one.`);
  }
  const result = Manifest.safeParse(content);
  if (result.success) return result.data;
  throw new BackupError(
    `${path} is not the manifest of a backup. Use another backup.\n${z.prettifyError(result.error)}`,
  );
}
