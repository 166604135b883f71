// Starts a service as a process of its own, from the compiled files, and reports when it listens and when it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { serviceLaunch } from './service-launch.ts';

const startTimeoutMs = 30_000;
const lastLinesMax = 30;

export interface ServiceOptions {
  readonly service: string;
  /** Name of a named instance. */
  readonly instance?: string;
  /** What to call it, where several processes of a service have no names. */
  readonly label?: string;
  /** Name of its database file; left out: after the service. */
  readonly databaseName?: string;
  /** Its compiled main file, from dist/. Left out: that of the service in the project's folder. */
  readonly main?: string;
  readonly amqpUrl: string;
  /** Folder for the service's database. */
  readonly dataDir: string;
  /** 0, or nothing: any free port. */
  readonly port?: number;
  /** Further settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** Every line the service writes. Absent: they are dropped, except the last ones, which an error shows. */
  readonly onLine?: (line: string) => void;
}

/** A service ended, or hung, before it listened. `lastLines` is what it wrote; the message holds them too. */
export class ServiceStartError extends Error {
  override readonly name = 'ServiceStartError';
  readonly why: string;
  readonly lastLines: readonly string[];

  constructor(why: string, lastLines: readonly string[]) {
    super(`${why}; its last lines:\n${lastLines.join('\n')}`);
    this.why = why;
    this.lastLines = lastLines;
  }
}

export class ServiceProcess {
  readonly service: string;
  readonly instance: string | undefined;
  readonly databasePath: string;
  readonly #options: ServiceOptions;
  #child: ChildProcess | undefined;
  #port: number;
  #lastLines: string[] = [];

  constructor(options: ServiceOptions) {
    this.service = options.service;
    this.instance = options.instance;
    this.#options = options;
    this.#port = options.port ?? 0;
    this.databasePath = join(options.dataDir, `${options.databaseName ?? options.service}.db`);
  }

  /** `order-service`, or `order-service.a` for a named instance. */
  get name(): string {
    if (this.#options.label !== undefined) return this.#options.label;
    return this.instance === undefined ? this.service : `${this.service}.${this.instance}`;
  }

  /** Base of the service's addresses. The port stays the same over restarts. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    // Without an id it never came to be.
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How the last process ended: `SIGKILL`, `exit code 1`; undefined before that. */
  get endedBy(): string | undefined {
    if (!this.#child || this.running) return undefined;
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
  }

  /** Resolves when the service listens. @throws ServiceStartError when it does not */
  async start(): Promise<void> {
    const { service, main, amqpUrl, dataDir, instance } = this.#options;
    const env = { ...this.#options.env, ...(instance === undefined ? {} : { INSTANCE: instance }) };
    mkdirSync(dataDir, { recursive: true });
    this.#lastLines = [];
    const launch = serviceLaunch({ service, main, amqpUrl, databasePath: this.databasePath, port: this.#port, env });
    const child = spawn(launch.command, launch.args, {
      // A group of its own: Ctrl-C in the terminal reaches the parent only, which then stops things in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: launch.env,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) this.#readLines(stream);
    this.#port = await this.#listening(child);
  }

  /** Asks it to end (SIGTERM), and waits until it has; also when it was paused (SIGSTOP). */
  async stop(): Promise<void> {
    const ended = this.#end('SIGTERM');
    // A paused process does not notice any signal except this one and SIGKILL.
    if (this.running) this.signal('SIGCONT');
    await ended;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Resolves when the process has ended by itself or otherwise. */
  async ended(): Promise<void> {
    if (this.#child && this.running) await once(this.#child, 'exit');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || !this.running) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  #listening(child: ChildProcess): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        clearTimeout(timer);
        reject(new ServiceStartError(`${this.name} ${why}`, this.#lastLines));
      };
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        fail(`did not listen within ${startTimeoutMs} ms`);
      }, startTimeoutMs);
      child.once('message', (message: { listening: number }) => {
        clearTimeout(timer);
        resolve(message.listening);
      });
      child.once('error', (error) => fail(`could not be started: ${error.message}`));
      // `close`, not `exit`: by then everything it wrote has been read.
      child.once('close', (code, signal) => fail(`ended (${signal ?? `exit code ${code}`}) before it listened`));
    });
  }

  #readLines(stream: NodeJS.ReadableStream | null): void {
    let rest = '';
    const line = (text: string): void => {
      this.#options.onLine?.(text);
      this.#lastLines.push(text);
      if (this.#lastLines.length > lastLinesMax) this.#lastLines.shift();
    };
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) line(text);
    });
    // A process that was killed may have left half a line.
    stream?.on('end', () => {
      if (rest !== '') line(rest);
    });
  }
}
