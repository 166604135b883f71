// Real kills at named places in the code: a service dies at a failpoint, is started again, dies again, while customers order.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { type Failpoint, failpoints } from '../../shared/runtime/storage/group-commit.ts';
import type { Stage, StageOptions } from '../losses/stage.ts';
import type { Fault } from './faults.ts';
import type { Random } from './random.ts';

/** A service dies when it has come to the failpoint so many times at most. */
const hitsMax = 40;
/** How long it may take to come to a failpoint under load. */
const deathMsMax = 60_000;

/** @param folder where it is written when each service dies */
export function mortalServices(folder: string): Pick<StageOptions, 'mains' | 'envs'> {
  return {
    mains: perService(() => 'local/soak/mortal-service.js'),
    envs: perService((service) => ({ SERVICE: service, FAILPOINT_FILE: fileOf(folder, service) })),
  };
}

/** One for each service and failpoint: each kills that service so many times. */
export function failpointKills(folder: string, times: number): readonly Fault[] {
  return serviceNames.flatMap((service) =>
    failpoints.map((at) => ({
      kind: `${service} dies ${at}`,
      inflict: (stage: Stage, random: Random) => killAt(stage, random, { service, at, times, folder }),
    })),
  );
}

interface Kills {
  readonly service: ServiceName;
  readonly at: Failpoint;
  readonly times: number;
  readonly folder: string;
}

async function killAt(stage: Stage, random: Random, { service, at, times, folder }: Kills): Promise<void> {
  const mortal = stage.service(service);
  const file = fileOf(folder, service);
  await mortal.kill();
  try {
    for (let kill = 1; kill <= times; kill += 1) {
      writeFileSync(file, JSON.stringify({ at, hits: 1 + Math.floor(random.next() * hitsMax) }));
      // It may die before it listens: the outbox is published at once.
      const failure = await mortal.start().catch(String);
      await dead(mortal.ended(), `${service} to come to the failpoint ${at}, kill ${kill} of ${times}`);
      if (mortal.endedBy !== 'SIGKILL')
        throw new Error(`${service} ended by ${mortal.endedBy} instead of kill -9: ${failure ?? 'it was running'}`);
    }
  } finally {
    rmSync(file, { force: true });
    await mortal.kill();
    await mortal.start();
  }
}

async function dead(ended: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deathMsMax} ms for ${what}`)), deathMsMax);
  });
  await Promise.race([ended, late]).finally(() => clearTimeout(timer));
}

function fileOf(folder: string, service: ServiceName): string {
  return join(folder, `${service}.failpoint.json`);
}
