// A file that says which process holds a folder. A second process is refused at once; the lock of a process that has
// died is taken over.
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { identityOf, type ProcessIdentity, stillRuns } from './processes.ts';

const identitySchema = z.object({ pid: z.number().int().positive(), startedAt: z.string() });
const lockSchema = z.object({ holder: identitySchema, group: identitySchema.optional() });
type Lock = z.infer<typeof lockSchema>;

const triesMax = 3;

export interface LockFile {
  /** Adds the process group that whoever takes over a dead holder's lock must end first. */
  holdsGroup(leader: ProcessIdentity): void;
  release(): void;
}

/** Another process that runs holds the lock. */
export class LockHeldError extends Error {
  override readonly name = 'LockHeldError';
  readonly holderPid: number;

  constructor(file: string, holderPid: number) {
    super(`${file} is held by process ${holderPid}`);
    this.holderPid = holderPid;
  }
}

/**
 * Takes the lock for this process. Its folder must exist.
 * @param endGroup ends the process group that a dead holder has left behind
 * @throws LockHeldError
 */
export async function takeLock(
  file: string,
  endGroup: (leader: ProcessIdentity) => Promise<void> = async () => {},
): Promise<LockFile> {
  const holder = identityOf(process.pid);
  if (holder === undefined) throw new Error('this process does not find itself in the process table');
  for (let tries = 1; !linked(file, { holder }); tries += 1) {
    const found = readLock(file);
    if (found !== undefined && stillRuns(found.holder)) throw new LockHeldError(file, found.holder.pid);
    if (tries === triesMax) throw new Error(`${file} cannot be taken over from a process that has died; delete it`);
    if (found?.group !== undefined && stillRuns(found.group)) await endGroup(found.group);
    rmSync(file, { force: true });
  }
  return {
    holdsGroup: (group) => replace(file, { holder, group }),
    release: () => rmSync(file, { force: true }),
  };
}

/** The process that holds the lock now; undefined when none that runs does. */
export function lockHolder(file: string): number | undefined {
  const found = readLock(file);
  return found !== undefined && stillRuns(found.holder) ? found.holder.pid : undefined;
}

/** False when the file exists. A link appears with its whole content or not at all: nobody ever reads half a lock. */
function linked(file: string, lock: Lock): boolean {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(lock));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

function readLock(file: string): Lock | undefined {
  try {
    return lockSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

function replace(file: string, lock: Lock): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(lock));
  renameSync(draft, file);
}
