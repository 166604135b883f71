// The faults of a soak. Each strikes a running system and has stopped when its promise resolves; what it leaves behind the
// system must heal by itself.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { cloudEventBatchContentType, cloudEventContentType } from '../../shared/contract/cloud-event.ts';
import { exchangeOf, queueOf } from '../../shared/contract/topology.ts';
import type { BrokerNode } from '../broker/source.ts';
import { deleteQueues, removeBinding } from '../losses/broker-losses.ts';
import { copyOf, putBack } from '../losses/process-losses.ts';
import type { Stage } from '../losses/stage.ts';
import { lockDatabase } from './database-lock.ts';
import type { Random } from './random.ts';

export interface Fault {
  readonly kind: string;
  inflict(stage: Stage, random: Random): Promise<void>;
}

/** Found in every poison message: so they are told from messages that should have been handled. */
export const poisonMark = 'soak-poison';
const poisonMessages = 200;

const kills = serviceNames.map((service) => ({
  kind: `kill -9 of ${service}`,
  inflict: async (stage: Stage, random: Random) => {
    await stage.service(service).kill();
    await delay(random.between(0, 5_000));
    await stage.service(service).start();
  },
}));

const putBacks = (['payment-service', 'inventory-service'] as const).map((service) => ({
  kind: `${service} put back by seconds`,
  inflict: async (stage: Stage, random: Random) => {
    const copy = await copyOf(stage, service);
    await delay(random.between(2_000, 8_000));
    await putBack(stage, service, copy);
    rmSync(copy);
  },
}));

const brokerFaults: readonly Fault[] = [
  {
    kind: 'broker killed',
    inflict: async ({ broker }, random) => {
      await broker.kill();
      await delay(random.between(0, 3_000));
      await broker.restart();
    },
  },
  {
    kind: 'broker paused',
    inflict: async ({ broker }, random) => {
      broker.pause();
      try {
        await delay(random.between(1_000, 15_000));
      } finally {
        broker.resume();
      }
    },
  },
  {
    kind: 'connections cut',
    inflict: async ({ proxy }, random) => {
      for (let left = 1 + Math.floor(random.next() * 5); left > 0; left -= 1) {
        proxy.cutAll();
        await delay(random.between(0, 2_000));
      }
    },
  },
  { kind: 'queue deleted', inflict: (stage, random) => deleteQueues(stage, [random.pick(serviceNames)]) },
  { kind: 'all queues deleted', inflict: (stage) => deleteQueues(stage, serviceNames) },
  {
    kind: 'queue purged',
    inflict: async (stage, random) => {
      const name = random.pick(serviceNames);
      // What is purged must have had the time to wait.
      await stage.service(name).kill();
      await delay(random.between(500, 3_000));
      await stage.withChannel((channel) => channel.purgeQueue(queueOf(name)));
      await stage.service(name).start();
    },
  },
  { kind: 'binding removed', inflict: (stage) => removeBinding(stage, 'payment.completed', 'inventory-service') },
  { kind: 'poison messages', inflict: poison },
];

const lock: Fault = {
  kind: 'database locked',
  inflict: async (stage, random) => {
    const unlock = await lockDatabase(stage.service(random.pick(serviceNames)).databasePath);
    await delay(random.between(1_000, 8_000));
    await unlock();
  },
};

/** @param smallDisk where the database of inventory-service is, if that is a file system of its own which root may resize */
export function faultsFor(smallDisk: string | undefined): readonly Fault[] {
  return [...kills, ...brokerFaults, ...putBacks, lock, ...(smallDisk === undefined ? [] : [diskFull(smallDisk)])];
}

/** Each node of a cluster is killed, and away for a while. */
export function nodeKills(nodes: readonly BrokerNode[]): readonly Fault[] {
  return nodes.map((node) => ({
    kind: `kill -9 of ${node.description.toLowerCase()}`,
    inflict: async (_stage, random) => {
      await node.kill();
      await delay(random.between(1_000, 3_000));
      await node.restart();
    },
  }));
}

/** The service whose database is on the small disk. */
export const smallDiskService: ServiceName = 'inventory-service';

function diskFull(folder: string): Fault {
  return {
    kind: 'disk full',
    inflict: async (_stage, random) => {
      resize(folder, usedKiB(folder) + 64);
      try {
        await delay(random.between(2_000, 8_000));
      } finally {
        resize(folder, smallDiskKiB);
      }
    },
  };
}

export const smallDiskKiB = 8 * 1024 * 1024;

export function resize(folder: string, kibibytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${kibibytes}k`, folder]);
}

function usedKiB(folder: string): number {
  const [, line = ''] = execFileSync('df', ['-k', '--output=used', folder]).toString().split('\n');
  return Number(line.trim());
}

async function poison(stage: Stage): Promise<void> {
  const text = (filler: unknown) => Buffer.from(JSON.stringify({ mark: poisonMark, filler }));
  const kinds = [
    { body: Buffer.from(`${poisonMark} is no JSON`), contentType: cloudEventContentType },
    { body: text('no event'), contentType: cloudEventContentType },
    { body: text('plain'), contentType: 'text/plain' },
    { body: Buffer.from(`["${poisonMark}"${',1'.repeat(100_000)}]`), contentType: cloudEventBatchContentType },
    { body: Buffer.from(`"${poisonMark}"${'['.repeat(6_000)}`), contentType: cloudEventContentType },
  ];
  await stage.withChannel(async (channel) => {
    for (let count = 0; count < poisonMessages; count += 1) {
      const message = kinds[count % kinds.length];
      if (!message) continue;
      const { body, contentType } = message;
      channel.publish(exchangeOf('order-service'), 'order.placed', body, { persistent: true, contentType });
    }
    channel.publish(exchangeOf('payment-service'), 'payment.completed', text('x'.repeat(2_000_000)), {
      contentType: cloudEventContentType,
    });
    // Answered after all that was sent before it.
    await channel.checkExchange(exchangeOf('order-service'));
  });
}
