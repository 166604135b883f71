// Memory of the processes over a long run at saturation, and what an order leaves in the databases.
import { setTimeout as delay } from 'node:timers/promises';
import { type PerService, perService } from '../../services.ts';
import { type PerProcess, perProcess } from '../stage/per-process.ts';
import type { Stage } from '../stage/stage.ts';
import type { Bench } from './bench.ts';
import { megabytes } from './figures-as-text.ts';
import { type Trouble, troubleOf } from './rounds.ts';

export interface MemoryResult {
  readonly sagas: number;
  readonly sagasPerS: number;
  /** Bytes of resident memory: right after the start, the highest seen under load, at the end, and after idle seconds. */
  readonly atStart: PerProcess<number>;
  readonly highest: PerProcess<number>;
  readonly atEnd: PerProcess<number>;
  readonly afterwards: PerProcess<number>;
  /** At every tenth of the run. */
  readonly course: readonly { readonly sagas: number; readonly rssBytes: PerProcess<number> }[];
  readonly databaseBytesPerOrder: PerService<number>;
  readonly trouble: Trouble;
}

export async function measureMemory(bench: Bench, stage: Stage, atStart: PerProcess<number>): Promise<MemoryResult> {
  const { plan, inFlight } = bench;
  const sagas = plan.memorySagas;
  const bytesBefore = stage.databaseBytes();
  let highest: PerProcess<number> = {};
  const course: { sagas: number; rssBytes: PerProcess<number> }[] = [];
  const measured = await stage.run(
    { kind: 'closed', target: 'services', scenario: 'confirmed', inFlight, warmUpS: 0, seconds: 1, sagas },
    (ended) => {
      const now = rssOf(stage);
      highest = perProcess((name) => maxOfKnown(highest[name], now[name]));
      if (ended < (course.length * sagas) / 10) return;
      course.push({ sagas: ended, rssBytes: now });
      bench.progress(`memory: ${ended} of ${sagas} sagas, ${megabytes(now)}`);
    },
  );
  const atEnd = rssOf(stage);
  await delay(plan.idleS * 1000);
  const bytesAfter = stage.databaseBytes();
  return {
    sagas: measured.ended,
    sagasPerS: measured.perS,
    atStart,
    highest,
    atEnd,
    afterwards: rssOf(stage),
    course,
    databaseBytesPerOrder: perService(
      (service) => (bytesAfter[service] - bytesBefore[service]) / (measured.ended + inFlight),
    ),
    trouble: troubleOf([measured]),
  };
}

/** Resident memory of the services' processes, in bytes. */
export function rssOf(stage: Stage): PerProcess<number> {
  const figures = stage.figures('services');
  return perProcess((name) => figures[name]?.rssBytes);
}

function maxOfKnown(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
