// A service as it runs in production, but for its log, which goes to /dev/null: with info lines written, and nobody's
// disk or pipe in the figures. local/service-process.ts would have this process read every line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultSettings } from '../local/system.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';

/** A million orders are checked at the start (PRAGMA quick_check). */
const startTimeoutMs = 300_000;

export interface ServiceRunOptions {
  readonly service: ServiceName;
  readonly amqpUrl: string;
  readonly databasePath: string;
  /** Folder for CPU profiles; undefined: none. */
  readonly profile: string | undefined;
  readonly failed: (error: Error) => void;
}

export class ServiceRun {
  readonly service: ServiceName;
  readonly databasePath: string;
  /** From the start of the process until it listens. */
  readonly startMs: number;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #ending = false;

  private constructor(
    options: ServiceRunOptions,
    child: ChildProcess,
    exited: Promise<unknown>,
    port: number,
    startMs: number,
  ) {
    this.service = options.service;
    this.databasePath = options.databasePath;
    this.port = port;
    this.startMs = startMs;
    this.#child = child;
    this.#exited = exited;
    child.once('exit', (code, signal) => {
      if (!this.#ending) options.failed(new Error(`${this.service} ended (${signal ?? code})`));
    });
  }

  static async start(options: ServiceRunOptions, running: (kill: () => Promise<void>) => void): Promise<ServiceRun> {
    const { service, amqpUrl, databasePath, profile } = options;
    mkdirSync(dirname(databasePath), { recursive: true });
    const startedMs = performance.now();
    const main = fileURLToPath(new URL(`../${service}/main.js`, import.meta.url));
    const errorFile = join(dirname(databasePath), `${service}.stderr`);
    const errors = openSync(errorFile, 'w');
    const profiling =
      profile === undefined
        ? []
        : ['--cpu-prof', '--cpu-prof-dir', profile, '--cpu-prof-name', `${service}.cpuprofile`];
    const child = spawn(process.execPath, [...profiling, '--enable-source-maps', main], {
      detached: true,
      stdio: ['ignore', 'ignore', errors, 'ipc'],
      env: {
        ...process.env,
        ...defaultSettings,
        // The one setting that a comparison is made of: EVENT_BATCH_MAX=1 npm run bench
        EVENT_BATCH_MAX: process.env['EVENT_BATCH_MAX'] ?? '',
        NODE_ENV: 'production',
        AMQP_URL: amqpUrl,
        DATABASE_PATH: databasePath,
        PORT: '0',
      },
    });
    closeSync(errors);
    const exited = once(child, 'exit');
    exited.catch(() => {});
    running(async () => {
      if (child.exitCode !== null || child.signalCode !== null || !child.pid) return;
      child.kill('SIGKILL');
      await exited;
    });
    const port = await new Promise<number>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${service} ${why}: ${readFileSync(errorFile, 'utf8')}`));
      const timer = setTimeout(() => fail(`did not listen within ${startTimeoutMs} ms`), startTimeoutMs);
      child.once('message', (message: { listening: number }) => {
        clearTimeout(timer);
        resolve(message.listening);
      });
      child.once('error', (error) => fail(error.message));
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended (${signal ?? code}) before it listened`);
      });
    });
    return new ServiceRun(options, child, exited, port, performance.now() - startedMs);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** SIGTERM, as a supervisor would. */
  async stop(): Promise<void> {
    this.#ending = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await this.#exited;
  }
}
