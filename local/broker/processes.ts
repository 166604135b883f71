// Processes by id, told apart from a later process that got the same id; and the end of a whole group.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own words: an id that was given out again has another one. */
  readonly startedAt: string;
}

/** Undefined when no such process runs (a zombie does not). */
export function identityOf(pid: number): ProcessIdentity | undefined {
  try {
    if (process.platform === 'linux') {
      // the name in parentheses may hold anything, so count from its end: state is field 3, the start time field 22
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const startedAt = fields[19];
      return fields[0] === 'Z' || fields[0] === 'X' || startedAt === undefined ? undefined : { pid, startedAt };
    }
    const startedAt = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return startedAt === '' ? undefined : { pid, startedAt };
  } catch {
    return undefined;
  }
}

export function stillRuns(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startedAt === identity.startedAt;
}

/** SIGKILLs a process group, waits until its leader is gone and gives the rest a moment. Does nothing when it is gone already. */
export async function killGroup(leader: ProcessIdentity): Promise<void> {
  if (!signalGroup(leader.pid, 'SIGKILL')) return;
  const giveUpMs = Date.now() + 5_000;
  // killed members whose new parent does not collect them (a container without an init) stay as zombies: do not wait for those
  const restGiveUpMs = Date.now() + 500;
  while (stillRuns(leader) || (Date.now() < restGiveUpMs && signalGroup(leader.pid, 0))) {
    if (Date.now() > giveUpMs) throw new Error(`process group ${leader.pid} does not end on SIGKILL`);
    await delay(10);
  }
}

/** False when no process of that group is left. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
