// The machine that the figures were measured on.
import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, type as systemType, totalmem } from 'node:os';
import { join } from 'node:path';
import { median } from '../measure/statistics.ts';

export interface Machine {
  readonly processors: number;
  readonly processor: string;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly fileSystem: string;
  /** Median of one write and its fdatasync where the databases are. */
  readonly fdatasyncMs: number;
  /** Processes that wanted a processor in the minute before the run. Not near zero: something else uses them. */
  readonly loadBefore: number;
}

export function describeMachine(dataDir: string): Machine {
  return {
    processors: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    system: `${systemType()} ${release()}`,
    node: process.version,
    fileSystem: fileSystemOf(dataDir),
    fdatasyncMs: fdatasyncMs(dataDir),
    loadBefore: loadavg()[0] ?? 0,
  };
}

// statfs(2)
const fileSystems: Readonly<Record<number, string>> = {
  61267: 'ext4',
  16914836: 'tmpfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlayfs',
};

function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder);
  return fileSystems[type] ?? `type 0x${type.toString(16)}`;
}

function fdatasyncMs(folder: string): number {
  const path = join(folder, 'fdatasync');
  const file = openSync(path, 'w');
  const page = Buffer.alloc(4096, 1);
  const times = Array.from({ length: 100 }, () => {
    const startMs = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    return performance.now() - startMs;
  });
  closeSync(file);
  rmSync(path);
  return median(times);
}
