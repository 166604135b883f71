// What a service can lose: its process, again and again at the worst moment, and the last seconds of its database.
import { copyFileSync, rmSync } from 'node:fs';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { copyDatabase } from '../backup/copy-database.ts';
import { eventually } from '../eventually.ts';
import { queueHolds } from './broker-losses.ts';
import type { Stage } from './stage.ts';

/** More than a consumer prefetches. */
const backlog = 400;
/** A message is set aside after the process has died of it eight times. */
const errorTimeoutMs = 90_000;

/** Kills a service so many times, each time when the broker has just delivered a full prefetch to it. */
export async function killAtDelivery(stage: Stage, name: ServiceName, times: number): Promise<void> {
  const service = stage.service(name);
  await service.kill();
  await queueHolds(stage, name, backlog);
  for (let kills = 0; kills < times; kills += 1) {
    const delivered = stage.proxy.delivery(`${name} consumer`);
    await service.start();
    await delivered;
    await service.kill();
  }
  await service.start();
}

/** Cuts the connection of a consumer so many times, each time when the broker delivers to it. */
export async function cutAtDelivery(stage: Stage, name: ServiceName, times: number): Promise<void> {
  const service = stage.service(name);
  await service.kill();
  await queueHolds(stage, name, backlog);
  const cut = stage.proxy.cutAtDelivery(`${name} consumer`, times);
  await service.start();
  await cut;
}

/** Starts a service again whenever it has died by itself, until the stage is stopped. */
export function keepRunning(stage: Stage, name: ServiceName): void {
  const service = stage.service(name);
  const run = async (): Promise<void> => {
    for (;;) {
      await service.ended();
      if (stage.stopped) return;
      // It may die again before it listens.
      await service.start().catch(() => {});
    }
  };
  void run();
}

/** Copies the database of a running service, to be put back later. Returns the path of the copy. */
export async function copyOf(stage: Stage, name: ServiceName): Promise<string> {
  const copy = stage.pathOf(`${name}.copy.db`);
  await copyDatabase(stage.service(name).databasePath, copy);
  return copy;
}

/** Kills a service, puts the copy in the place of its database, and starts it again. */
export async function putBack(stage: Stage, name: ServiceName, copy: string): Promise<void> {
  const service = stage.service(name);
  await service.kill();
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${service.databasePath}${suffix}`, { force: true });
  copyFileSync(copy, service.databasePath);
  await service.start();
}

/** Resolves when a service has logged this at error level. */
export async function loggedError(stage: Stage, name: ServiceName, text: string): Promise<void> {
  await eventually(
    `${name} to log at error level: ${text}`,
    () => stage.errors().some(({ service, msg }) => service === name && msg.includes(text)),
    Boolean,
    errorTimeoutMs,
  );
}
