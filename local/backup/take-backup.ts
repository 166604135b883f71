// A backup: one consistent, verified copy of each service's database, and a manifest of them.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BackupError, reasonOf } from './backup-error.ts';
import { copyDatabase } from './copy-database.ts';
import { renameDurably } from './durable-file.ts';
import { type Manifest, type ManifestEntry, writeManifest } from './manifest.ts';
import type { Selection } from './selection.ts';
import { sizeText } from './size-text.ts';
import { verifyDatabase } from './verify.ts';

/** A database to copy, wherever it is. */
export interface Source {
  /** As the manifest names it. */
  readonly service: string;
  /** For people. */
  readonly description: string;
  /** Writes a consistent copy, flushed to disk, to a file that does not exist yet. */
  copyTo(path: string, progress: (part: number) => void): Promise<void>;
}

/** A copy that takes longer than this says how far it is, this often. */
const progressEveryMs = 2_000;

/** @throws BackupError naming every database that does not exist */
export function localSources({ services, pathOf }: Selection): Source[] {
  const missing = services.filter((service) => !isFile(pathOf(service)));
  if (missing.length > 0) {
    throw new BackupError(
      `These databases do not exist:\n${missing.map((service) => `  ${service}: ${pathOf(service)}`).join('\n')}\n` +
        'Set DATA_DIR to the folder of the databases, or give each with --database SERVICE=FILE.\n' +
        'To leave a service out, name the others with --only.',
    );
  }
  return services.map((service) => ({
    service,
    description: pathOf(service),
    copyTo: (path, progress) => copyDatabase(pathOf(service), path, progress),
  }));
}

/**
 * Copies all sources into the folder, one after the other, the last one first. Services may run and write meanwhile, or be stopped.
 * @param folder is created; it may exist when it is empty
 * @param say gets one line at a time
 * @throws BackupError; nothing of this backup is left then
 */
export async function takeBackup(
  sources: readonly Source[],
  folder: string,
  say: (line: string) => void,
): Promise<Manifest> {
  const created = claimFolder(folder);
  try {
    const createdAt = new Date().toISOString();
    const services: Record<string, ManifestEntry> = {};
    // Against the flow of the saga, order-service last: an order that a copy knows is then known to order-service's copy, too, and
    // what the earlier copies lack follows from the journals of the later ones. The other way round, nobody could rebuild it.
    for (const source of sources.toReversed()) services[source.service] = await copyOne(source, folder, say);
    const manifest: Manifest = { createdAt, services };
    writeManifest(folder, manifest);
    return manifest;
  } catch (error) {
    // The folder was empty: all that is in it is ours.
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true });
    if (created) rmSync(folder, { recursive: true });
    throw error;
  }
}

async function copyOne(source: Source, folder: string, say: (line: string) => void): Promise<ManifestEntry> {
  const file = `${source.service}.db`;
  const temporary = join(folder, `${file}.part`);
  say(`${source.service}: copying ${source.description}`);
  let saidAtMs = performance.now();
  const progress = (part: number): void => {
    if (performance.now() - saidAtMs < progressEveryMs) return;
    saidAtMs = performance.now();
    say(`${source.service}: ${Math.floor(part * 100)} % copied`);
  };
  try {
    await source.copyTo(temporary, progress);
    const facts = await verifyDatabase(temporary);
    renameDurably(temporary, join(folder, file));
    say(`${source.service}: ${sizeText(facts.bytes)}, verified, schema version ${facts.schemaVersion}`);
    return { file, ...facts };
  } catch (error) {
    throw new BackupError(`${source.service} could not be backed up from ${source.description}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** @returns whether it was created */
function claimFolder(folder: string): boolean {
  if (!existsSync(folder)) {
    // Accounts and orders are nobody else's business.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return true;
  }
  if (!statSync(folder).isDirectory()) throw new BackupError(`${folder} is a file. Give a new folder.`);
  if (readdirSync(folder).length > 0) {
    throw new BackupError(`${folder} is not empty, and a backup never overwrites anything. Give a new folder.`);
  }
  return false;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
