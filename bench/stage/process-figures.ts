// What a process has used so far, from /proc: processor time, memory, bytes written to disk. Linux only; elsewhere
// there are no figures.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessFigures {
  readonly cpuS: number;
  readonly rssBytes: number;
  /** Handed to the block layer; undefined where the kernel does not count them. */
  readonly writtenBytes: number | undefined;
}

/** Sums over the processes that exist. Undefined: none does, or this system has no /proc. */
export function figuresOf(pids: readonly number[]): ProcessFigures | undefined {
  const each = pids.map(figuresOfOne).filter((figures) => figures !== undefined);
  if (each.length === 0) return undefined;
  return each.reduce((sum, figures) => ({
    cpuS: sum.cpuS + figures.cpuS,
    rssBytes: sum.rssBytes + figures.rssBytes,
    writtenBytes:
      sum.writtenBytes === undefined || figures.writtenBytes === undefined
        ? undefined
        : sum.writtenBytes + figures.writtenBytes,
  }));
}

function figuresOfOne(pid: number): ProcessFigures | undefined {
  const stat = statOf(pid);
  if (!stat) return undefined;
  const status = read(`/proc/${pid}/status`) ?? '';
  const written = /^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`) ?? '')?.[1];
  return {
    cpuS: stat.cpuTicks / ticksPerS(),
    rssBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
    writtenBytes: written === undefined ? undefined : Number(written),
  };
}

/** Children of a process, their children, and so on. */
export function descendantsOf(pid: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const entry of list('/proc')) {
    const stat = /^\d+$/.test(entry) ? statOf(Number(entry)) : undefined;
    if (stat) childrenOf.set(stat.parent, [...(childrenOf.get(stat.parent) ?? []), Number(entry)]);
  }
  const found: number[] = [];
  const add = (parent: number): void => {
    for (const child of childrenOf.get(parent) ?? []) {
      found.push(child);
      add(child);
    }
  };
  add(pid);
  return found;
}

/** Ids of the Erlang machines on this computer. */
export function erlangMachines(): number[] {
  return list('/proc')
    .filter((entry) => /^\d+$/.test(entry) && (read(`/proc/${entry}/comm`) ?? '').startsWith('beam'))
    .map(Number);
}

function statOf(pid: number): { readonly parent: number; readonly cpuTicks: number } | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may hold anything; the numbers come after it. See proc(5).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

let ticks: number | undefined;
function ticksPerS(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticks;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
