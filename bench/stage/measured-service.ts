// A service, or a peer's, as it runs in production, except for its log, which goes to /dev/null: info lines are written,
// but no disk, pipe or reader is part of the figures. local/service-process.ts would have this process read every line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { serviceLaunch } from '../../local/service-launch.ts';
import { defaultSettings } from '../../local/system.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';

/** A million orders may have to be brought up to date by a migration. */
const startTimeoutMs = 300_000;

export interface MeasuredServiceOptions {
  readonly service: ServiceName;
  /** Its main file, from dist/. Left out: the service of this project. */
  readonly main?: string;
  readonly amqpUrl: string;
  readonly databasePath: string;
  /** Folder for CPU profiles; undefined: none. */
  readonly profile: string | undefined;
  /** Called when the service ends without having been stopped. */
  readonly failed: (error: Error) => void;
}

const Ports = z.object({ listening: z.int(), healthPort: z.int().optional() });
type Ports = z.output<typeof Ports>;

interface Started {
  readonly child: ChildProcess;
  readonly ports: Ports;
}

/** Gets a function that kills a process which was just started, also before it listens. */
export type Running = (kill: () => Promise<void>) => void;

export class MeasuredService {
  readonly service: ServiceName;
  readonly databasePath: string;
  readonly port: number;
  /** Where it answers probes; a peer does so on its port. */
  readonly healthPort: number;
  /** From the start of the process until it listens. */
  readonly startMs: number;
  readonly #options: MeasuredServiceOptions;
  readonly #running: Running;
  #child: ChildProcess;
  #ending = false;

  private constructor(options: MeasuredServiceOptions, running: Running, { child, ports }: Started, startMs: number) {
    this.service = options.service;
    this.databasePath = options.databasePath;
    this.port = ports.listening;
    this.healthPort = ports.healthPort ?? ports.listening;
    this.startMs = startMs;
    this.#options = options;
    this.#running = running;
    this.#child = child;
    this.#watch(child);
  }

  /** Resolves when it listens. */
  static async start(options: MeasuredServiceOptions, running: Running): Promise<MeasuredService> {
    mkdirSync(dirname(options.databasePath), { recursive: true });
    const startedMs = performance.now();
    const started = await startProcess(options, 0, running);
    return new MeasuredService(options, running, started, performance.now() - startedMs);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** kill -9, and a new process at once on the same port and database. Resolves when that listens. */
  async killAndRestart(): Promise<void> {
    this.#ending = true;
    await end(this.#child, 'SIGKILL');
    this.#ending = false;
    const { child } = await startProcess(this.#options, this.port, this.#running);
    this.#child = child;
    this.#watch(child);
  }

  /** SIGTERM, as a supervisor would. */
  async stop(): Promise<void> {
    this.#ending = true;
    await end(this.#child, 'SIGTERM');
  }

  #watch(child: ChildProcess): void {
    child.once('exit', (code, signal) => {
      if (!this.#ending) this.#options.failed(new Error(`${this.service} ended (${signal ?? code})`));
    });
  }
}

async function startProcess(options: MeasuredServiceOptions, port: number, running: Running): Promise<Started> {
  const errorFile = `${options.databasePath}.stderr`;
  const child = spawnService(options, port, errorFile);
  running(() => end(child, 'SIGKILL'));
  return { child, ports: await listening(child, options.service, errorFile) };
}

function spawnService(options: MeasuredServiceOptions, port: number, errorFile: string): ChildProcess {
  const { service, main, amqpUrl, databasePath, profile } = options;
  const launch = serviceLaunch({
    service,
    main,
    amqpUrl,
    databasePath,
    port,
    env: {
      ...defaultSettings,
      // The one setting that the user may change, to compare: EVENT_BATCH_MAX=1 npm run bench
      EVENT_BATCH_MAX: process.env['EVENT_BATCH_MAX'] ?? '',
      HEALTH_PORT: '0',
      NODE_ENV: 'production',
    },
    nodeOptions:
      profile === undefined
        ? []
        : // No name: the profile of the thread that answers probes would overwrite the service's.
          ['--cpu-prof', '--cpu-prof-dir', join(profile, service)],
  });
  const errors = openSync(errorFile, 'w');
  const child = spawn(launch.command, launch.args, {
    detached: true,
    stdio: ['ignore', 'ignore', errors, 'ipc'],
    env: launch.env,
  });
  closeSync(errors);
  return child;
}

function listening(child: ChildProcess, service: ServiceName, errorFile: string): Promise<Ports> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`${service} ${why}: ${readFileSync(errorFile, 'utf8')}`));
    };
    const timer = setTimeout(() => fail(`did not listen within ${startTimeoutMs} ms`), startTimeoutMs);
    child.once('message', (message: unknown) => {
      clearTimeout(timer);
      resolve(Ports.parse(message));
    });
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code, signal) => fail(`ended (${signal ?? code}) before it listened`));
  });
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || !child.pid) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
