// RabbitMQ in a container, published on 127.0.0.1 only and removed by stop().
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CommandFailedError, findExecutable, lastLines, runCommand } from './command.ts';
import { claimDataFolder, type DataFolder } from './data-folder.ts';
import { freePorts } from './free-ports.ts';
import { reportWhile } from './progress.ts';
import { NotReadyError, untilReady } from './readiness.ts';
import { type Broker, refuseCluster, SourceUnavailableError, type StartContext } from './source.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

const DEFAULT_IMAGE = 'rabbitmq:4-management';
const DAEMON_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 60_000;
const PULL_TIMEOUT_MS = 15 * 60_000;
const BOOT_TIMEOUT_MS = 120_000;
const RUN_TRIES = 3;

// no plugin is needed over AMQP, and the guest must be let in although Docker's proxy makes it look like a stranger
const SETTINGS = [
  'RABBITMQ_ENABLED_PLUGINS_FILE=/tmp/no-enabled-plugins',
  'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbit loopback_users [] disk_free_limit 50000000',
];

/** BROKER_IMAGE names another image. Throws SourceUnavailableError. */
export async function startDocker(context: StartContext): Promise<Broker> {
  refuseCluster(context, 'docker-compose.cluster.yml runs three in Docker');
  const docker = findExecutable('docker');
  if (docker === undefined) throw new SourceUnavailableError('no docker on the PATH');
  const image = process.env['BROKER_IMAGE'] || DEFAULT_IMAGE;
  try {
    // `docker info` of some versions succeeds without a daemon; the server's version cannot be had without one
    await runCommand(docker, ['version', '--format', '{{.Server.Version}}'], {
      timeoutMs: DAEMON_TIMEOUT_MS,
      signal: context.signal,
    });
    await pullUnlessThere(docker, image, context);
    const broker = new Container(docker, image, context);
    await broker.start(context.signal);
    return broker;
  } catch (error) {
    if (!(error instanceof CommandFailedError)) throw error;
    throw new SourceUnavailableError(error.message);
  }
}

async function pullUnlessThere(docker: string, image: string, context: StartContext): Promise<void> {
  const { progress, signal } = context;
  try {
    await runCommand(docker, ['image', 'inspect', image], { timeoutMs: COMMAND_TIMEOUT_MS, signal });
  } catch (error) {
    if (!(error instanceof CommandFailedError)) throw error;
    const pull = runCommand(docker, ['pull', '--quiet', image], { timeoutMs: PULL_TIMEOUT_MS, signal });
    await reportWhile(`pulling ${image}`, progress, pull);
  }
}

class Container implements Broker {
  readonly source = 'docker';
  readonly #docker: string;
  readonly #image: string;
  readonly #context: StartContext;
  readonly #name = `choreography-saga-broker-${randomUUID().slice(0, 13)}`;
  #port: number | undefined;
  #product = 'RabbitMQ';
  #held: { folder: DataFolder | undefined; watchdog: Watchdog } | undefined;
  #paused = false;

  constructor(docker: string, image: string, context: StartContext) {
    this.#docker = docker;
    this.#image = image;
    this.#context = context;
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.#port}`;
  }

