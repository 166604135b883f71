// Several private nodes as one broker: a RabbitMQ cluster on the loopback, with what clusters on several machines have.
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claimDataFolder, type DataFolder } from './data-folder.ts';
import { EpmdProcess } from './epmd-process.ts';
import { freePorts } from './free-ports.ts';
import type { Installation } from './installation.ts';
import { checkJoined } from './joined.ts';
import { PrivateNode } from './private-node.ts';
import type { Broker, BrokerNode, StartContext } from './source.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

type Source = 'installed' | 'debian';

/** What is held while the cluster is ours: between start and stop. */
interface Held {
  readonly folder: DataFolder;
  readonly watchdog: Watchdog;
  readonly epmd: EpmdProcess;
}

/** Starts all nodes and waits until each answers and has joined. Throws SourceUnavailableError when one does not come up. */
export async function startCluster(source: Source, installation: Installation, context: StartContext): Promise<Broker> {
  const [epmdPort = 0] = await freePorts(1);
  const cluster = new Cluster(source, installation, context, epmdPort);
  await cluster.start(context.signal);
  return cluster;
}

class Cluster implements Broker {
  readonly source: Source;
  readonly nodes: readonly BrokerNode[];
  readonly #installation: Installation;
  readonly #context: StartContext;
  readonly #epmdPort: number;
  readonly #members: readonly PrivateNode[];
  #held: Held | undefined;

  constructor(source: Source, installation: Installation, context: StartContext, epmdPort: number) {
    this.source = source;
    this.#installation = installation;
    this.#context = context;
    this.#epmdPort = epmdPort;
    // New at each start: all nodes are started together.
    const cookie = randomBytes(24).toString('hex');
    const { nodes, dataDir, logFile } = context;
    this.#members = Array.from({ length: nodes }, (_, index) => {
      const number = index + 1;
      const own = {
        ...context,
        dataDir: dataDir === undefined ? undefined : join(dataDir, `node-${number}`),
        logFile: logFile === undefined ? undefined : `${logFile}.${number}`,
      };
      return new PrivateNode(source, installation, own, { number, epmdPort, cookie });
    });
    this.nodes = this.#members.map((member, index) => ({
      description: `Broker node ${index + 1}`,
      get url() {
        return member.url;
      },
      get pid() {
        return member.pid;
      },
      stop: () => member.stop(),
      kill: () => member.kill(),
      restart: (signal) => member.restart(signal),
      ended: (signal) => member.ended(signal),
    }));
  }

  get url(): string {
    return this.#members.map(({ url }) => url).join(',');
  }

  get description(): string {
    const ports = this.#members.map(({ url }) => new URL(url).port);
    return `${this.#first.product}, private, a cluster of ${ports.length} nodes, ports ${ports.join(', ')}`;
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    const folder = await claimDataFolder(this.#context.dataDir);
    const watchdog = startWatchdog({ temporaryDir: folder.temporary ? folder.path : undefined });
    try {
      const epmd = await EpmdProcess.start(this.#installation.epmd, this.#epmdPort, (leader) => {
        watchdog.guard(leader.pid);
        folder.holdsGroup(leader);
      });
      this.#held = { folder, watchdog, epmd };
    } catch (error) {
      watchdog.guard(undefined);
      await folder.release();
      watchdog.dismiss();
      throw error;
    }
    try {
      const start = (member: PrivateNode) => member.start(signal);
      // Nodes that have data wait for each other; nodes without must join one that runs.
      if (existsSync(this.#formedFile(folder))) await all(this.#members, start);
      else await this.#form(folder, start);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    await all(this.#members, (member) => member.stop());
    await held.epmd.kill();
    held.watchdog.guard(undefined);
    await held.folder.release();
    held.watchdog.dismiss();
    this.#held = undefined;
  }

  async kill(): Promise<void> {
    await all(this.#members, (member) => member.kill());
  }

  async restart(signal?: AbortSignal): Promise<void> {
    if (this.#held !== undefined) return all(this.#members, (member) => member.restart(signal));
    if (this.#context.dataDir === undefined) throw new Error('stop() has removed the data of this broker');
    return this.start(signal);
  }

  async wipe(): Promise<void> {
    if (this.#held === undefined) throw new Error('the broker is stopped');
    const { folder } = this.#held;
    await this.kill();
    rmSync(this.#formedFile(folder), { force: true });
    await all(this.#members, (member) => member.removeData());
    await this.#form(folder, (member) => member.restart());
  }

  async ended(signal: AbortSignal): Promise<string> {
    const hows = await Promise.all(this.#members.map((member) => member.ended(signal)));
    return `all nodes: ${hows.join(', ')}`;
  }

  pause(): void {
    for (const member of this.#members) member.pause();
  }

  resume(): void {
    for (const member of this.#members) member.resume();
  }

  rabbitmqctl(args: readonly string[]): Promise<string> {
    return (this.#members.find(({ running }) => running) ?? this.#first).rabbitmqctl(args);
  }

  /** The first node alone, then the others, which join it. */
  async #form(folder: DataFolder, start: (member: PrivateNode) => Promise<void>): Promise<void> {
    const { dataDir } = this.#context;
    // Of a start that did not come to its end: half a cluster, in which nobody has ever stored anything.
    if (dataDir !== undefined) {
      for (const number of this.#members.keys()) {
        rmSync(join(dataDir, `node-${number + 1}`, 'db'), { recursive: true, force: true });
      }
    }
    await start(this.#first);
    await all(this.#members.slice(1), start);
    await checkJoined(this.#members.map(({ url }) => url));
    writeFileSync(this.#formedFile(folder), '');
  }

  get #first(): PrivateNode {
    const [first] = this.#members;
    if (first === undefined) throw new Error('a cluster has nodes');
    return first;
  }

  #formedFile({ path }: DataFolder): string {
    return join(path, 'formed');
  }
}

/** All are waited for, also after one failed: what is half done could not be undone. */
async function all(members: readonly PrivateNode[], act: (member: PrivateNode) => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(members.map(act));
  for (const result of done) if (result.status === 'rejected') throw result.reason;
}
