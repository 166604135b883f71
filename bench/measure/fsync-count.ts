// Counts the fsyncs and fdatasyncs of processes from outside: with perf, which costs them nothing; otherwise with
// strace, which slows them down. Where neither can be used there is no count.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export type FsyncTool = 'perf' | 'strace';

export interface FsyncCounter {
  /** Fsyncs by name since the counter was started. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

/** The tool that can be used on this machine. */
export function fsyncTool(): FsyncTool | undefined {
  const perf = spawnSync('perf', ['stat', '-x,', '-e', events, '--', 'true'], { encoding: 'utf8' });
  if (perf.status === 0 && /fdatasync/.test(perf.stderr) && !/not supported/.test(perf.stderr)) return 'perf';
  const strace = spawnSync('strace', ['-c', '-o', '/dev/null', 'true']);
  return strace.status === 0 ? 'strace' : undefined;
}

const events = 'syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync';

/** @param processes ids by name */
export async function countFsyncs(
  tool: FsyncTool,
  processes: Readonly<Record<string, readonly number[]>>,
  folder: string,
): Promise<FsyncCounter> {
  const counters = Object.entries(processes)
    .filter(([, pids]) => pids.length > 0)
    .map(([name, pids]) => {
      const file = join(folder, `fsyncs-${name}`);
      const args =
        tool === 'perf'
          ? ['stat', '-x,', '-o', file, '-e', events, '-p', pids.join(',')]
          : ['-f', '-c', '-o', file, '-e', 'trace=fsync,fdatasync', ...pids.flatMap((pid) => ['-p', String(pid)])];
      const child = spawn(tool, args, { detached: true, stdio: 'ignore' });
      return { name, file, child, exited: once(child, 'exit') };
    });
  // Neither reports when it has attached itself.
  await delay(500);
  return {
    stop: async () => {
      for (const { child } of counters) child.kill('SIGINT');
      await Promise.all(counters.map(({ exited }) => exited));
      return Object.fromEntries(counters.map(({ name, file }) => [name, countIn(tool, readFileSync(file, 'utf8'))]));
    },
  };
}

/** The number of calls in what the tool has written. */
export function countIn(tool: FsyncTool, text: string): number {
  const pattern =
    tool === 'perf' ? /^(\d+),.*sync/gm : /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?f(?:data)?sync$/gm;
  return [...text.matchAll(pattern)].reduce((sum, [, calls]) => sum + Number(calls), 0);
}
