// The folder of one private broker: temporary, or the caller's own and then locked, since two nodes on one database destroy it.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LockHeldError, takeLock } from './lock-file.ts';
import { killGroup, type ProcessIdentity } from './processes.ts';
import { SourceUnavailableError } from './source.ts';

export interface DataFolder {
  readonly path: string;
  readonly temporary: boolean;
  /** Remembers the broker's process group, so that a later start can end it if we and the watchdog both get killed. */
  holdsGroup(leader: ProcessIdentity): void;
  /** Removes what is temporary, unlocks what is not. */
  release(): Promise<void>;
}

/** Somebody else runs a broker on that folder. The caller must choose another one or stop the other. */
export class DataFolderInUseError extends SourceUnavailableError {
  override name = 'DataFolderInUseError';
}

/** Makes the folder where needed. Throws DataFolderInUseError. */
export async function claimDataFolder(dataDir: string | undefined): Promise<DataFolder> {
  if (dataDir === undefined) return temporaryFolder();
  const path = resolve(dataDir);
  mkdirSync(path, { recursive: true });
  const lock = await takeLock(join(path, 'broker.lock'), killGroup).catch((error: unknown) => {
    if (!(error instanceof LockHeldError)) throw error;
    throw new DataFolderInUseError(
      `The broker folder ${path} is in use by process ${error.holderPid}. Stop that process, or use another folder.`,
    );
  });
  return {
    path,
    temporary: false,
    holdsGroup: lock.holdsGroup,
    release: async () => lock.release(),
  };
}

function temporaryFolder(): DataFolder {
  const path = mkdtempSync(join(tmpdir(), 'choreography-saga-broker-'));
  return {
    path,
    temporary: true,
    holdsGroup: () => undefined,
    // port programs of a killed VM may still be writing: a folder that is not empty is tried again
    release: () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }),
  };
}
