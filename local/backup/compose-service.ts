// Runs a script on the volume of a compose service, in a container of its own from the service's image: it works
// whether the service runs or not, and leaves nothing behind.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { findCompose, projectDir } from '../compose.ts';
import { BackupError } from './backup-error.ts';

/** Compiled files of this folder that a script can build on: they need nothing but what every image has. */
type Module = 'copy-database' | 'replace-database';

export interface Streams {
  /** Bytes for the script; left out: none. */
  readonly input?: Readable;
  /** Gets what the script writes; left out: it is returned as text. */
  readonly output?: Writable;
}

/** What a script that fails writes before its message; Compose itself writes to the same stream. */
const failureMark = 'script failed: ';
const reportFailure = `process.on('uncaughtException', (error) => {
  console.error('${failureMark}' + error.message);
  process.exit(1);
});`;

/** A database, by the container that uses it. */
export interface ComposeDatabase {
  readonly service: ServiceName;
  /** The same, or that of a further instance: `order-service-b`. */
  readonly container: string;
}

export class Compose {
  readonly #command: readonly [string, ...string[]];

  private constructor(command: readonly [string, ...string[]]) {
    this.#command = command;
  }

  /** @throws BackupError when Docker Compose is not installed */
  static async find(): Promise<Compose> {
    const command = await findCompose();
    if (command) return new Compose(command);
    throw new BackupError('Neither `docker compose` nor `docker-compose` is there: install Docker with Compose.');
  }

  /** For people. */
  toString(): string {
    return this.#command.join(' ');
  }

  /** One for each instance of each service, as docker-compose.yml has them. */
  async databasesOf(services: readonly ServiceName[]): Promise<ComposeDatabase[]> {
    const listed = (await this.#run([...this.#command, 'config', '--services'], {})).split('\n');
    const containers = listed.map((name) => name.trim()).sort();
    return services.flatMap((service) =>
      containers
        .filter((name) => name === service || name.startsWith(`${service}-`))
        .map((container) => ({ service, container })),
    );
  }

  /** @param name of the container, in docker-compose.yml */
  async isRunning(name: string): Promise<boolean> {
    const container = (await this.#run([...this.#command, 'ps', '-q', name], {})).trim();
    if (container === '') return false;
    const state = await this.#run(['docker', 'inspect', '-f', '{{.State.Running}}', container], {});
    return state.trim() === 'true';
  }

  /**
   * @param database its container
   * @param script an ES module's statements after those of `module`; `path` is the service's database in it
   * @returns what it wrote, where no output is given
   */
  runScript(
    { service, container }: ComposeDatabase,
    module: Module,
    script: string,
    streams: Streams = {},
  ): Promise<string> {
    const source = readFileSync(new URL(`./${module}.js`, import.meta.url), 'utf8');
    const path = `const path = process.env.DATABASE_PATH || 'data/${service}.db';`;
    const node = ['node', '--input-type=module', '-e', `${source}\n${reportFailure}\n${path}\n${script}`];
    return this.#run([...this.#command, 'run', '--rm', '--no-deps', '-T', container, ...node], streams);
  }

  async #run([file = '', ...args]: readonly string[], { input, output }: Streams): Promise<string> {
    const child = spawn(file, args, { cwd: projectDir, stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
    const code = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    const { stdin, stdout, stderr } = child;
    if (!stdout || !stderr) throw new Error('unreachable: both are pipes');
    // A script that fails early closes its input; its own words say more than the broken pipe does.
    const sent = input && stdin ? pipeline(input, stdin).catch(() => {}) : undefined;
    const [errors, written] = await Promise.all([
      text(stderr),
      output ? pipeline(stdout, output).then(() => '') : text(stdout),
      sent,
    ]);
    if ((await code) === 0) return written;
    const [, failure] = errors.split(failureMark);
    throw new BackupError(failure?.trim() ?? `${this} failed:\n${errors.trim()}`);
  }
}
