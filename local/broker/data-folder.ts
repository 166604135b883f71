// The folder of one private broker: temporary, or the caller's own and then locked, since two nodes on one database destroy it.
import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { identityOf, killGroup, type ProcessIdentity, stillRuns } from './processes.ts';
import { SourceUnavailableError } from './source.ts';

const identitySchema = z.object({ pid: z.number().int().positive(), startedAt: z.string() });
const lockSchema = z.object({ holder: identitySchema, group: identitySchema.optional() });
type Lock = z.infer<typeof lockSchema>;

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
  const lockFile = join(path, 'broker.lock');
  const holder = identityOf(process.pid);
  if (holder === undefined) throw new Error('this process does not find itself in the process table');
  await takeLock(lockFile, { holder }, path);
  return {
    path,
    temporary: false,
    holdsGroup: (group) => replaceFile(lockFile, JSON.stringify({ holder, group } satisfies Lock)),
    release: async () => rmSync(lockFile, { force: true }),
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

async function takeLock(lockFile: string, lock: Lock, path: string): Promise<void> {
  const draft = `${lockFile}.${process.pid}`;
  for (let tries = 0; tries < 3; tries += 1) {
    writeFileSync(draft, JSON.stringify(lock));
    try {
      // a link appears with its whole content or fails: nobody ever reads half a lock
      linkSync(draft, lockFile);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    } finally {
      unlinkSync(draft);
    }
    const found = readLock(lockFile);
    if (found !== undefined && stillRuns(found.holder)) {
      throw new DataFolderInUseError(`${path} is in use by process ${found.holder.pid}`);
    }
    if (found?.group !== undefined && stillRuns(found.group)) await killGroup(found.group);
    rmSync(lockFile, { force: true });
  }
  throw new DataFolderInUseError(`${path} is being taken by another process`);
}

function readLock(lockFile: string): Lock | undefined {
  try {
    return lockSchema.parse(JSON.parse(readFileSync(lockFile, 'utf8')));
  } catch {
    return undefined;
  }
}

function replaceFile(file: string, content: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, file);
}
