// A RabbitMQ of this machine as our own private node: own data, own ports, own epmd, own process group, loopback only.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from './command.ts';
import { claimDataFolder, type DataFolder } from './data-folder.ts';
import { freePorts } from './free-ports.ts';
import { type Installation, leanScriptsDir } from './installation.ts';
import { NodeProcess } from './node-process.ts';
import {
  type Membership,
  type NodePorts,
  nodeEnvironment,
  placeIn,
  removeMessages,
  writeSettings,
} from './node-settings.ts';
import { NotReadyError, untilReady } from './readiness.ts';
import { type Broker, SourceUnavailableError, type StartContext } from './source.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

const BOOT_TIMEOUT_MS = 120_000;
const CTL_TIMEOUT_MS = 60_000;
const BOOT_TRIES = 4;
const PORT_TAKEN = /eaddrinuse|address (already )?in use|port .*(in use|taken)|seems to be running/i;

/** What is held while the broker is ours: between start and stop, also while it is killed. */
interface Held {
  readonly folder: DataFolder;
  readonly watchdog: Watchdog;
}

/** Starts it and waits until it answers. Throws SourceUnavailableError when it does not come up. */
export async function startPrivateNode(
  source: 'installed' | 'debian',
  installation: Installation,
  context: StartContext,
): Promise<Broker> {
  const node = new PrivateNode(source, installation, context);
  await node.start(context.signal);
  return node;
}

export class PrivateNode implements Broker {
  readonly source: 'installed' | 'debian';
  readonly #installation: Installation;
  readonly #context: StartContext;
  readonly #membership: Membership | undefined;
  #product = 'RabbitMQ';
  #ports: NodePorts | undefined;
  #held: Held | undefined;
  #process: NodeProcess | undefined;
  /** Off once this installation turned out not to boot with it. */
  #lean = true;

  constructor(
    source: 'installed' | 'debian',
    installation: Installation,
    context: StartContext,
    membership?: Membership,
  ) {
    this.#membership = membership;
    this.source = source;
    this.#installation = installation;
    this.#context = context;
  }

  get product(): string {
    return this.#product;
  }

  get running(): boolean {
    return this.#process !== undefined && this.#process.ended() === undefined;
  }

  /** Also of one that has ended since, so that it can be named. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.#portsInUse().amqp}`;
  }

  get description(): string {
    return `${this.#product}, private, port ${this.#portsInUse().amqp}`;
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    const folder = await claimDataFolder(this.#context.dataDir);
    const watchdog = startWatchdog({ temporaryDir: folder.temporary ? folder.path : undefined });
    this.#held = { folder, watchdog };
    try {
      await this.#boot(signal);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    // nobody will read data that is about to be removed: no need to wait until it is in order
    if (held.folder.temporary) await this.#process?.kill();
    else await this.#process?.end();
    this.#process = undefined;
    // from here on a death of ours leaves at most a temporary folder; the watchdog goes last for that
    held.watchdog.guard(undefined);
    await held.folder.release();
    held.watchdog.dismiss();
    this.#held = undefined;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#process = undefined;
    this.#held?.watchdog.guard(undefined);
  }

  async restart(signal?: AbortSignal): Promise<void> {
    if (this.#held === undefined) {
      if (this.#context.dataDir === undefined) throw new Error('stop() has removed the data of this broker');
      return this.start(signal);
    }
    await this.#process?.end();
    this.#process = undefined;
    await this.#boot(signal);
  }

  async wipe(): Promise<void> {
    await this.kill();
    await this.removeData();
    await this.restart();
  }

  async ended(signal: AbortSignal): Promise<string> {
    return this.#process === undefined ? 'it is not running' : this.#process.whenEnded(signal);
  }

  pause(): void {
    this.#running().signal('SIGSTOP');
  }

  resume(): void {
    this.#running().signal('SIGCONT');
  }

  async rabbitmqctl(args: readonly string[]): Promise<string> {
    const { folder } = this.#holding();
    const place = placeIn(folder.path, this.#context.logFile);
    return runCommand(join(this.#installation.scriptsDir, 'rabbitmqctl'), args, {
      timeoutMs: CTL_TIMEOUT_MS,
      env: nodeEnvironment(this.#installation, place, this.#portsInUse(), undefined, this.#membership),
      cwd: folder.path,
    });
  }

  /** Of a node that is killed or stopped for good: what it would continue with. */
  async removeData(): Promise<void> {
    await removeMessages(placeIn(this.#holding().folder.path, this.#context.logFile));
  }

  /** Other ports when one was taken meanwhile (never another AMQP port than last time), the whole installation when the lean one fails. */
  async #boot(signal: AbortSignal | undefined): Promise<void> {
    const keptPort = this.#ports?.amqp;
    for (let tries = 1; ; tries += 1) {
      const [amqp = 0, distribution = 0, epmd = 0] = await freePorts(3);
      this.#ports = { amqp: keptPort ?? amqp, distribution, epmd: this.#membership?.epmdPort ?? epmd };
      try {
        this.#product = await this.#bootOnce(this.#ports, signal);
        return;
      } catch (error) {
        const printed = this.#process?.printed() ?? '';
        await this.#process?.kill();
        this.#process = undefined;
        if (!(error instanceof NotReadyError)) throw error;
        const portTaken = PORT_TAKEN.test(printed);
        if (tries === BOOT_TRIES || (!portTaken && !this.#lean)) {
          throw new SourceUnavailableError(
            `RabbitMQ in ${this.#installation.scriptsDir} did not start: ${error.message}`,
          );
        }
        if (portTaken) await delay(keptPort === undefined ? 0 : 500);
        else this.#lean = false;
      }
    }
  }

  async #bootOnce(ports: NodePorts, signal: AbortSignal | undefined): Promise<string> {
    const { folder, watchdog } = this.#holding();
    const place = placeIn(folder.path, this.#context.logFile);
    writeSettings(place, ports, this.#membership);
    const lean = this.#lean ? leanScriptsDir(this.#installation, join(folder.path, 'rabbitmq')) : undefined;
    this.#lean = lean !== undefined;
    const process = new NodeProcess({
      epmd: this.#membership ? undefined : this.#installation.epmd,
      serverScript: join(lean ?? this.#installation.scriptsDir, 'rabbitmq-server'),
      env: nodeEnvironment(this.#installation, place, ports, lean, this.#membership),
      cwd: folder.path,
      consoleFile: place.consoleFile,
      beforeGo: (leader) => {
        watchdog.guard(leader.pid);
        folder.holdsGroup(leader);
      },
    });
    this.#process = process;
    return untilReady(`amqp://guest:guest@127.0.0.1:${ports.amqp}`, {
      timeoutMs: BOOT_TIMEOUT_MS,
      what: this.#membership ? `RabbitMQ node ${this.#membership.number} is starting` : 'RabbitMQ is starting',
      progress: this.#context.progress,
      signal,
      ended: () => process.ended(),
    });
  }

  #running(): NodeProcess {
    if (this.#process === undefined) throw new Error('the broker does not run');
    return this.#process;
  }

  #holding(): Held {
    if (this.#held === undefined) throw new Error('the broker is stopped');
    return this.#held;
  }

  #portsInUse(): NodePorts {
    if (this.#ports === undefined) throw new Error('the broker was never started');
    return this.#ports;
  }
}