  get description(): string {
    return `${this.#product}, in Docker (${this.#image}), port ${this.#port}`;
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    const { dataDir } = this.#context;
    const folder = dataDir === undefined ? undefined : await claimDataFolder(dataDir);
    // before the container exists: there must be no moment at which our death would leave it
    const watchdog = startWatchdog({ container: { docker: this.#docker, name: this.#name } });
    this.#held = { folder, watchdog };
    try {
      await this.#create(folder, signal);
      watchdog.created();
      await this.#untilReady(signal);
    } catch (error) {
      await this.#remove();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.#held === undefined) return;
    if (this.#held.folder !== undefined) {
      await this.#unfreeze();
      await this.#run('stop', '--time', '15', this.#name);
    }
    await this.#remove();
  }

  async kill(): Promise<void> {
    if (!(await this.#isRunning())) return;
    await this.#unfreeze();
    await this.#run('kill', this.#name);
  }

  async restart(signal?: AbortSignal): Promise<void> {
    if (this.#held === undefined) {
      if (this.#context.dataDir === undefined) throw new Error('stop() has removed the data of this broker');
      return this.start(signal);
    }
    await this.#unfreeze();
    if (await this.#isRunning()) await this.#run('stop', '--time', '15', this.#name);
    await this.#run('start', this.#name);
    await this.#untilReady(signal);
  }

  async wipe(): Promise<void> {
    const folder = this.#held?.folder;
    await this.#unfreeze();
    await this.#run('rm', '--force', '--volumes', this.#name);
    // Docker keeps a volume that has a name.
    if (folder) await this.#run('volume', 'rm', volumeOf(folder));
    await this.#create(folder, undefined);
    await this.#untilReady(undefined);
  }

  async ended(signal: AbortSignal): Promise<string> {
    // 0: however long it takes
    const waiting = runCommand(this.#docker, ['wait', this.#name], { timeoutMs: 0, signal });
    return waiting.then(
      (code) => `exit code ${code.trim()}`,
      (error: unknown) => {
        if (error instanceof CommandFailedError) return error.said;
        throw error;
      },
    );
  }

  pause(): void {
    execFileSync(this.#docker, ['pause', this.#name], { stdio: 'pipe' });
    this.#paused = true;
  }

  resume(): void {
    execFileSync(this.#docker, ['unpause', this.#name], { stdio: 'pipe' });
    this.#paused = false;
  }

  rabbitmqctl(args: readonly string[]): Promise<string> {
    return this.#run('exec', this.#name, 'rabbitmqctl', ...args);
  }

  /** `docker run`, on another port when the first was taken meanwhile. */
  async #create(folder: DataFolder | undefined, signal: AbortSignal | undefined): Promise<void> {
    const keptPort = this.#port;
    for (let tries = 1; ; tries += 1) {
      this.#port = keptPort ?? (await freePorts(1))[0];
      // the data belongs to a node name, which RabbitMQ makes of the host name
      const args = [
        'run',
        '--detach',
        '--name',
        this.#name,
        '--label',
        'choreography-saga=broker',
        '--hostname',
        'saga',
      ];
      args.push('--publish', `127.0.0.1:${this.#port}:5672`, ...SETTINGS.flatMap((setting) => ['--env', setting]));
      if (folder !== undefined) args.push('--volume', `${volumeOf(folder)}:/var/lib/rabbitmq`);
      try {
        await runCommand(this.#docker, [...args, this.#image], { timeoutMs: COMMAND_TIMEOUT_MS, signal });
        return;
      } catch (error) {
        const portTaken = error instanceof CommandFailedError && /port is already allocated|in use/i.test(error.said);
        if (!portTaken || tries === RUN_TRIES) throw error;
        // the container was made all the same, only not started
        await this.#run('rm', '--force', '--volumes', this.#name);
      }
    }
  }

  async #untilReady(signal: AbortSignal | undefined): Promise<void> {
    let ended: string | undefined;
    const watching = new AbortController();
    runCommand(this.#docker, ['wait', this.#name], { timeoutMs: BOOT_TIMEOUT_MS, signal: watching.signal }).then(
      (code) => {
        ended = `the container ended with code ${code.trim()}`;
      },
      () => undefined,
    );
    try {
      this.#product = await untilReady(this.url, {
        timeoutMs: BOOT_TIMEOUT_MS,
        what: 'RabbitMQ is starting in Docker',
        progress: this.#context.progress,
        signal,
        ended: () => ended,
      });
    } catch (error) {
      if (!(error instanceof NotReadyError)) throw error;
      const logs = await this.#run('logs', '--tail', '5', this.#name).catch(() => '');
      throw new SourceUnavailableError(
        `RabbitMQ in ${this.#image} did not start: ${error.message}: ${lastLines(logs, 5)}`,
      );
    } finally {
      watching.abort();
    }
  }

  async #remove(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    await this.#saveLog();
    try {
      await this.#run('rm', '--force', '--volumes', this.#name);
    } catch (error) {
      // never made, or removed by somebody else: gone is what was asked for
      if (!(error instanceof CommandFailedError && /no such container/i.test(error.said))) throw error;
    }
    await held.folder?.release();
    held.watchdog.dismiss();
    this.#held = undefined;
    this.#paused = false;
  }

  async #saveLog(): Promise<void> {
    const { dataDir, logFile } = this.#context;
    const file = logFile ?? (dataDir === undefined ? undefined : join(dataDir, 'log', 'rabbitmq.log'));
    if (file === undefined) return;
    const logs = await this.#run('logs', this.#name).catch(() => '');
    mkdirSync(dirname(resolve(file)), { recursive: true });
    writeFileSync(file, logs, { flag: 'a' });
  }

  /** Docker neither stops nor kills a paused container. */
  async #unfreeze(): Promise<void> {
    if (this.#paused) await this.#run('unpause', this.#name).catch(() => undefined);
    this.#paused = false;
  }

  async #isRunning(): Promise<boolean> {
    return (await this.#run('inspect', '--format', '{{.State.Running}}', this.#name)).trim() === 'true';
  }

  #run(...args: string[]): Promise<string> {
    return runCommand(this.#docker, args, { timeoutMs: COMMAND_TIMEOUT_MS });
  }
}

/**
 * The volume that belongs to a data folder. The folder itself is not mounted: files of the container's user could not be removed by
 * ours, and Docker may run on another machine. Its name lies in the folder, so a folder that was removed begins with an empty volume.
 */
function volumeOf(folder: DataFolder): string {
  const file = join(folder.path, 'docker-volume');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const name = `choreography-saga-${randomUUID()}`;
  writeFileSync(file, `${name}\n`);
  return name;
}
