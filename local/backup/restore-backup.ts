// A restore: everything is checked before anything is changed, and what was there is kept.
import { createReadStream, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { BackupError, reasonOf } from './backup-error.ts';
import type { Manifest, ManifestEntry } from './manifest.ts';
import {
  DatabaseInUseError,
  type DatabaseLock,
  dropStagedCopy,
  lockDatabase,
  stageCopy,
  swapIn,
} from './replace-database.ts';
import { verifyDatabase } from './verify.ts';

/** A crash or a full disk interrupted the last step: some databases are restored. The message says which. */
export class PartlyRestoredError extends BackupError {}

/** A database to replace, wherever it is. The steps are called in this order, for all services step by step. */
export interface Target {
  /** As the manifest names it. */
  readonly service: string;
  /** For people. */
  readonly description: string;
  /** @throws BackupError when a service uses the database */
  lock(): Promise<void>;
  /** Brings the copy beside the database. */
  stage(copy: string, sha256: string): Promise<void>;
  /** @returns the files of the former database, which end in `suffix` */
  swapIn(suffix: string): Promise<readonly string[]>;
  /** Removes what the steps before have left. Safe after any of them, and after none. */
  release(): Promise<void>;
}

export interface Restored {
  readonly service: string;
  readonly description: string;
  /** Files of the former database; none when there was none. */
  readonly setAside: readonly string[];
}

/**
 * Restores the databases of the targets, all or none.
 * @throws BackupError when nothing was changed, PartlyRestoredError otherwise
 */
export async function restoreBackup(
  folder: string,
  manifest: Manifest,
  targets: readonly Target[],
  say: (line: string) => void,
): Promise<Restored[]> {
  const copies = targets.map((target) => ({ target, ...copyOf(folder, manifest, target.service) }));
  try {
    for (const { target } of copies) await target.lock();
    for (const { target, path, entry } of copies) {
      say(`${target.service}: checking ${path}`);
      await verifyCopy(path, entry);
    }
    for (const { target, path, entry } of copies) {
      say(`${target.service}: bringing it to ${target.description}`);
      await target.stage(path, entry.sha256);
    }
    return await swapAll(targets);
  } finally {
    for (const { target } of copies) await target.release();
  }
}

async function swapAll(targets: readonly Target[]): Promise<Restored[]> {
  const suffix = `.before-restore-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  const restored: Restored[] = [];
  for (const target of targets) {
    try {
      const setAside = await target.swapIn(suffix);
      restored.push({ service: target.service, description: target.description, setAside });
    } catch (error) {
      const done = restored.map(({ service }) => service).join(', ') || 'none';
      throw new PartlyRestoredError(
        `${target.service} could not be restored: ${reasonOf(error)}\n` +
          `Restored: ${done}. Start no service. The former files are beside the databases, their names end in ${suffix}.\n` +
          'Remove the cause, then run the same restore again.',
        { cause: error },
      );
    }
  }
  return restored;
}

function copyOf(folder: string, manifest: Manifest, service: string): { path: string; entry: ManifestEntry } {
  const entry = manifest.services[service];
  if (!entry) throw new BackupError(`This backup does not contain ${service}. Use another one, or --only.`);
  return { path: join(folder, entry.file), entry };
}

async function verifyCopy(path: string, entry: ManifestEntry): Promise<void> {
  if (!existsSync(path)) throw new BackupError(`${path} is missing: this backup is incomplete. Use another one.`);
  const facts = await verifyDatabase(path).catch((error: unknown) => {
    throw new BackupError(`${path} cannot be restored: ${reasonOf(error)}. Use another backup.`);
  });
  if (facts.sha256 === entry.sha256 && facts.schemaVersion === entry.schemaVersion) return;
  throw new BackupError(`${path} was changed after the backup: its checksum is another one. Use another backup.`);
}

/**
 * @param answers whether a service of that name answers on its port. Asked only where the database cannot be locked,
 *   because it does not exist or is damaged.
 */
export function localTarget(
  service: ServiceName,
  path: string,
  answers: (service: ServiceName) => Promise<boolean>,
): Target {
  let lock: DatabaseLock | undefined;
  let staged = false;
  return {
    service,
    description: path,
    async lock() {
      lock = lockOrRefuse(service, path);
      if (lock.certain || !(await answers(service))) return;
      throw new BackupError(
        `${service} answers on its port, and whether it uses ${path} cannot be found out: ` +
          'the file is missing or damaged. Stop the service and try again.',
      );
    },
    async stage(copy, sha256) {
      mkdirSync(dirname(path), { recursive: true });
      staged = true;
      await stageCopy(createReadStream(copy), path, sha256);
    },
    async swapIn(suffix) {
      return swapIn(path, `${path}${suffix}`);
    },
    async release() {
      lock?.release();
      lock = undefined;
      // Not one of another restore, which may be why this one was refused.
      if (staged) dropStagedCopy(path);
      staged = false;
    },
  };
}

function lockOrRefuse(service: string, path: string): DatabaseLock {
  try {
    return lockDatabase(path);
  } catch (error) {
    if (!(error instanceof DatabaseInUseError)) throw error;
    throw new BackupError(
      `${service} is running, or something else has its database open: ${path}\n` +
        'Stop it (Ctrl-C at npm start) and try again.',
    );
  }
}
